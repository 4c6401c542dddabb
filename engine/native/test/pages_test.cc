// Large blocks come from the system and go back to it.
#include "common/pages.h"

#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#if defined(FOVEA_MAPS_PAGES)
#include <unistd.h>
#endif

#include "common/aligned.h"
#include "test/unit_test.h"

namespace fovea::test {

namespace {

constexpr int mebibyte = 1 << 20;

template <class Make>
bool lacks_memory(Make make) {
  try {
    make();
  } catch (const std::bad_alloc&) {
    return true;
  }
  return false;
}

#if defined(FOVEA_MAPS_PAGES)
// What this process holds of the machine's memory.
long resident_bytes() {
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  long all = 0, resident = 0;
  const bool read = file && std::fscanf(file, "%ld %ld", &all, &resident) == 2;
  if (file) std::fclose(file);
  expect(read, "/proc/self/statm");
  return resident * sysconf(_SC_PAGESIZE);
}
#endif

}  // namespace

TEST("pages begin at a huge page, are whole and hold zeros, whatever was in memory before") {
  for (int round = 0; round < 4; round++) {
    for (const size_t bytes : {size_t{1}, size_t{mebibyte}, huge_page, huge_page + 1, 3 * huge_page}) {
      Pages pages(bytes);
      expect(reinterpret_cast<uintptr_t>(pages.data()) % huge_page == 0, "alignment");
      expect(pages.bytes() >= bytes && pages.bytes() % huge_page == 0, "size");
      for (size_t i = 0; i < pages.bytes(); i++) {
        if (pages.data()[i] != std::byte{0}) return expect(false, "pages hold what was there before");
        pages.data()[i] = std::byte{255};
      }
    }
  }
}

TEST("more memory than there can be is refused, also where its size overflows") {
  constexpr size_t most = std::numeric_limits<size_t>::max();
  for (const size_t bytes : {most, most - huge_page, most / 2, most / 1024})
    expect(lacks_memory([&] { Pages pages(bytes); }), std::to_string(bytes) + " bytes");
  for (const size_t length : {most, most / sizeof(float), most / sizeof(float) + 1, most / 4096})
    expect(lacks_memory([&] { AlignedFloats block(length); }), std::to_string(length) + " values");
}

// The next two hold where pages come straight from the system.
TEST("what large blocks took goes back to the system, in whichever order they are freed") {
#if defined(FOVEA_MAPS_PAGES)
  // The first blocks that a process frees tell nothing: the C library gives them back too.
  Numbers random(1);
  const long before = resident_bytes();
  long most = 0;
  for (int network = 0; network < 20; network++) {
    std::vector<AlignedFloats> weights;
    std::vector<std::vector<float>> others;
    for (int layer = 0; layer < 20; layer++) {
      weights.emplace_back((mebibyte + random.below(6 * mebibyte)) / sizeof(float));
      others.emplace_back(1000 + random.below(100000));
    }
    const long held = resident_bytes() - before;
    if (network == 0) most = held + held / 2 + KeptPages::most_bytes;
    expect(held <= most, "network " + std::to_string(network) + " has " + std::to_string(held / mebibyte) +
                             " MB in memory, " + std::to_string(most / mebibyte) + " accepted");
    while (!weights.empty()) weights.erase(weights.begin() + random.below(static_cast<int>(weights.size())));
  }
  const long left = resident_bytes() - before;
  const long most_left = KeptPages::most_bytes + 32 * mebibyte;
  expect(left <= most_left, std::to_string(left / mebibyte) + " MB are left when all blocks are freed, " +
                                std::to_string(most_left / mebibyte) + " accepted");
#endif
}

TEST("pages that were just freed serve a block of their size, and those of others do not") {
#if defined(FOVEA_MAPS_PAGES)
  const void* freed = nullptr;
  {
    Pages pages(5 * huge_page);
    freed = pages.data();
  }
  Pages other(7 * huge_page), same(5 * huge_page - 1), another(5 * huge_page);
  expect(same.data() == freed, "freed pages were not used again");
  expect(other.data() != freed && another.data() != freed, "pages were given twice");
#endif
}

}  // namespace fovea::test
