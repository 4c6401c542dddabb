#include "module.h"

namespace fovea {

void register_train(napi_env, napi_value) {}

}  // namespace fovea
