// What a map is normalised by: engine/src/network/network.ts says what each is.
#pragma once
#include <cstdint>

namespace fovea {

enum class Statistics : int32_t { moments, response, count };

// Whether so many channels can be normalised by groups.
inline bool groups_fit(Statistics by, long groups, long channels) {
  return groups >= 1 && channels % groups == 0 && (by == Statistics::moments || groups == 1);
}

}  // namespace fovea
