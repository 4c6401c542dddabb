// The only exception type of the native code. At the boundary it becomes a JavaScript error with the same code.
#pragma once
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

[[noreturn]] inline void reject(const std::string& message) { throw Error("bad-argument", message); }

}  // namespace fovea
