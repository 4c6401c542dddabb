// The micro-kernels of every instruction set that this processor runs, against plain loops.
#include <algorithm>
#include <cstring>

#include "common/aligned.h"
#include "test/kernel_cases.h"
#include "test/unit_test.h"

namespace fovea::test {

namespace {

// Vector loads may read past the last channel of a row, as they may in a session's buffers.
constexpr int slack = 64;

void check_tile(const KernelTable& table, int rows, int vectors, int taps, int channels, int columns, int variant) {
  Numbers numbers(static_cast<uint64_t>(rows * 1000 + vectors * 100 + taps * 10 + variant));
  const int tiles = 2;
  const int width = vectors * table.lanes;
  const int input_offset = 3, output_offset = 5;
  const std::string name = std::string(table.isa) + " " + std::to_string(rows) + "x" + std::to_string(vectors) +
                           " taps " + std::to_string(taps) + " channels " + std::to_string(channels);
  const int count = tiles * taps * rows;
  std::vector<std::vector<float>> inputs;
  std::vector<const float*> pointers;
  for (int i = 0; i < count; i++) inputs.push_back(numbers.values(input_offset + channels + slack));
  for (const auto& input : inputs) pointers.push_back(input.data());
  for (int i = 0; i < taps_ahead * rows; i++) pointers.push_back(inputs[0].data());
  AlignedFloats weight(static_cast<size_t>(taps) * channels * width + slack);
  AlignedFloats bias(width);
  for (size_t i = 0; i < static_cast<size_t>(taps) * channels * width; i++) weight.data()[i] = numbers.value();
  for (int i = 0; i < width; i++) bias.data()[i] = numbers.value();
  const bool adds = variant % 2 == 1;
  const bool in_blocks = variant >= 2 && channels > 1;
  std::vector<std::vector<float>> outputs(tiles * rows, std::vector<float>(output_offset + width + slack, 7.0f));
  std::vector<std::vector<float>> residuals;
  std::vector<float*> output_rows;
  std::vector<const float*> residual_rows;
  for (auto& output : outputs) {
    residuals.push_back(numbers.values(output_offset + width + slack));
    output_rows.push_back(output.data());
  }
  for (const auto& residual : residuals) residual_rows.push_back(residual.data());
  AlignedFloats sums(static_cast<size_t>(tiles) * rows * width);

  TileArguments t{};
  t.tiles = tiles;
  t.input = pointers.data();
  t.taps = t.taps_of_row = taps;
  t.channels = channels;
  t.input_offset = input_offset;
  t.fetches_input = variant % 2 == 0;
  t.weight = weight.data();
  t.ahead = reinterpret_cast<const char*>(weight.data());
  t.ahead_pitch = cache_line;
  t.bias = bias.data();
  t.sums = sums.data();
  t.output = output_rows.data();
  t.output_offset = output_offset;
  t.columns = columns;
  t.residual = adds ? residual_rows.data() : nullptr;
  t.activation = convolution_activation_at(variant);
  t.slopes = bias.data();
  const TileKernel kernel = table.tile[vectors - 1][rows - 1];
  AlignedFloats part(static_cast<size_t>(taps) * channels * width + slack);
  if (in_blocks) {
    // The reduction in two blocks of channels, the sums kept in between.
    const int half = channels / 2;
    const auto copy = [&](int from, int to) {
      float* out = part.data();
      for (int tap = 0; tap < taps; tap++)
        for (int c = from; c < to; c++, out += width)
          std::memcpy(out, weight.data() + (static_cast<long>(tap) * channels + c) * width, width * sizeof(float));
    };
    TileArguments first = t, second = t;
    copy(0, half);
    first.weight = part.data();
    first.channels = half;
    first.output = nullptr;
    kernel(first);
    copy(half, channels);
    second.weight = part.data();
    second.channels = channels - half;
    second.input_offset = input_offset + half;
    second.bias = nullptr;
    kernel(second);
  } else {
    kernel(t);
  }
  for (int tile = 0; tile < tiles; tile++) {
    for (int row = 0; row < rows; row++) {
      const std::vector<float>& output = outputs[tile * rows + row];
      for (int j = 0; j < columns; j++) {
        double sum = bias.data()[j];
        for (int tap = 0; tap < taps; tap++)
          for (int c = 0; c < channels; c++)
            sum += static_cast<double>(inputs[(tile * taps + tap) * rows + row][input_offset + c]) *
                   weight.data()[(static_cast<long>(tap) * channels + c) * width + j];
        if (adds) sum += residuals[tile * rows + row][output_offset + j];
        expect_near(output[output_offset + j], activated(sum, t.activation, bias.data()[j]), name, 1e-4);
      }
      expect(output[output_offset + columns] == 7.0f && output[output_offset - 1] == 7.0f, name + " writes outside");
    }
  }
}

}  // namespace

TEST("tiles of every size compute indirect matrix products") {
  for (const KernelTable* table : tables()) {
    for (int vectors = 1; vectors <= table->tile_vectors; vectors++) {
      for (int rows = 1; rows <= table->tile_rows; rows++) {
        for (int variant = 0; variant < convolution_activations; variant++) {
          const int full = vectors * table->lanes;
          const int columns = variant % 3 == 0 ? full : full - variant % table->lanes;
          check_tile(*table, rows, vectors, 1 + variant % 3, 1 + 5 * variant, columns, variant);
        }
      }
    }
  }
}

TEST("element-wise kernels agree with plain loops at every length") {
  for (const KernelTable* table : tables()) {
    for (int length = 1; length <= 70; length++) {
      Numbers numbers(static_cast<uint64_t>(length));
      const std::vector<float> a = numbers.values(length), b = numbers.values(length), c = numbers.values(length);
      const std::string name = std::string(table->isa) + " length " + std::to_string(length);
      std::vector<float> output(length + 1, 7.0f);
      for (int k = 0; k < activations; k++) {
        table->add(a.data(), b.data(), output.data(), length, activation_at(k));
        for (int i = 0; i < length; i++) expect_near(output[i], activated(a[i] + b[i], activation_at(k)), name + " add");
        table->add(a.data(), nullptr, output.data(), length, activation_at(k));
        for (int i = 0; i < length; i++) expect_near(output[i], activated(a[i], activation_at(k)), name + " activate");
      }
      table->multiply(a.data(), b.data(), output.data(), length);
      for (int i = 0; i < length; i++) expect_near(output[i], static_cast<double>(a[i]) * b[i], name + " multiply");
      const float* four[] = {a.data(), b.data(), c.data(), a.data()};
      const float shares[] = {0.5f, 0.25f, -1.0f, 0.125f};
      table->mix(four, shares, output.data(), length);
      for (int i = 0; i < length; i++) expect_near(output[i], 0.625 * a[i] + 0.25 * b[i] - c[i], name + " mix");
      std::vector<float> sums = c;
      table->accumulate(a.data(), sums.data(), length);
      for (int i = 0; i < length; i++) expect_near(sums[i], static_cast<double>(a[i]) + c[i], name + " accumulate");
      const float* rows[3] = {a.data(), b.data(), c.data()};
      table->maximum(rows, 3, output.data(), length);
      for (int i = 0; i < length; i++) expect_near(output[i], std::max({a[i], b[i], c[i]}), name + " maximum");
      table->maximum(rows, 0, output.data(), length);
      expect(std::isinf(output[0]) && output[0] < 0, name + " maximum of none");
      double dot = 0;
      for (int i = 0; i < length; i++) dot += static_cast<double>(a[i]) * b[i];
      expect_near(table->dot(a.data(), b.data(), length), dot, name + " dot", 1e-4);
      expect(output[length] == 7.0f, name + " writes outside");
    }
  }
}

TEST("rows are scaled, and their squares added up, at every length") {
  for (const KernelTable* table : tables()) {
    for (long length : {1, 3, 16, 19, 33, 70}) {
      Numbers numbers(static_cast<uint64_t>(length));
      const std::string name = std::string(table->isa) + " length " + std::to_string(length);
      const std::vector<float> x = numbers.values(length), a = numbers.values(length), b = numbers.values(length);
      std::vector<float> scaled = x, sums = b;
      for (auto* each : {&scaled, &sums}) each->push_back(7.0f);
      table->scale(scaled.data(), a.data(), b.data(), scaled.data(), length);
      table->accumulate_squares(x.data(), a.data(), sums.data(), length);
      for (long i = 0; i < length; i++) {
        const double apart = static_cast<double>(x[i]) - a[i];
        expect_near(scaled[i], apart * b[i], name + " scale");
        expect_near(sums[i], apart * apart + b[i], name + " squares");
      }
      expect(scaled[length] == 7.0f && sums[length] == 7.0f, name + " writes outside");
    }
  }
}

TEST("activations are right at every magnitude") {
  std::vector<float> x{0, 1e-20f, -1e-20f, 1e30f, -1e30f};
  for (float size = 1e-4f; size < 1e4f; size *= 1.3f)
    for (float sign : {-1.0f, 1.0f}) x.push_back(sign * size);
  const int length = static_cast<int>(x.size());
  std::vector<float> output(x.size());
  const float nan = std::nanf("");
  for (const KernelTable* table : tables()) {
    for (int k = 0; k < activations; k++) {
      const std::string name = std::string(table->isa) + " activation " + std::to_string(k);
      table->add(x.data(), nullptr, output.data(), length, activation_at(k));
      for (int i = 0; i < length; i++) {
        double wanted = activated(x[i], activation_at(k));
        // softplus(x) = x where e^x overflows.
        if (std::isnan(wanted) || std::isinf(wanted)) wanted = x[i] > 0 ? x[i] : 0;
        expect_near(output[i], wanted, name + " of " + std::to_string(x[i]), 2e-6);
      }
      table->add(&nan, nullptr, output.data(), 1, activation_at(k));
      expect(std::isnan(output[0]), name + " hides NaN");
    }
  }
}

TEST("depthwise pixels and runs agree with plain loops") {
  for (const KernelTable* table : tables()) {
    for (int kernel : {1, 2, 3, 5, 7}) {
      for (int channels : {1, 2, 4, 6, 7, 8, 12, 16, 24, 37}) {
        Numbers numbers(static_cast<uint64_t>(kernel * 100 + channels));
        // Runs of every length that is left when the longest groups of pixels are done.
        const int taps = kernel * kernel, pixels = 8 + channels % 8 + kernel * (channels % 2 ? 1 : 4), map_width = pixels + kernel;
        const std::string name = std::string(table->isa) + " depthwise " + std::to_string(kernel) + ", " +
                                 std::to_string(channels) + " channels";
        const std::vector<float> map = numbers.values(static_cast<size_t>(kernel) * map_width * channels + slack);
        const std::vector<float> weight = numbers.values(static_cast<size_t>(taps) * channels + slack);
        const std::vector<float> bias = numbers.values(channels + slack);
        const std::vector<float> residual = numbers.values(static_cast<size_t>(pixels) * channels + slack);
        for (int variant = 0; variant < convolution_activations; variant++) {
          const Activation activation = convolution_activation_at(variant);
          const DepthwiseLayer layer{kernel, kernel, weight.data(), bias.data(), channels, activation, bias.data()};
          const bool adds = variant % 2 == 1;
          std::vector<float> run(static_cast<size_t>(pixels) * channels + 1, 7.0f), apart = run;
          table->depthwise_run(layer, {pixels, map.data(), static_cast<long>(map_width) * channels, channels, channels,
                                       run.data(), adds ? residual.data() : nullptr});
          std::vector<const float*> input, residuals;
          std::vector<float*> output;
          for (int p = 0; p < pixels; p++) {
            for (int ky = 0; ky < kernel; ky++)
              for (int kx = 0; kx < kernel; kx++) input.push_back(map.data() + (ky * map_width + p + kx) * channels);
            output.push_back(apart.data() + p * channels);
            residuals.push_back(residual.data() + p * channels);
          }
          table->depthwise_pixels(layer, {pixels, input.data(), output.data(), adds ? residuals.data() : nullptr});
          for (int p = 0; p < pixels; p++) {
            for (int c = 0; c < channels; c++) {
              double sum = bias[c];
              for (int t = 0; t < taps; t++)
                sum += static_cast<double>(input[p * taps + t][c]) * weight[static_cast<size_t>(t) * channels + c];
              if (adds) sum += residual[p * channels + c];
              const double wanted = activated(sum, layer.activation, bias[c]);
              expect_near(run[p * channels + c], wanted, name + " run", 1e-4);
              expect_near(apart[p * channels + c], wanted, name + " pixels", 1e-4);
            }
          }
          expect(run.back() == 7.0f && apart.back() == 7.0f, name + " writes outside");
        }
      }
    }
  }
}

TEST("Winograd's transforms turn products into 3x3 convolutions") {
  // U = G g G'
  const double G[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
  for (const KernelTable* table : tables()) {
    for (int channels : {1, 8, 11, 16, 21}) {
      Numbers numbers(static_cast<uint64_t>(channels));
      const std::string name = std::string(table->isa) + " " + std::to_string(channels) + " channels";
      std::vector<std::vector<float>> window;
      const float* rows[16];
      for (int i = 0; i < 16; i++) window.push_back(numbers.values(channels + slack));
      for (int i = 0; i < 16; i++) rows[i] = window[i].data();
      const long pitch = (channels + table->lanes - 1) / table->lanes * table->lanes + table->lanes;
      AlignedFloats values(16 * pitch + slack), products(16 * pitch + slack), bias(pitch);
      table->winograd_input(rows, values.data(), pitch, channels);
      std::vector<float> kernel = numbers.values(static_cast<size_t>(9) * channels);
      for (int c = 0; c < channels; c++) {
        bias.data()[c] = numbers.value();
        for (int i = 0; i < 4; i++)
          for (int j = 0; j < 4; j++) {
            double u = 0;
            for (int a = 0; a < 3; a++)
              for (int b = 0; b < 3; b++) u += G[i][a] * kernel[c * 9 + a * 3 + b] * G[j][b];
            products.data()[(i * 4 + j) * pitch + c] = static_cast<float>(u * values.data()[(i * 4 + j) * pitch + c]);
          }
      }
      std::vector<std::vector<float>> outputs(4, std::vector<float>(channels + 1, 7.0f));
      const std::vector<float> residual = numbers.values(channels + slack);
      WinogradOutput output{};
      output.products = products.data();
      output.pitch = pitch;
      output.bias = bias.data();
      output.columns = channels;
      output.activation = convolution_activation_at(channels);
      output.slopes = bias.data();
      for (int i = 0; i < 4; i++) {
        output.output[i] = i == 2 ? nullptr : outputs[i].data();
        output.residual[i] = i == 1 ? residual.data() : nullptr;
      }
      table->winograd_output(output);
      for (int i = 0; i < 4; i++) {
        for (int c = 0; c < channels && i != 2; c++) {
          double sum = bias.data()[c];
          for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
              sum += static_cast<double>(window[(i / 2 + a) * 4 + i % 2 + b][c]) * kernel[c * 9 + a * 3 + b];
          if (i == 1) sum += residual[c];
          expect_near(outputs[i][c], activated(sum, output.activation, bias.data()[c]), name, 1e-4);
        }
        expect(outputs[i].back() == 7.0f, name + " writes outside");
      }
      expect(outputs[2][0] == 7.0f, name + " writes a pixel that is not computed");
    }
  }
}

}  // namespace fovea::test
