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

// Writes the columns of a matrix as rows, in blocks that the first-level cache holds; whole squares of four by four go
// through registers.
void transpose(const float* source, long rows, long columns, float* destination) {
  typedef float Four __attribute__((vector_size(16)));
  constexpr long block = 32, square = 4;
  const auto low = [](Four a, Four b) { return Four{a[0], b[0], a[1], b[1]}; };
  const auto high = [](Four a, Four b) { return Four{a[2], b[2], a[3], b[3]}; };
  const auto transpose_square = [&](long row, long column) {
    Four in[square];
    for (long i = 0; i < square; i++) std::memcpy(in + i, source + (row + i) * columns + column, sizeof(Four));
    const Four even[2] = {low(in[0], in[2]), high(in[0], in[2])}, odd[2] = {low(in[1], in[3]), high(in[1], in[3])};
    const Four out[square] = {low(even[0], odd[0]), high(even[0], odd[0]), low(even[1], odd[1]),
                              high(even[1], odd[1])};
    for (long i = 0; i < square; i++) std::memcpy(destination + (column + i) * rows + row, out + i, sizeof(Four));
  };
  for (long top = 0; top < rows; top += block) {
    for (long left = 0; left < columns; left += block) {
      const long bottom = std::min(top + block, rows), right = std::min(left + block, columns);
      const long whole_bottom = bottom - (bottom - top) % square, whole_right = right - (right - left) % square;
      for (long row = top; row < whole_bottom; row += square)
        for (long column = left; column < whole_right; column += square) transpose_square(row, column);
      for (long row = top; row < bottom; row++)
        for (long column = row < whole_bottom ? whole_right : left; column < right; column++)
          destination[column * rows + row] = source[row * columns + column];
    }
  }
}

// The values of a map, in JavaScript's array and in the session's buffer.
struct MapValues {
  const Extent& extent;
  float* given;
  float* held;

  size_t count() const { return static_cast<size_t>(extent.values()); }
  // Calls body(rows of an image, its channels, first value) for each image.
  template <class Body>
  void by_image(Body body) const {
    const long C = extent.channels, plane = static_cast<long>(extent.height) * extent.width;
    for (long n = 0; n < extent.batch; n++) body(plane, C, n * C * plane);
  }
};

MapValues map_values(const ProgramCall& call, bool writes) {
  const auto& map = call.program.shared_map(call.arguments.integer(2, "map", 0, 1 << 30), writes);
  const auto values = call.arguments.array<float>(3, "values", map.extent.values());
  return {map.extent, values.data, call.session.buffer(map.buffer)};
}

napi_value write_map(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const ProgramCall call(env, info, 4);
    const MapValues values = map_values(call, true);
    napi_value finite;
    napi_get_boolean(env, copy_finite(values.given, values.count(), values.held), &finite);
    return finite;
  });
}

napi_value read_map(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const ProgramCall call(env, info, 4);
    const MapValues values = map_values(call, false);
    std::memcpy(values.given, values.held, values.count() * sizeof(float));
    return nullptr;
  });
}

// The same for values by channel, `[N, C, H, W]`, as onnxruntime has them.
napi_value write_planes(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const ProgramCall call(env, info, 4);
    const MapValues values = map_values(call, true);
    values.by_image([&](long plane, long C, long first) {
      transpose(values.given + first, C, plane, values.held + first);
    });
    return nullptr;
  });
}

napi_value read_planes(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const ProgramCall call(env, info, 4);
    const MapValues values = map_values(call, false);
    values.by_image([&](long plane, long C, long first) {
      transpose(values.held + first, plane, C, values.given + first);
    });
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
  export_function(env, exports, "inferWritePlanes", write_planes);
  export_function(env, exports, "inferReadPlanes", read_planes);
  export_function(env, exports, "inferWriteMask", write_mask);
  export_function(env, exports, "inferWriteMasks", write_masks);
  export_function(env, exports, "inferResults", read_results);
  export_function(env, exports, "inferPaces", read_paces);
  export_function(env, exports, "inferHandover", read_handover);
}

}  // namespace fovea
