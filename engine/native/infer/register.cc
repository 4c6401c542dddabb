// The functions that engine/src/backend/native calls.
#include <algorithm>
#include <cstring>
#include <memory>

#include "common/napi.h"
#include "common/runner.h"
#include "infer/program.h"
#include "module.h"

namespace fovea {

namespace {

constexpr napi_type_tag session_tag = {0x6f1c0e9b5a2d4c83, 0x9d3e7a40b1f25c68};

struct SessionHandle {
  std::shared_ptr<Session> session;
};

SessionHandle& handle_of(napi_env env, napi_value value) {
  bool is_session = false;
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  if (type == napi_object) napi_check_object_type_tag(env, value, &session_tag, &is_session);
  void* handle = nullptr;
  if (!is_session || napi_unwrap(env, value, &handle) != napi_ok) reject("session is not a native session");
  return *static_cast<SessionHandle*>(handle);
}

const std::shared_ptr<Session>& session_of(napi_env env, napi_value value) {
  const auto& session = handle_of(env, value).session;
  if (!session) reject("the session has been disposed of");
  return session;
}

// The session, which must not be running: its values would change under the caller.
Session& idle_session(napi_env env, napi_value value) {
  Session& session = *session_of(env, value);
  if (session.busy) reject("the session is running");
  return session;
}

napi_value kernels(napi_env env, napi_callback_info) {
  return guarded(env, [&] {
    const KernelTable* table = select_kernels(std::getenv("FOVEA_ISA"));
    if (!table)
      throw Error("backend-unavailable", std::string("FOVEA_ISA ") + std::getenv("FOVEA_ISA") +
                                             ": this processor runs avx512, avx2, neon or portable, as it has them");
    napi_value name;
    napi_create_string_utf8(env, table->name, NAPI_AUTO_LENGTH, &name);
    return name;
  });
}

napi_value open(napi_env env, napi_callback_info) {
  return guarded(env, [&] {
    const KernelTable* table = select_kernels(std::getenv("FOVEA_ISA"));
    if (!table) throw Error("backend-unavailable", "FOVEA_ISA names kernels that this processor does not run");
    auto handle = std::make_unique<SessionHandle>();
    handle->session = std::make_shared<Session>(*table);
    napi_value object;
    napi_create_object(env, &object);
    check_status(napi_type_tag_object(env, object, &session_tag), "session");
    check_status(napi_wrap(
                     env, object, handle.get(),
                     [](napi_env, void* data, void*) { delete static_cast<SessionHandle*>(data); }, nullptr, nullptr),
                 "session");
    handle.release();
    return object;
  });
}

napi_value close(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments arguments(env, info, 1);
    SessionHandle& handle = handle_of(env, arguments[0]);
    if (handle.session) handle.session->stop = true;
    handle.session.reset();
    return nullptr;
  });
}

Geometry read_geometry(const int32_t* v) {
  const Geometry g{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12]};
  const auto within = [](int value, int least, int most, const char* name) {
    if (value < least || value > most)
      reject(std::string(name) + " " + std::to_string(value) + ": an integer of " + std::to_string(least) + " to " +
             std::to_string(most) + " is accepted");
  };
  constexpr int most_channels = 1 << 20, most_extent = 1 << 12;
  within(g.in_channels, 1, most_channels, "in channels");
  within(g.out_channels, 1, most_channels, "out channels");
  for (int extent : {g.kernel_height, g.kernel_width, g.stride_y, g.stride_x, g.dilation_y, g.dilation_x})
    within(extent, 1, most_extent, "kernel, stride or dilation");
  for (int pad : {g.pad_top, g.pad_left, g.pad_bottom, g.pad_right}) within(pad, 0, most_extent, "padding");
  within(g.groups, 1, g.in_channels, "groups");
  if (g.in_channels % g.groups || g.out_channels % g.groups)
    reject("groups " + std::to_string(g.groups) + " do not divide " + std::to_string(g.in_channels) + " and " +
           std::to_string(g.out_channels) + " channels");
  return g;
}

napi_value add_convolution(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments arguments(env, info, 4);
    Session& session = idle_session(env, arguments[0]);
    const auto words = arguments.array<int32_t>(1, "geometry", 14);
    const Geometry geometry = read_geometry(words.data);
    const int activation = words.data[13];
    if (activation < 0 || activation >= static_cast<int>(Activation::count)) reject("no such activation");
    const size_t weights = static_cast<size_t>(geometry.out_channels) *
                           (geometry.in_channels / geometry.groups) * geometry.taps();
    const auto weight = arguments.array<float>(2, "weight", weights);
    const auto bias = arguments.array<float>(3, "bias", geometry.out_channels);
    return number_value(env, session.add_convolution(geometry, static_cast<Activation>(activation), weight.data,
                                                     bias.data));
  });
}

napi_value add_masker(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments arguments(env, info, 5);
    Session& session = idle_session(env, arguments[0]);
    Masker masker{};
    masker.kind = static_cast<Masker::Kind>(arguments.integer(1, "masker kind", 0, 1));
    masker.weight = arguments.copy<float>(2, "masker weight");
    masker.bias = static_cast<float>(arguments.number(3, "masker bias"));
    masker.rate = arguments.number(4, "rate");
    if (!(masker.rate >= 0 && masker.rate <= 1))
      reject("rate " + std::to_string(masker.rate) + ": 0 to 1 is accepted");
    return number_value(env, session.add_masker(std::move(masker)));
  });
}

napi_value add_program(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments arguments(env, info, 7);
    Session& session = idle_session(env, arguments[0]);
    ProgramTables tables;
    tables.buffers = arguments.copy<double>(1, "buffers");
    tables.maps = arguments.copy<int32_t>(2, "maps");
    tables.masks = arguments.copy<int32_t>(3, "masks");
    tables.regions = arguments.copy<int32_t>(4, "regions");
    tables.halos = arguments.copy<int32_t>(5, "halos");
    tables.instructions = arguments.copy<int32_t>(6, "instructions");
    return number_value(env, session.add_program(std::move(tables)));
  });
}

napi_value drop_program(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments arguments(env, info, 2);
    Session& session = idle_session(env, arguments[0]);
    const int index = arguments.integer(1, "program", 0, 1 << 30);
    session.program(index);
    session.drop_program(index);
    return nullptr;
  });
}

struct ProgramCall {
  ProgramCall(napi_env env, napi_callback_info info, size_t count)
      : arguments(env, info, count),
        session(idle_session(env, arguments[0])),
        program(session.program(arguments.integer(1, "program", 0, 1 << 30))) {}
  Arguments arguments;
  Session& session;
  Program& program;
};

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
    const auto& map = call.program.map(call.arguments.integer(2, "map", 0, 1 << 30));
    const auto values = call.arguments.array<float>(3, "values", map.extent.values());
    napi_value finite;
    napi_get_boolean(env, copy_finite(values.data, values.length, call.session.buffer(map.buffer)), &finite);
    return finite;
  });
}

napi_value read_map(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const ProgramCall call(env, info, 4);
    const auto& map = call.program.map(call.arguments.integer(2, "map", 0, 1 << 30));
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

// The cells of all masks, one after the other.
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

// What the last run left behind, all at once: the caller's memory is cold by then, and so are the ways to it.
napi_value read_results(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const ProgramCall call(env, info, 8);
    Program& program = call.program;
    const auto& map = program.map(call.arguments.integer(2, "map", 0, 1 << 30));
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

napi_value expect_run(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    Runner::get().expect();
    return nullptr;
  });
}

// A run under way: kept alive by the runner until it has told JavaScript.
struct Run {
  std::shared_ptr<Session> session;
  Program* program;
  int first, last, threads;
  napi_deferred deferred;
  napi_threadsafe_function notify;
  bool wants_progress;
  std::string failure;
};

// Called on JavaScript's thread: with null when the run is over, with a count of instructions otherwise.
void tell(napi_env env, napi_value on_progress, void* context, void* data) {
  Run* run = static_cast<Run*>(context);
  if (data) {
    if (!env || !run->wants_progress) return;
    napi_value undefined, count, result;
    napi_get_undefined(env, &undefined);
    napi_create_double(env, static_cast<double>(reinterpret_cast<intptr_t>(data)), &count);
    if (napi_call_function(env, undefined, on_progress, 1, &count, &result) != napi_ok) {
      // What the callback throws ends the run; the run's promise reports it.
      napi_value error;
      napi_get_and_clear_last_exception(env, &error);
      run->session->stop = true;
      napi_value text;
      size_t length = 0;
      char message[512] = "";
      if (napi_coerce_to_string(env, error, &text) == napi_ok)
        napi_get_value_string_utf8(env, text, message, sizeof message, &length);
      run->failure = std::string("the progress callback failed: ") + message;
    }
    return;
  }
  run->session->busy = false;
  if (env) {
    if (!run->failure.empty()) {
      napi_reject_deferred(env, run->deferred, make_error(env, "bad-argument", run->failure.c_str()));
    } else if (run->session->stop) {
      napi_reject_deferred(env, run->deferred, make_error(env, "aborted", "the run was aborted"));
    } else {
      napi_value undefined;
      napi_get_undefined(env, &undefined);
      napi_resolve_deferred(env, run->deferred, undefined);
    }
  }
}

napi_value run(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments arguments(env, info, 6);
    const auto& session = session_of(env, arguments[0]);
    Program& program = session->program(arguments.integer(1, "program", 0, 1 << 30));
    if (session->busy) reject("the session is running");
    const int first = arguments.integer(2, "first instruction", 0, program.instruction_count());
    const int last = arguments.integer(3, "last instruction", first, program.instruction_count());
    const int threads = arguments.integer(4, "threads", 1, max_threads);
    napi_valuetype type = napi_undefined;
    napi_typeof(env, arguments[5], &type);
    if (type != napi_function && type != napi_undefined) reject("the progress callback is not a function");

    auto run = std::make_unique<Run>();
    run->session = session;
    run->program = &program;
    run->first = first;
    run->last = last;
    run->threads = threads;
    run->wants_progress = type == napi_function;
    napi_value promise, name;
    napi_create_string_utf8(env, "fovea run", NAPI_AUTO_LENGTH, &name);
    check_status(napi_create_threadsafe_function(
                     env, run->wants_progress ? arguments[5] : nullptr, nullptr, name, 0, 1, run.get(),
                     [](napi_env, void* data, void*) { delete static_cast<Run*>(data); }, run.get(), tell,
                     &run->notify),
                 "run");
    check_status(napi_create_promise(env, &run->deferred, &promise), "promise");
    session->busy = true;
    session->stop = false;
    // From here the thread-safe function owns the run: it is deleted once released and told.
    Run* started = run.release();
    Runner::get().post([started](ThreadPool& pool) {
      try {
        started->session->run(*started->program, started->first, started->last, started->threads, pool, [&](int done) {
          if (started->wants_progress)
            napi_call_threadsafe_function(started->notify, reinterpret_cast<void*>(static_cast<intptr_t>(done)),
                                          napi_tsfn_nonblocking);
        });
      } catch (const std::exception& error) {
        started->failure = error.what();
      }
      const napi_threadsafe_function notify = started->notify;
      napi_call_threadsafe_function(notify, nullptr, napi_tsfn_nonblocking);
      napi_release_threadsafe_function(notify, napi_tsfn_release);
    });
    return promise;
  });
}

napi_value abort_run(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments arguments(env, info, 1);
    const auto& session = session_of(env, arguments[0]);
    if (session->busy) session->stop = true;
    return nullptr;
  });
}

}  // namespace

void register_infer(napi_env env, napi_value exports) {
  export_function(env, exports, "inferKernels", kernels);
  export_function(env, exports, "inferOpen", open);
  export_function(env, exports, "inferClose", close);
  export_function(env, exports, "inferConvolution", add_convolution);
  export_function(env, exports, "inferMasker", add_masker);
  export_function(env, exports, "inferProgram", add_program);
  export_function(env, exports, "inferDropProgram", drop_program);
  export_function(env, exports, "inferWrite", write_map);
  export_function(env, exports, "inferRead", read_map);
  export_function(env, exports, "inferWriteMask", write_mask);
  export_function(env, exports, "inferWriteMasks", write_masks);
  export_function(env, exports, "inferResults", read_results);
  export_function(env, exports, "inferExpectRun", expect_run);
  export_function(env, exports, "inferRun", run);
  export_function(env, exports, "inferAbort", abort_run);
}

}  // namespace fovea
