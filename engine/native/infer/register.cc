// The functions that engine/src/backends/native calls.
#include <memory>
#include <mutex>

#include "common/runner.h"
#include "infer/boundary.h"
#include "module.h"

namespace fovea {

namespace {

napi_value kernels(napi_env env, napi_callback_info) {
  return guarded(env, [&] {
    const KernelTable* table = select_kernels(std::getenv("FOVEA_ISA"));
    if (!table)
      throw Error("backend-unavailable", std::string("FOVEA_ISA ") + std::getenv("FOVEA_ISA") +
                                             ": this processor runs avx512, avx2, neon or portable, as it has them");
    napi_value name;
    napi_create_string_utf8(env, table->isa, NAPI_AUTO_LENGTH, &name);
    return name;
  });
}

napi_value open(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments arguments(env, info, 1);
    const int band_pixels = arguments.integer(0, "bandPixels", 0, 1 << 30);
    const KernelTable* table = select_kernels(std::getenv("FOVEA_ISA"));
    if (!table) throw Error("backend-unavailable", "FOVEA_ISA names kernels that this processor does not run");
    return wrap_session(env, std::make_shared<Session>(*table, band_pixels));
  });
}

napi_value close(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Arguments arguments(env, info, 1);
    SessionHandle& handle = handle_of(env, arguments[0]);
    if (handle.session) handle.session->stop = true;
    handle.session.reset();
    handle.report(env);
    return nullptr;
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
    const Arguments arguments(env, info, 9);
    Session& session = idle_session(env, arguments[0]);
    ProgramTables tables;
    tables.buffers = arguments.copy<double>(1, "buffers");
    tables.maps = arguments.copy<int32_t>(2, "maps");
    tables.masks = arguments.copy<int32_t>(3, "masks");
    tables.regions = arguments.copy<int32_t>(4, "regions");
    tables.halos = arguments.copy<int32_t>(5, "halos");
    tables.instructions = arguments.copy<int32_t>(6, "instructions");
    tables.accesses = arguments.copy<int32_t>(7, "accesses");
    tables.orders = arguments.copy<int32_t>(8, "orders");
    const int index = session.add_program(std::move(tables));
    handle_of(env, arguments[0]).report(env);
    return number_value(env, index);
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

napi_value expect_run(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    Runner::get().expect();
    return nullptr;
  });
}

// A run in progress, which the runner and the thread-safe function share: Node deletes the function together with the
// thread of its JavaScript, whether the run has ended or not.
struct Run {
  std::shared_ptr<Session> session;
  Program* program;
  int first, last, threads;
  napi_deferred deferred;
  bool paced, counted, wants_progress;
  // Of the runner, and of the progress callback: both may fail at the same time.
  std::string failure, callback_failure;
  std::mutex mutex;
  // Null once it must not be called.
  napi_threadsafe_function notify;

  void report(void* data) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (notify && napi_call_threadsafe_function(notify, data, napi_tsfn_nonblocking) == napi_closing) notify = nullptr;
  }

  void finish() {
    report(nullptr);
    const std::lock_guard<std::mutex> lock(mutex);
    if (notify) napi_release_threadsafe_function(notify, napi_tsfn_release);
    notify = nullptr;
  }

  // The function is about to be deleted. If the run has not ended, nobody waits for it any more.
  void abandon() {
    const std::lock_guard<std::mutex> lock(mutex);
    if (notify) session->stop = true;
    notify = nullptr;
  }
};

using SharedRun = std::shared_ptr<Run>;

// Called on the JavaScript thread: with null when the run has ended, otherwise with the number of instructions done.
void tell(napi_env env, napi_value on_progress, void* context, void* data) {
  // Without an environment the run may be gone.
  if (!env) return;
  Run* run = static_cast<Run*>(context);
  if (data) {
    if (!run->wants_progress) return;
    napi_value undefined, count, result;
    napi_get_undefined(env, &undefined);
    napi_create_double(env, static_cast<double>(reinterpret_cast<intptr_t>(data)), &count);
    if (napi_call_function(env, undefined, on_progress, 1, &count, &result) != napi_ok) {
      // An exception from the callback ends the run and rejects its promise.
      napi_value error;
      napi_get_and_clear_last_exception(env, &error);
      run->session->stop = true;
      napi_value text;
      size_t length = 0;
      char message[512] = "";
      if (napi_coerce_to_string(env, error, &text) == napi_ok)
        napi_get_value_string_utf8(env, text, message, sizeof message, &length);
      run->callback_failure = std::string("the progress callback failed: ") + message;
    }
    return;
  }
  run->session->busy = false;
  const std::string& failure = run->callback_failure.empty() ? run->failure : run->callback_failure;
  if (!failure.empty()) {
    napi_reject_deferred(env, run->deferred, make_error(env, "bad-argument", failure.c_str()));
  } else if (run->session->stop) {
    napi_reject_deferred(env, run->deferred, make_error(env, "aborted", "the run was aborted"));
  } else {
    napi_value undefined;
    napi_get_undefined(env, &undefined);
    napi_resolve_deferred(env, run->deferred, undefined);
  }
}

napi_value run(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Arguments arguments(env, info, 7);
    const auto& session = session_of(env, arguments[0]);
    Program& program = session->program(arguments.integer(1, "program", 0, 1 << 30));
    if (!session->runs()) reject("the session describes programs and runs none");
    if (session->busy) reject("the session is running");
    const int first = arguments.integer(2, "first instruction", 0, program.instruction_count());
    const int last = arguments.integer(3, "last instruction", first, program.instruction_count());
    if (program.inside_stream(first) || program.inside_stream(last))
      reject("instructions " + std::to_string(first) + " to " + std::to_string(last) + " would cut a stream in two");
    const int threads = arguments.integer(4, "threads", 1, max_threads);
    const int measured = arguments.integer(5, "measured", 0, 3);
    napi_valuetype type = napi_undefined;
    napi_typeof(env, arguments[6], &type);
    if (type != napi_function && type != napi_undefined) reject("the progress callback is not a function");

    const auto run = std::make_shared<Run>();
    run->session = session;
    run->program = &program;
    run->first = first;
    run->last = last;
    run->threads = threads;
    run->paced = (measured & 1) != 0;
    run->counted = (measured & 2) != 0;
    run->wants_progress = type == napi_function;
    napi_value promise, name;
    napi_create_string_utf8(env, "fovea run", NAPI_AUTO_LENGTH, &name);
    check_status(napi_create_promise(env, &run->deferred, &promise), "promise");
    auto held = std::make_unique<SharedRun>(run);
    check_status(napi_create_threadsafe_function(
                     env, run->wants_progress ? arguments[6] : nullptr, nullptr, name, 0, 1, held.get(),
                     [](napi_env, void* data, void*) {
                       const std::unique_ptr<SharedRun> held(static_cast<SharedRun*>(data));
                       (*held)->abandon();
                     },
                     run.get(), tell, &run->notify),
                 "run");
    held.release();
    session->busy = true;
    session->stop = false;
    Runner::get().post([run](ThreadPool& pool) {
      try {
        run->session->run(*run->program, run->first, run->last, run->threads, run->paced, run->counted, pool,
                          [&](int done) {
          if (run->wants_progress) run->report(reinterpret_cast<void*>(static_cast<intptr_t>(done)));
        });
      } catch (const std::exception& error) {
        run->failure = message_of(error);
      }
      run->finish();
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
  register_packing(env, exports);
  register_values(env, exports);
  register_descriptions(env, exports);
  export_function(env, exports, "inferKernels", kernels);
  export_function(env, exports, "inferOpen", open);
  export_function(env, exports, "inferClose", close);
  export_function(env, exports, "inferMasker", add_masker);
  export_function(env, exports, "inferProgram", add_program);
  export_function(env, exports, "inferDropProgram", drop_program);
  export_function(env, exports, "inferExpectRun", expect_run);
  export_function(env, exports, "inferRun", run);
  export_function(env, exports, "inferAbort", abort_run);
}

}  // namespace fovea
