// How pixels weigh each other's values. Mirrored by `pixelWeightings` in engine/src/network/pixel-attention.ts.
#pragma once
#include <cstdint>

namespace fovea {

enum class Weighting : int32_t { softmax, linear, context, count };

}  // namespace fovea
