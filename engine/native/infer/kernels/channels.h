// Iterates over the channels of a row, vector by vector.
#pragma once
#include "infer/kernels/activation.h"

namespace fovea {

// Runs `whole(c)` for full vectors and `part(c, count)` for the rest of `length` channels.
template <class I, class Whole, class Part>
inline void over_channels(long length, Whole whole, Part part) {
  long c = 0;
  for (; c + I::lanes <= length; c += I::lanes) whole(c);
  if (c < length) part(c, static_cast<int>(length - c));
}

}  // namespace fovea
