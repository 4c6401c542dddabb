// Checks which instructions may run band by band, so that each finds what it reads.
#include <string>

#include "common/error.h"
#include "infer/program.h"
#include "infer/stream.h"

namespace fovea {

// The last pass may overwrite the map that the first one reads only if the first is always further ahead: it must be
// ahead by at least the rows that the kernels of the passes in between reach over.
bool Program::reads_ahead(const Session& session, int index, int writers) const {
  int ahead = 0;
  for (int i = 0; i < writers; i++) {
    const int32_t* pass = instructions_.data() + static_cast<long>(index + 1 + i) * instruction_words;
    const Geometry& g = session.convolution(pass[1]).geometry;
    if (g.stride_y != 1) return false;
    ahead += i == 0 ? -g.pad_top : (g.kernel_height - 1) * g.dilation_y - g.pad_top;
  }
  return ahead >= 0;
}

void Program::check_stream(const Session& session, int index) const {
  const int32_t* words = instructions_.data() + static_cast<long>(index) * instruction_words;
  const int count = words[1];
  const auto need = [&](bool condition, const auto&... parts) {
    require(condition, "instruction ", index, ": ", parts...);
  };
  need(count >= 2 && count <= most_streamed + 1 && index + count < instruction_count(),
       "2 to ", most_streamed + 1, " instructions must follow");
  need(words[2] >= 0, "a band has no fewer than 0 pixels");
  const auto pass = [&](int i) { return words + static_cast<long>(i + 1) * instruction_words; };
  const auto operation = [&](int i) { return static_cast<Operation>(pass(i)[0]); };
  // The instructions that follow are checked on their own, but only after this one.
  const auto map_known = [&](int32_t map) {
    need(map >= 0 && map < static_cast<int64_t>(maps_.size()), "no such map");
    return map;
  };
  const auto streams = [&](int i) {
    need(operation(i) == Operation::convolve && pass(i)[5] == 0, "only convolutions of a region itself stream");
    need(session.convolution(pass(i)[1]).form != PackedConvolution::Form::rows,
         "a convolution of few channels does not stream");
  };

  if (operation(0) == Operation::grid_pool) {
    need(count == 2, "one convolution follows a pool");
    streams(1);
    need(map_known(pass(0)[1]) == pass(1)[2], "the pool and the convolution must read the same map");
    need(maps_[map_known(pass(0)[2])].buffer != maps_[map_known(pass(1)[3])].buffer, "they must write different maps");
    return;
  }
  const bool pools = operation(count - 1) == Operation::grid_pool;
  const int writers = pools ? count - 1 : count;
  if (operation(0) == Operation::add || operation(0) == Operation::scatter_add) {
    need(writers == 1, "a pool follows an addition");
    const int32_t written = operation(0) == Operation::add ? pass(0)[3] : pass(0)[2];
    need(pass(1)[1] == written, "the pool must read what the addition writes");
    return;
  }
  need(writers >= 1 && writers <= most_streamed, "at most ", most_streamed, " convolutions stream");
  for (int i = 0; i < writers; i++) {
    streams(i);
    need(i == 0 || (pass(i)[6] != static_cast<int32_t>(Layout::halo) && pass(i)[2] == pass(i - 1)[3]),
         "each pass must read what the one before it writes");
  }
  bool by_cells = false;
  for (int i = 0; i < writers; i++) {
    const int32_t region = pass(i)[4];
    need(region < static_cast<int64_t>(regions_.size()), "no such region");
    if (region < 0 || !regions_[region].by_cells) continue;
    by_cells = true;
    need(i == 0 || (pass(i)[6] == static_cast<int32_t>(Layout::packed) && pass(i - 1)[4] == region),
         "pixels that are listed cell by cell are read row by row in a stream");
  }
  for (int i = 0; i < writers; i++) {
    for (int j = i; j < writers; j++) {
      if (pass(j)[3] != pass(i)[2]) continue;
      need(!by_cells && i == 0 && j == writers - 1 && j > 0 && reads_ahead(session, index, writers),
           "a pass must not write over rows that an earlier one still reads");
    }
  }
  if (pools) {
    need(pass(writers)[1] == pass(writers - 1)[3] && pass(writers - 1)[7] == 0,
         "the pool must read the map that the convolutions write");
  }
}

}  // namespace fovea
