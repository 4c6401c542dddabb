// Shared by the functions that JavaScript calls: access to sessions, and to the programs of idle sessions.
#pragma once
#include <memory>

#include "common/napi.h"
#include "infer/program.h"

namespace fovea {

constexpr napi_type_tag session_tag = {0x6f1c0e9b5a2d4c83, 0x9d3e7a40b1f25c68};

struct SessionHandle {
  std::shared_ptr<Session> session;
  // Bytes that the garbage collector has been informed of.
  int64_t reported = 0;

  // Informs the garbage collector of what the object holds: it would see a few words, and leave sessions that nothing
  // refers to for too long.
  void report(napi_env env) {
    const int64_t bytes = session ? static_cast<int64_t>(session->bytes()) : 0;
    int64_t total = 0;
    napi_adjust_external_memory(env, bytes - reported, &total);
    reported = bytes;
  }

  void released(napi_env env) {
    session.reset();
    report(env);
  }
};

inline SessionHandle& handle_of(napi_env env, napi_value value) {
  return unwrap<SessionHandle>(env, session_tag, value, "native session");
}

inline const std::shared_ptr<Session>& session_of(napi_env env, napi_value value) {
  const auto& session = handle_of(env, value).session;
  if (!session) reject("the session has been disposed of");
  return session;
}

// The session, which must not be running: a run would change its values under the caller.
inline Session& idle_session(napi_env env, napi_value value) {
  Session& session = *session_of(env, value);
  if (session.busy) reject("the session is running");
  return session;
}

inline napi_value wrap_session(napi_env env, std::shared_ptr<Session> session) {
  auto handle = std::make_unique<SessionHandle>();
  handle->session = std::move(session);
  return wrap(env, session_tag, std::move(handle), "native session");
}

// Arguments that begin with an idle session and the number of one of its programs.
struct ProgramCall {
  ProgramCall(napi_env env, napi_callback_info info, size_t count)
      : arguments(env, info, count),
        session(idle_session(env, arguments[0])),
        program(session.program(arguments.integer(1, "program", 0, 1 << 30))) {
    if (!session.runs()) reject("the session describes programs and holds no values");
  }
  Arguments arguments;
  Session& session;
  Program& program;
};

// Each registers the functions of one file.
void register_packing(napi_env env, napi_value exports);
void register_values(napi_env env, napi_value exports);
void register_descriptions(napi_env env, napi_value exports);

// Reads and checks the thirteen sizes of a convolution.
Geometry read_geometry(const int32_t* values);
// And what follows them: the activation, and where a normalisation stands before it 1, or 2 for one that is not centred.
Finish read_finish(const int32_t* values);

}  // namespace fovea
