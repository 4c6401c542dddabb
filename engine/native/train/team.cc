#include "train/team.h"

#include <system_error>
#include <utility>

namespace fovea::train {

namespace {
// Passes follow each other within microseconds: polling a few hundred times costs less than sleeping.
constexpr int kLooks = 400;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}
}  // namespace

Team::Team(int threads) {
  helpers_.reserve(threads);
  try {
    for (int i = 1; i < threads; i++) helpers_.emplace_back([this] { serve(); });
  } catch (const std::system_error&) {
    // Those that there are do the work.
  }
}

Team::~Team() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& helper : helpers_) helper.join();
}

void Team::take(const std::function<void(long)>& work, long parts) {
  try {
    for (long part = next_.fetch_add(1); part < parts; part = next_.fetch_add(1)) work(part);
  } catch (...) {
    next_ = parts;
    std::lock_guard<std::mutex> lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
}

void Team::run(long parts, const std::function<void(long)>& work) {
  if (helpers_.empty() || parts < 2) {
    for (long part = 0; part < parts; part++) work(part);
    return;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    work_ = &work;
    parts_ = parts;
    next_ = 0;
    busy_ = static_cast<int>(helpers_.size());
    round_++;
  }
  wake_.notify_all();
  take(work, parts);
  for (int look = 0; look < kLooks && busy_ > 0; look++) relax();
  if (busy_ > 0) {
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
  }
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Team::serve() {
  unsigned long seen = 0;
  while (true) {
    for (int look = 0; look < kLooks && round_ == seen && !stop_; look++) relax();
    const std::function<void(long)>* work;
    long parts;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || round_ != seen; });
      if (stop_) return;
      seen = round_;
      work = work_;
      parts = parts_;
    }
    take(*work, parts);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      busy_--;
    }
    done_.notify_one();
  }
}

}  // namespace fovea::train
