// Blocks of memory keep to themselves, whether they share huge pages or have their own.
#include "common/aligned.h"

#include <cstdint>
#include <random>
#include <vector>

#include "test/unit_test.h"

namespace fovea::test {

TEST("blocks begin as zeros on a cache line, and nothing that others do reaches them") {
  std::mt19937 random(1);
  struct Held {
    AlignedFloats block;
    float value;
  };
  std::vector<Held> held;
  for (int step = 1; step <= 600; step++) {
    // From a bias to a map that has huge pages of its own.
    const size_t length = size_t{1} << (random() % 20);
    AlignedFloats block(length + random() % 7);
    expect(reinterpret_cast<uintptr_t>(block.data()) % 64 == 0, "alignment");
    for (size_t i = 0; i < block.size(); i++) {
      if (block.data()[i] != 0) return expect(false, "a new block holds what another held");
      block.data()[i] = static_cast<float>(step);
    }
    held.push_back({std::move(block), static_cast<float>(step)});
    if (random() % 3 == 0) held.erase(held.begin() + static_cast<long>(random() % held.size()));
    if (step % 100 == 0) held.erase(held.begin(), held.begin() + static_cast<long>(held.size() / 2));
  }
  for (Held& each : held)
    for (size_t i = 0; i < each.block.size(); i++)
      if (each.block.data()[i] != each.value) return expect(false, "a block was overwritten");
}

TEST("a slab whose blocks are gone is used again, from its start") {
  const void* first = nullptr;
  for (int round = 0; round < 4; round++) {
    const auto whole = Slab::take(Slab::capacity);
    if (round == 0) first = whole.data;
    expect(whole.data == first, "another slab was made");
  }
}

}  // namespace fovea::test
