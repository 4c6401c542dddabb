// A condition variable for prebuilt addons: std::condition_variable::wait is a symbol of GCC 12's C++ library, which
// RHEL 9 and Amazon Linux 2023 do not have, while wait_for is compiled into the addon.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace fovea {

class Condition {
 public:
  // Returns, with `lock` held, when ready() is true.
  template <class Ready>
  void wait(std::unique_lock<std::mutex>& lock, Ready ready) {
    while (!variable_.wait_for(lock, std::chrono::hours(1), ready)) {
    }
  }

  void notify_one() { variable_.notify_one(); }
  void notify_all() { variable_.notify_all(); }

 private:
  std::condition_variable variable_;
};

}  // namespace fovea
