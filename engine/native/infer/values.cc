// Exchanges values with JavaScript: maps, masks, and the records of a run.
#include <algorithm>
#include <cstring>

#include "infer/boundary.h"

namespace fovea {

namespace {

// Copies values, a page at a time; false when one of them is infinite or NaN.
bool copy_finite(const float* source, size_t length, float* destination) {
  constexpr size_t page = 1024;
  constexpr uint32_t exponent = 0x7f800000;
  uint32_t found = 0;
  for (size_t first = 0; first < length; first += page) {
    const size_t count = std::min(page, length - first);
    std::memcpy(destination + first, source + first, count * sizeof(float));
    uint32_t bits[page];
    std::memcpy(bits, destination + first, count * sizeof(float));
    for (size_t i = 0; i < count; i++) found |= (bits[i] & exponent) == exponent;
  }
  return found == 0;
}

napi_value write_map(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const ProgramCall call(env, info, 4);
    const auto& map = call.program.shared_map(call.arguments.integer(2, "map", 0, 1 << 30), true);
    const auto values = call.arguments.array<float>(3, "values", map.extent.values());
    napi_value finite;
    napi_get_boolean(env, copy_finite(values.data, values.length, call.session.buffer(map.buffer)), &finite);
    return finite;
  });
}

napi_value read_map(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const ProgramCall call(env, info, 4);
    const auto& map = call.program.shared_map(call.arguments.integer(2, "map", 0, 1 << 30), false);
    const auto values = call.arguments.array<float>(3, "values", map.extent.values());
    std::memcpy(values.data, call.session.buffer(map.buffer), values.length * sizeof(float));
    return nullptr;
  });
}

napi_value write_mask(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const ProgramCall call(env, info, 4);
    Mask& mask = call.program.mask(call.arguments.integer(2, "mask", 0, 1 << 30));
    const auto cells = call.arguments.array<uint8_t>(3, "cells", mask.cell_count());
    for (size_t i = 0; i < cells.length; i++) mask.cells[i] = cells.data[i] != 0;
    return nullptr;
  });
}

// The cells of all masks, concatenated.
napi_value write_masks(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const ProgramCall call(env, info, 3);
    const auto cells = call.arguments.array<uint8_t>(2, "cells", call.program.cell_count());
    const uint8_t* next = cells.data;
    for (Mask& mask : call.program.masks())
      for (uint8_t& cell : mask.cells) cell = *next++ != 0;
    return nullptr;
  });
}

// All records of the last run in one call: after a run the caller's caches are cold, so every call is expensive.
napi_value read_results(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const ProgramCall call(env, info, 8);
    Program& program = call.program;
    const auto& map = program.shared_map(call.arguments.integer(2, "map", 0, 1 << 30), false);
    const auto values = call.arguments.array<float>(3, "values", map.extent.values());
    const auto milliseconds = call.arguments.array<double>(4, "milliseconds", program.milliseconds().size());
    const auto counts = call.arguments.array<double>(5, "counts", program.regions().size());
    const auto cells = call.arguments.array<uint8_t>(6, "cells", program.cell_count());
    const auto margins = call.arguments.array<float>(7, "margins", program.cell_count());
    std::memcpy(values.data, call.session.buffer(map.buffer), values.length * sizeof(float));
    std::copy(program.milliseconds().begin(), program.milliseconds().end(), milliseconds.data);
    for (size_t i = 0; i < counts.length; i++) counts.data[i] = static_cast<double>(program.regions()[i].count());
    size_t first = 0;
    for (const Mask& mask : program.masks()) {
      std::copy(mask.cells.begin(), mask.cells.end(), cells.data + first);
      std::copy(mask.margins.begin(), mask.margins.end(), margins.data + first);
      first += mask.cell_count();
    }
    return nullptr;
  });
}

// Writes the pace at each instruction of the last run; returns the time that measuring took, ms.
napi_value read_paces(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const ProgramCall call(env, info, 3);
    const std::vector<double>& paces = call.program.paces();
    const auto milliseconds = call.arguments.array<double>(2, "milliseconds", paces.size());
    std::copy(paces.begin(), paces.end(), milliseconds.data);
    return number_value(env, call.program.pacing());
  });
}

// How long a value took from one thread to another in the last run with paces measured, ms; 0 where that is not known.
napi_value read_handover(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const ProgramCall call(env, info, 2);
    return number_value(env, call.program.handover());
  });
}

}  // namespace

void register_values(napi_env env, napi_value exports) {
  export_function(env, exports, "inferWrite", write_map);
  export_function(env, exports, "inferRead", read_map);
  export_function(env, exports, "inferWriteMask", write_mask);
  export_function(env, exports, "inferWriteMasks", write_masks);
  export_function(env, exports, "inferResults", read_results);
  export_function(env, exports, "inferPaces", read_paces);
  export_function(env, exports, "inferHandover", read_handover);
}

}  // namespace fovea
