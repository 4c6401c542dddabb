// Maps normalised by statistics of each image.
#pragma once
#include "common/statistics.h"
#include "infer/convolve.h"

namespace fovea {

struct MapNormalisation {
  Statistics by;
  int groups;
  float epsilon;
};

// As an instruction's operands have it.
MapNormalisation map_normalisation(const int32_t* operands);

// Values of `scratch` that a map needs.
long normalise_map_scratch(Extent map);

// The output may be the source.
void normalise_map(const Machine& machine, const MapNormalisation& how, Extent map, const float* source, float* scratch,
                   float* destination);

}  // namespace fovea
