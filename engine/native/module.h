// Declares what each part of the native code registers at the addon's entry point.
#pragma once
#include <node_api.h>

namespace fovea {

// Increment when a function's arguments or meaning change; engine/src/backends/addon.ts expects the same number.
constexpr int addon_version = 7;

// Inference: packed weights, programs, runs (infer/).
void register_infer(napi_env env, napi_value exports);

// Training: forward and backward passes (train/).
void register_train(napi_env env, napi_value exports);

}  // namespace fovea
