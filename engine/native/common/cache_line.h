// The size of a cache line.
#pragma once

namespace fovea {

constexpr long cache_line = 64;

}  // namespace fovea
