// Micro-kernels over rows of channels: additions, pools, dot products, normalisations.
#pragma once
#include "infer/kernels/channels.h"

namespace fovea {

template <class I>
void add_kernel(const float* a, const float* b, float* output, long length, Activation activation) {
  over_channels<I>(
      length,
      [&](long c) {
        auto x = I::load(a + c);
        if (b) x = I::add(x, I::load(b + c));
        I::store(output + c, activate<I>(x, activation));
      },
      [&](long c, int count) {
        auto x = I::load_first(a + c, count);
        if (b) x = I::add(x, I::load_first(b + c, count));
        I::store_first(output + c, activate<I>(x, activation), count);
      });
}

template <class I>
void multiply_kernel(const float* input, const float* scale, float* output, long length) {
  over_channels<I>(
      length, [&](long c) { I::store(output + c, I::multiply(I::load(input + c), I::load(scale + c))); },
      [&](long c, int count) {
        I::store_first(output + c, I::multiply(I::load_first(input + c, count), I::load_first(scale + c, count)),
                       count);
      });
}

template <class I>
void accumulate_kernel(const float* input, float* sums, long length) {
  over_channels<I>(
      length, [&](long c) { I::store(sums + c, I::add(I::load(sums + c), I::load(input + c))); },
      [&](long c, int count) {
        I::store_first(sums + c, I::add(I::load_first(sums + c, count), I::load_first(input + c, count)), count);
      });
}

template <class I>
void scale_kernel(const float* input, const float* away, const float* factor, float* output, long length) {
  over_channels<I>(
      length,
      [&](long c) {
        I::store(output + c, I::multiply(I::subtract(I::load(input + c), I::load(away + c)), I::load(factor + c)));
      },
      [&](long c, int count) {
        const auto x = I::subtract(I::load_first(input + c, count), I::load_first(away + c, count));
        I::store_first(output + c, I::multiply(x, I::load_first(factor + c, count)), count);
      });
}

template <class I>
void accumulate_squares_kernel(const float* input, const float* mean, float* sums, long length) {
  over_channels<I>(
      length,
      [&](long c) {
        const auto x = I::subtract(I::load(input + c), I::load(mean + c));
        I::store(sums + c, I::multiply_add(x, x, I::load(sums + c)));
      },
      [&](long c, int count) {
        const auto x = I::subtract(I::load_first(input + c, count), I::load_first(mean + c, count));
        I::store_first(sums + c, I::multiply_add(x, x, I::load_first(sums + c, count)), count);
      });
}

template <class I>
void mix_kernel(const float* const* rows, const float* shares, float* output, long length) {
  const auto a = I::broadcast(shares[0]), b = I::broadcast(shares[1]);
  const auto c = I::broadcast(shares[2]), d = I::broadcast(shares[3]);
  const auto mixed = [&](auto load) {
    auto sum = I::multiply(load(rows[0]), a);
    sum = I::multiply_add(load(rows[1]), b, sum);
    sum = I::multiply_add(load(rows[2]), c, sum);
    return I::multiply_add(load(rows[3]), d, sum);
  };
  over_channels<I>(
      length, [&](long i) { I::store(output + i, mixed([&](const float* row) { return I::load(row + i); })); },
      [&](long i, int count) {
        I::store_first(output + i, mixed([&](const float* row) { return I::load_first(row + i, count); }), count);
      });
}

template <class I>
void maximum_kernel(const float* const* rows, long count, float* output, long length) {
  const auto lowest = I::broadcast(-__builtin_inff());
  over_channels<I>(
      length,
      [&](long c) {
        auto x = lowest;
        for (long i = 0; i < count; i++) x = I::maximum(x, I::load(rows[i] + c));
        I::store(output + c, x);
      },
      [&](long c, int part) {
        auto x = lowest;
        for (long i = 0; i < count; i++) x = I::maximum(x, I::load_first(rows[i] + c, part));
        I::store_first(output + c, x, part);
      });
}

template <class I>
float dot_kernel(const float* a, const float* b, long length) {
  auto sum = I::zero();
  over_channels<I>(
      length, [&](long c) { sum = I::multiply_add(I::load(a + c), I::load(b + c), sum); },
      [&](long c, int count) {
        sum = I::multiply_add(I::load_first(a + c, count), I::load_first(b + c, count), sum);
      });
  return I::sum(sum);
}

// Whether a value is no number, or infinite; exponentials have powers of two for these as for others.
inline bool has_none(const float* row, long length) {
  for (long i = 0; i < length; i++)
    if (!(row[i] <= 3.402823466e38f)) return true;
  return false;
}

// Ones, the first of which say which lanes of a last vector have a value.
template <class I>
struct Ones {
  float lane[I::lanes];
  constexpr Ones() : lane() {
    for (float& value : lane) value = 1;
  }
};
template <class I>
inline constexpr Ones<I> all_ones{};

template <class I>
void softmax_kernel(float* row, long length) {
  float most = row[0];
  auto nothing = I::zero();
  float nothing_of_part = 0;
  if (length >= I::lanes) {
    auto most_of_lanes = I::load(row);
    const auto look_at = [&](long i) {
      const auto x = I::load(row + i);
      most_of_lanes = I::maximum(most_of_lanes, x);
      nothing = I::multiply_add(x, I::zero(), nothing);
    };
    long i = 0;
    for (; i + I::lanes <= length; i += I::lanes) look_at(i);
    // At some of them for a second time.
    if (i < length) look_at(length - I::lanes);
    most = I::most(most_of_lanes);
  } else {
    for (long i = 0; i < length; i++) {
      most = row[i] > most ? row[i] : most;
      nothing_of_part += row[i] * 0;
    }
  }
  if (!(I::sum(nothing) + nothing_of_part == 0) && has_none(row, length)) {
    for (long i = 0; i < length; i++) row[i] = __builtin_nanf("");
    return;
  }
  const auto away = I::broadcast(most);
  auto sum = I::zero();
  over_channels<I>(
      length,
      [&](long i) {
        const auto power = exponential<I>(I::subtract(I::load(row + i), away));
        sum = I::add(sum, power);
        I::store(row + i, power);
      },
      [&](long i, int count) {
        // Lanes without a value are 0 less 0, and do not count.
        const auto given = I::load_first(all_ones<I>.lane, count);
        const auto x = I::subtract(I::load_first(row + i, count), I::multiply(away, given));
        const auto power = I::multiply(exponential<I>(x), given);
        sum = I::add(sum, power);
        I::store_first(row + i, power, count);
      });
  const auto share = I::broadcast(1.0f / I::sum(sum));
  over_channels<I>(
      length, [&](long i) { I::store(row + i, I::multiply(I::load(row + i), share)); },
      [&](long i, int count) {
        I::store_first(row + i, I::multiply(I::load_first(row + i, count), share), count);
      });
}

constexpr float largest = 3.402823466e38f;

// Makes values so small that their squares can be added up; false where one is infinite or NaN.
inline bool made_small(float* row, long length) {
  for (long c = 0; c < length; c++)
    if (!(__builtin_fabsf(row[c]) <= largest)) return false;
  for (long c = 0; c < length; c++) row[c] *= 0x1p-80f;
  return true;
}

template <class I>
void normalise_kernel(float* row, const RowNormalisation& n, long length) {
  const float share = 1.0f / static_cast<float>(length);
  auto sum = I::zero();
  if (n.centred)
    over_channels<I>(
        length, [&](long c) { sum = I::add(sum, I::load(row + c)); },
        [&](long c, int count) { sum = I::add(sum, I::load_first(row + c, count)); });
  // The variance is that of centred values, as squares of values with a large mean leave no digits to it. What rounding
  // has left in the mean is the mean of those.
  const float near = I::sum(sum) * share;
  const auto near_mean = I::broadcast(near);
  auto rest = I::zero(), squares = I::zero();
  float rest_of_part = 0, squares_of_part = 0;
  over_channels<I>(
      length,
      [&](long c) {
        const auto x = I::subtract(I::load(row + c), near_mean);
        rest = I::add(rest, x);
        squares = I::multiply_add(x, x, squares);
      },
      [&](long c, int count) {
        for (int i = 0; i < count; i++) {
          const float x = row[c + i] - near;
          rest_of_part += x;
          squares_of_part += x * x;
        }
      });
  const float left = n.centred ? (I::sum(rest) + rest_of_part) * share : 0;
  const float total = I::sum(squares) + squares_of_part;
  if (!(total <= largest) && made_small(row, length)) {
    // What normalisation makes of them is the same. Beside such values epsilon is nothing; 0 would divide by 0.
    RowNormalisation small = n;
    small.epsilon = 1e-30f;
    return normalise_kernel<I>(row, small, length);
  }
  const float variance = total * share - left * left;
  const auto inverse = I::broadcast(1.0f / __builtin_sqrtf((variance < 0 ? 0 : variance) + n.epsilon));
  const auto left_mean = I::broadcast(left);
  const bool has_slopes = n.activation == Activation::prelu;
  const auto finish = [&](auto x, auto scale, auto shift, auto slope) {
    x = I::multiply(I::subtract(I::subtract(x, near_mean), left_mean), inverse);
    x = I::multiply_add(x, scale, shift);
    return has_slopes ? leaky<I>(x, slope) : activate<I>(x, n.activation);
  };
  over_channels<I>(
      length,
      [&](long c) {
        const auto slope = has_slopes ? I::load(n.slopes + c) : I::zero();
        I::store(row + c, finish(I::load(row + c), I::load(n.scale + c), I::load(n.shift + c), slope));
      },
      [&](long c, int count) {
        const auto slope = has_slopes ? I::load_first(n.slopes + c, count) : I::zero();
        const auto x = I::load_first(row + c, count);
        I::store_first(row + c,
                       finish(x, I::load_first(n.scale + c, count), I::load_first(n.shift + c, count), slope), count);
      });
}

template <class I>
void add_f32_rows(KernelTable& table) {
  table.add = add_kernel<I>;
  table.multiply = multiply_kernel<I>;
  table.scale = scale_kernel<I>;
  table.accumulate = accumulate_kernel<I>;
  table.accumulate_squares = accumulate_squares_kernel<I>;
  table.mix = mix_kernel<I>;
  table.maximum = maximum_kernel<I>;
  table.softmax = softmax_kernel<I>;
  table.dot = dot_kernel<I>;
  table.normalise = normalise_kernel<I>;
}

}  // namespace fovea
