// Normalisation of rows, by the micro-kernels of every instruction set that this processor runs.
#include "test/kernel_cases.h"
#include "test/unit_test.h"

namespace fovea::test {

TEST("rows are normalised at every length, also around a large mean") {
  for (const KernelTable* table : tables()) {
    for (long length : {1, 2, 3, 7, 16, 19, 33, 70, 96, 768}) {
      for (const float around : {0.0f, 1000.0f, -30000.0f}) {
        Numbers numbers(static_cast<uint64_t>(length));
        const std::string name = std::string(table->isa) + " length " + std::to_string(length);
        std::vector<float> row = numbers.values(length);
        for (float& value : row) value += around;
        const std::vector<float> scale = numbers.values(length), shift = numbers.values(length);
        double sum = 0;
        for (const float x : row) sum += static_cast<double>(x);
        for (const bool centred : {true, false}) {
          const double mean = centred ? sum / static_cast<double>(length) : 0;
          double variance = 0;
          for (const float x : row) variance += (x - mean) * (x - mean) / static_cast<double>(length);
          for (int k = 0; k < convolution_activations; k++) {
            const Activation activation = convolution_activation_at(k);
            std::vector<float> output = row;
            output.push_back(7.0f);
            table->normalise(output.data(), {centred, scale.data(), shift.data(), 1e-6f, activation, shift.data()},
                             length);
            for (long i = 0; i < length; i++) {
              const double wanted = (row[i] - mean) / std::sqrt(variance + 1e-6f) * scale[i] + shift[i];
              expect_near(output[i], activated(wanted, activation, shift[i]), name, 1e-4);
            }
            expect(output[length] == 7.0f, name + " writes outside");
          }
        }
      }
    }
    // Nothing of a channel that is as all others.
    std::vector<float> same(21, 0.1f), zeros(21, 0.0f);
    const std::vector<float> ones(21, 1.0f), half(21, 0.5f);
    table->normalise(same.data(), {true, ones.data(), half.data(), 1e-12f, Activation::none, nullptr}, 21);
    for (const float value : same) expect_near(value, 0.5, std::string(table->isa) + " constant", 0.05);
    table->normalise(zeros.data(), {true, ones.data(), half.data(), 1e-12f, Activation::none, nullptr}, 21);
    for (const float value : zeros) expect_near(value, 0.5, std::string(table->isa) + " zeros");
    std::vector<float> broken(21, 1.0f);
    broken[4] = std::nanf("");
    table->normalise(broken.data(), {true, ones.data(), half.data(), 1e-6f, Activation::relu, nullptr}, 21);
    for (const float value : broken) expect(std::isnan(value), std::string(table->isa) + " hides a NaN");
  }
}

TEST("rows whose squares overflow are normalised") {
  for (const KernelTable* table : tables()) {
    for (const float size : {1e18f, 1e30f, 3e38f}) {
      for (const bool centred : {true, false}) {
        std::vector<float> row{size, -size / 2, size / 4, 0, 1, size, -size, size / 8, size, size, size, -size, size / 3, size,
                               size, size / 5, -size, size, size / 7};
        const long length = static_cast<long>(row.size());
        const std::vector<float> scale(row.size(), 2.0f), shift(row.size(), 0.5f);
        double mean = 0, variance = 0;
        for (const float x : row) mean += centred ? static_cast<double>(x) / static_cast<double>(length) : 0;
        for (const float x : row) variance += (x - mean) * (x - mean) / static_cast<double>(length);
        const std::vector<float> input = row;
        table->normalise(row.data(), {centred, scale.data(), shift.data(), 1e-6f, Activation::none, nullptr}, length);
        for (long i = 0; i < length; i++)
          expect_near(row[i], (input[i] - mean) / std::sqrt(variance) * 2 + 0.5, std::string(table->isa) + " large", 1e-4);
      }
    }
  }
}

}  // namespace fovea::test
