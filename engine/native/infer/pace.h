// How fast the cores of a run are at the moment. A core's speed is not its own: clocks change, and its other hardware
// thread, which may belong to another machine of the same host, takes a part of it.
#pragma once
#include "infer/convolve.h"

namespace fovea {

class Pace {
 public:
  // Wall time of a fixed piece of arithmetic for each of the machine's threads, shared among them as a pass is, ms.
  double measure(const Machine& machine);

 private:
  AlignedFloats values_;
};

}  // namespace fovea
