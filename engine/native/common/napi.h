// Checked access to JavaScript values. A bad value throws a fovea::Error, which becomes a JavaScript Error with the
// same `code`.
#pragma once
#include <node_api.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"

namespace fovea {

// Throws when a Node-API call failed, which only happens when a value has the wrong type.
inline void check_status(napi_status status, const char* what) {
  if (status != napi_ok) reject(std::string(what) + " has the wrong type");
}

template <class Value>
struct Span {
  Value* data;
  size_t length;
};

template <class Value>
constexpr napi_typedarray_type array_type();
template <>
constexpr napi_typedarray_type array_type<float>() { return napi_float32_array; }
template <>
constexpr napi_typedarray_type array_type<double>() { return napi_float64_array; }
template <>
constexpr napi_typedarray_type array_type<int32_t>() { return napi_int32_array; }
template <>
constexpr napi_typedarray_type array_type<uint8_t>() { return napi_uint8_array; }

// The arguments of one call.
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info, size_t count) : env_(env) {
    if (count > most) reject("a function of more arguments than there is room for");
    size_t given = count;
    napi_get_cb_info(env, info, &given, values_, nullptr, nullptr);
    if (given < count)
      reject(std::to_string(given) + " arguments given, " + std::to_string(count) + " are needed");
  }

  napi_value operator[](size_t i) const { return values_[i]; }

  double number(size_t i, const char* name) const {
    double value = 0;
    check_status(napi_get_value_double(env_, values_[i], &value), name);
    return value;
  }

  std::string text(size_t i, const char* name) const {
    char value[256];
    size_t length = 0;
    check_status(napi_get_value_string_utf8(env_, values_[i], value, sizeof value, &length), name);
    return {value, length};
  }

  int integer(size_t i, const char* name, int least, int most) const {
    const double value = number(i, name);
    if (!(value >= least && value <= most) || value != std::floor(value))
      reject(std::string(name) + " " + std::to_string(value) + ": an integer of " + std::to_string(least) + " to " +
             std::to_string(most) + " is accepted");
    return static_cast<int>(value);
  }

  template <class Value>
  Span<Value> array(size_t i, const char* name) const {
    bool is_array = false;
    napi_is_typedarray(env_, values_[i], &is_array);
    if (!is_array) reject(std::string(name) + " is not a typed array");
    napi_typedarray_type type;
    size_t length = 0;
    void* data = nullptr;
    check_status(napi_get_typedarray_info(env_, values_[i], &type, &length, &data, nullptr, nullptr), name);
    if (type != array_type<Value>()) reject(std::string(name) + " is a typed array of another type");
    return {static_cast<Value*>(data), length};
  }

  template <class Value>
  Span<Value> array(size_t i, const char* name, size_t length) const {
    const Span<Value> span = array<Value>(i, name);
    if (span.length != length)
      reject(std::string(name) + " has " + std::to_string(span.length) + " values, " + std::to_string(length) +
             " are needed");
    return span;
  }

  template <class Value>
  std::vector<Value> copy(size_t i, const char* name) const {
    const Span<Value> span = array<Value>(i, name);
    return span.length ? std::vector<Value>(span.data, span.data + span.length) : std::vector<Value>();
  }

 private:
  napi_env env_;
  static constexpr size_t most = 9;
  napi_value values_[most] = {};
};

inline napi_value make_error(napi_env env, const char* code, const char* message) {
  napi_value code_value, message_value, error;
  napi_create_string_utf8(env, code, NAPI_AUTO_LENGTH, &code_value);
  napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &message_value);
  napi_create_error(env, code_value, message_value, &error);
  return error;
}

// Runs the body of a native function and rethrows its exceptions in JavaScript.
template <class Body>
napi_value guarded(napi_env env, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    napi_throw(env, make_error(env, error.code(), error.what()));
  } catch (const std::exception& error) {
    napi_throw(env, make_error(env, "bad-argument", message_of(error).c_str()));
  }
  return nullptr;
}

inline napi_value number_value(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

// An object of JavaScript that owns a native one, whose `released(env)` is called when nothing refers to it any more.
// The tag tells objects of different kinds apart.
template <class Value>
napi_value wrap(napi_env env, const napi_type_tag& tag, std::unique_ptr<Value> value, const char* what) {
  napi_value object;
  napi_create_object(env, &object);
  check_status(napi_type_tag_object(env, object, &tag), what);
  check_status(napi_wrap(
                   env, object, value.get(),
                   [](napi_env env, void* data, void*) {
                     const std::unique_ptr<Value> value(static_cast<Value*>(data));
                     value->released(env);
                   },
                   nullptr, nullptr),
               what);
  value.release();
  return object;
}

template <class Value>
Value& unwrap(napi_env env, const napi_type_tag& tag, napi_value object, const char* what) {
  bool tagged = false;
  napi_valuetype type = napi_undefined;
  napi_typeof(env, object, &type);
  if (type == napi_object) napi_check_object_type_tag(env, object, &tag, &tagged);
  void* value = nullptr;
  if (!tagged || napi_unwrap(env, object, &value) != napi_ok) reject(std::string("this is not a ") + what);
  return *static_cast<Value*>(value);
}

inline void export_function(napi_env env, napi_value exports, const char* name, napi_callback function) {
  napi_value value;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
  napi_set_named_property(env, exports, name, value);
}

}  // namespace fovea
