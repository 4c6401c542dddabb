// The entry point of the addon: each part of the native code adds its functions to the exports.
#include "module.h"

NAPI_MODULE_INIT() {
  napi_value version;
  napi_create_int32(env, fovea::addon_version, &version);
  napi_set_named_property(env, exports, "version", version);
  fovea::register_infer(env, exports);
  fovea::register_train(env, exports);
  return exports;
}
