#include "module.h"

namespace fovea {

void register_infer(napi_env, napi_value) {}

}  // namespace fovea
