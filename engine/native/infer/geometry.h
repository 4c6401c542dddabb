// The sizes of a convolution and of the maps that it reads and writes.
#pragma once
#include <cstdint>

namespace fovea {

// A map in NHWC order.
struct Extent {
  int batch, height, width, channels;

  long pixels() const { return static_cast<long>(batch) * height * width; }
  long values() const { return pixels() * channels; }
};

struct Geometry {
  int in_channels, out_channels;
  int kernel_height, kernel_width;
  int stride_y, stride_x;
  int pad_top, pad_left, pad_bottom, pad_right;
  int dilation_y, dilation_x;
  int groups;

  int taps() const { return kernel_height * kernel_width; }
  // Every output pixel reads the input pixel of the same place, and nothing else.
  bool pointwise() const {
    return taps() == 1 && stride_y == 1 && stride_x == 1 && (pad_top | pad_left | pad_bottom | pad_right) == 0;
  }
  int output_height(int height) const {
    return extent(height, pad_top + pad_bottom, dilation_y * (kernel_height - 1) + 1, stride_y);
  }
  int output_width(int width) const {
    return extent(width, pad_left + pad_right, dilation_x * (kernel_width - 1) + 1, stride_x);
  }
  // A map of this size with the padding around it.
  Extent padded(const Extent& map) const {
    return {map.batch, map.height + pad_top + pad_bottom, map.width + pad_left + pad_right, map.channels};
  }

 private:
  static int extent(int64_t size, int64_t padding, int64_t reach, int64_t stride) {
    return size + padding < reach ? 0 : static_cast<int>((size + padding - reach) / stride + 1);
  }
};

}  // namespace fovea
