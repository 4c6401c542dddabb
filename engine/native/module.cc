// The addon's entry point: each part of the native code adds its functions to the exports.
#include "module.h"

NAPI_MODULE_INIT() {
  fovea::register_infer(env, exports);
  fovea::register_train(env, exports);
  return exports;
}
