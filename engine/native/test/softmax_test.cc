// The softmax of rows, by the micro-kernels of every instruction set that this processor runs.
#include "test/kernel_cases.h"
#include "test/unit_test.h"

namespace fovea::test {

namespace {

std::vector<double> softmax(const std::vector<float>& row) {
  const double most = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float x : row) sum += std::exp(x - most);
  std::vector<double> shares;
  for (const float x : row) shares.push_back(std::exp(x - most) / sum);
  return shares;
}

}  // namespace

TEST("rows are made shares of one at every length and size of values") {
  for (const KernelTable* table : tables()) {
    for (long length : {1, 2, 7, 15, 16, 17, 33, 64, 197, 3136}) {
      for (const float size : {0.1f, 5.0f, 80.0f, 3000.0f, 1e38f}) {
        Numbers numbers(static_cast<uint64_t>(length));
        std::vector<float> row = numbers.values(length);
        for (float& value : row) value = value * size - size / 3;
        const std::vector<double> wanted = softmax(row);
        row.push_back(7.0f);
        table->softmax(row.data(), length);
        const std::string name = std::string(table->isa) + " length " + std::to_string(length);
        // The error of an exponential grows with its argument.
        for (long i = 0; i < length; i++) expect_near(row[i], wanted[i], name, 2e-5);
        expect(row[length] == 7.0f, name + " writes outside");
      }
    }
  }
}

TEST("a softmax hides no NaN, and takes minus infinity as nothing") {
  for (const KernelTable* table : tables()) {
    const std::string name(table->isa);
    for (const long length : {21, 32}) {
      for (const float broken : {std::nanf(""), INFINITY}) {
        for (const long at : {0L, 4L, length - 1}) {
          std::vector<float> row(length, 1.0f);
          row[at] = broken;
          table->softmax(row.data(), length);
          for (const float value : row) expect(std::isnan(value), name + " hides what is no number");
        }
      }
      std::vector<float> row(length, 2.0f);
      row[3] = -INFINITY;
      table->softmax(row.data(), length);
      for (long i = 0; i < length; i++) expect_near(row[i], i == 3 ? 0 : 1.0 / static_cast<double>(length - 1), name);
    }
  }
}

}  // namespace fovea::test
