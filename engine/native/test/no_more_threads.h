// Lets no thread be started while it lives: there is no memory for its stack.
#pragma once
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#endif

namespace fovea::test {

class NoMoreThreads {
 public:
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  NoMoreThreads() {
    getrlimit(RLIMIT_AS, &before_);
    long pages = 0;
    if (FILE* statm = std::fopen("/proc/self/statm", "r")) {
      if (std::fscanf(statm, "%ld", &pages) != 1) pages = 0;
      std::fclose(statm);
    }
    // Room for what the test itself allocates, not for a stack; the C library keeps a few of threads that have ended.
    rlimit less = before_;
    less.rlim_cur = static_cast<rlim_t>(pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (rlim_t{1} << 20);
    if (pages > 0) setrlimit(RLIMIT_AS, &less);
  }
  ~NoMoreThreads() { setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
#else
  // The sanitizers need the address space themselves.
  NoMoreThreads() {}
#endif
};

}  // namespace fovea::test
