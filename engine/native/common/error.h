// The only exception type of the native code. At the boundary it becomes a JavaScript error with the same code.
#pragma once
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

namespace fovea {

class Error : public std::runtime_error {
 public:
  Error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  // One of the strings of FoveaErrorCode.
  const char* code() const { return code_; }

 private:
  const char* code_;
};

// What to say of an exception: the library names a lack of memory only by its class.
inline std::string message_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error)) return "not enough memory for this network at this input shape";
  return error.what();
}

[[noreturn]] inline void reject(const std::string& message) { throw Error("bad-argument", message); }

inline void append(std::string& text, const char* part) { text += part; }
inline void append(std::string& text, const std::string& part) { text += part; }
template <typename Number>
void append(std::string& text, Number part) {
  text += std::to_string(part);
}

// Rejects with a message of these parts unless the condition holds. The message is put together only then: a program
// takes thousands of checks.
template <typename... Parts>
void require(bool condition, const Parts&... parts) {
  if (condition) return;
  std::string message;
  (append(message, parts), ...);
  reject(message);
}

}  // namespace fovea
