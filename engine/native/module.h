// What each part of the native code offers to the addon's entry point.
#pragma once
#include <node_api.h>

namespace fovea {

// Inference: packed weights, programs, runs (infer/).
void register_infer(napi_env env, napi_value exports);

// Training: forward and backward passes (train/).
void register_train(napi_env env, napi_value exports);

}  // namespace fovea
