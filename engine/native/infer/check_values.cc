// Checks that every value still exists when it is read. Several maps may share one buffer: this tracks which map each
// buffer holds, independently of how buffers were planned, and rejects a program that reads a map which has been
// overwritten, or uses a mask before it is decided or indexed.
#include "common/error.h"
#include "infer/program.h"

namespace fovea {

namespace {

constexpr int nothing = -1;

[[noreturn]] void refuse(int at, const std::string& message) {
  reject("instruction " + std::to_string(at) + ": " + message);
}

}  // namespace

Program::Few<Access> Program::accesses_of(int at) const {
  const int32_t* words = instructions_.data() + static_cast<long>(at) * instruction_words;
  const int32_t* o = words + 1;
  switch (static_cast<Operation>(words[0])) {
    case Operation::convolve: {
      // With a residual, pixels outside the region are already final.
      const bool updates = o[3] >= 0 && o[7] >= 0;
      Few<Access> found{{o[1], true, false}, {o[2], updates, true}};
      if (o[7] >= 0) found.add({o[7], true, false});
      return found;
    }
    case Operation::max_pool:
    case Operation::average_pool:
    case Operation::global_pool:
    case Operation::resize:
    case Operation::gather:
    case Operation::scatter:
      return {{o[0], true, false}, {o[1], false, true}};
    case Operation::copy_channels:
      // What was copied before stays.
      return {{o[0], true, false}, {o[1], o[4] > 0, true}};
    case Operation::normalise_map:
      return {{o[0], true, false}, {o[1], false, true}};
    case Operation::pixel_attention: {
      Few<Access> found{{o[1], true, false}, {o[2], true, false}, {o[3], false, true}};
      if (o[0] >= 0) found.add({o[0], true, false});
      return found;
    }
    case Operation::multiply:
      return {{o[0], true, false}, {o[1], true, false}, {o[2], false, true}};
    case Operation::add: {
      Few<Access> found{{o[0], true, false}, {o[2], false, true}};
      if (o[1] >= 0) found.add({o[1], true, false});
      return found;
    }
    case Operation::grid_pool:
      return {{o[0], true, false}, {o[1], o[3] >= 0, true}};
    case Operation::decide:
      return {{o[2], true, false}};
    case Operation::scatter_add:
      return {{o[0], true, false}, {o[4], true, false}, {o[1], true, true}};
    case Operation::activate:
    case Operation::excite:
      return {{o[0], true, true}};
    default:
      return {};
  }
}

Program::Few<int> Program::regions_of(int at) const {
  const int32_t* words = instructions_.data() + static_cast<long>(at) * instruction_words;
  const int32_t* o = words + 1;
  switch (static_cast<Operation>(words[0])) {
    case Operation::convolve:
      return {o[3]};
    case Operation::gather:
      return {halo_sources_[o[2]].region};
    case Operation::scatter:
    case Operation::scatter_add:
      return {o[2]};
    case Operation::activate:
      return {o[1]};
    case Operation::excite:
      return {o[1], o[5]};
    default:
      return {};
  }
}

void Program::check_values(const ProgramTables& tables) {
  if (tables.accesses.size() % 3 != 0)
    reject("access table of " + std::to_string(tables.accesses.size()) + " values: a multiple of 3 is accepted");
  const int count = instruction_count();
  inside_stream_.assign(count, 0);
  read_by_script_.assign(maps_.size(), 0);
  written_by_script_.assign(maps_.size(), 0);
  // The map whose value each buffer holds.
  std::vector<int> holds(buffer_sizes_.size(), nothing);
  const auto buffer_of = [&](int map) { return maps_[map].buffer; };
  const auto read = [&](int at, int map) {
    if (holds[buffer_of(map)] != map) refuse(at, "map " + std::to_string(map) + " does not hold its value any more, or not yet");
  };

  enum class MaskState { unknown, decided, indexed };
  std::vector<MaskState> masks(masks_.size(), MaskState::unknown);
  const auto decide = [&](int at, int index) {
    if (masks[index] != MaskState::unknown) refuse(at, "mask " + std::to_string(index) + " is decided twice");
    masks[index] = MaskState::decided;
  };

  size_t next = 0;
  const auto script = [&](int from, int to) {
    for (; next < tables.accesses.size() && tables.accesses[next] <= to; next += 3) {
      const int32_t* access = tables.accesses.data() + next;
      if (access[0] < from) reject("accesses must come in the order of instructions");
      if (access[0] != to) refuse(access[0], "JavaScript cannot touch a map inside a stream");
      const int index = access[1];
      if (access[2] < 0 || access[2] > 2) refuse(access[0], "an access reads (0) or writes (1) a map, or decides a mask (2)");
      if (access[2] == 2) {
        mask(index);
        decide(access[0], index);
        continue;
      }
      map(index);
      if (access[2] == 0) {
        read(access[0], index);
        read_by_script_[index] = 1;
      } else {
        holds[buffer_of(index)] = index;
        written_by_script_[index] = 1;
      }
    }
  };

  int previous = 0;
  std::vector<Access> all;
  for (int at = 0; at < count;) {
    script(previous, at);
    const int32_t* words = instructions_.data() + static_cast<long>(at) * instruction_words;
    const bool streams = static_cast<Operation>(words[0]) == Operation::stream;
    const int first = streams ? at + 1 : at;
    const int last = streams ? at + words[1] : at;
    for (int i = first; i <= last; i++) {
      if (streams) inside_stream_[i] = 1;
      if (streams && static_cast<Operation>(instructions_[static_cast<long>(i) * instruction_words]) == Operation::stream)
        refuse(i, "a stream cannot lie inside another one");
    }
    // The instructions of a stream run interleaved: none may write over another value of the stream.
    all.clear();
    for (int i = first; i <= last; i++) {
      for (const Access& access : accesses_of(i)) {
        for (const Access& other : all)
          if (other.map != access.map && buffer_of(other.map) == buffer_of(access.map) && (other.writes || access.writes))
            refuse(i, "maps " + std::to_string(other.map) + " and " + std::to_string(access.map) +
                          " share memory while both are in use");
        all.push_back(access);
      }
    }
    for (int i = first; i <= last; i++) {
      const int32_t* o = instructions_.data() + static_cast<long>(i) * instruction_words + 1;
      const auto operation = static_cast<Operation>(o[-1]);
      for (int region : regions_of(i))
        if (region >= 0 && masks[region_sources_[region].mask] != MaskState::indexed)
          refuse(i, "region " + std::to_string(region) + " is used before its mask is indexed");
      if (operation == Operation::decide) decide(i, o[0]);
      if (operation == Operation::index) {
        if (masks[o[0]] != MaskState::decided) refuse(i, "mask " + std::to_string(o[0]) + " is indexed before it is decided, or twice");
        masks[o[0]] = MaskState::indexed;
      }
      if (operation == Operation::grid_pool && o[3] >= 0 && masks[o[3]] == MaskState::unknown)
        refuse(i, "mask " + std::to_string(o[3]) + " is used before it is decided");
      for (const Access& access : accesses_of(i))
        if (access.reads) read(i, access.map);
      for (const Access& access : accesses_of(i))
        if (access.writes) holds[buffer_of(access.map)] = access.map;
    }
    // Of the maps between a stream's convolutions only the last rows are kept.
    for (int i = first; i < last; i++) {
      const auto operation = [&](int k) {
        return static_cast<Operation>(instructions_[static_cast<long>(k) * instruction_words]);
      };
      if (operation(i) == Operation::convolve && operation(i + 1) == Operation::convolve)
        holds[buffer_of(instructions_[static_cast<long>(i) * instruction_words + 3])] = nothing;
    }
    previous = at + 1;
    at = last + 1;
  }
  script(previous, count);
  if (next < tables.accesses.size()) reject("an access after the last instruction");
}

const Program::MapReference& Program::shared_map(int index, bool writes) const {
  const MapReference& found = map(index);
  if (!(writes ? written_by_script_ : read_by_script_)[index])
    reject("map " + std::to_string(index) + ": the program does not let JavaScript " + (writes ? "write" : "read") +
           " it");
  return found;
}

}  // namespace fovea
