// How fast the cores of a run are at the moment. The speed of a core varies: its clock changes, and its other hardware
// thread, which may serve another virtual machine on the same host, takes part of it.
#pragma once
#include "infer/convolve.h"

namespace fovea {

class Pace {
 public:
  // Wall time of a fixed amount of arithmetic per thread, shared among the machine's threads as a pass is, ms.
  double measure(const Machine& machine);

 private:
  AlignedFloats values_;
};

}  // namespace fovea
