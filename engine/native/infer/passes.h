// Passes that move or combine values: pooling, gather, scatter, addition, mask decisions, attention.
#pragma once
#include "infer/attention.h"
#include "infer/convolve.h"

namespace fovea {

struct Window {
  int kernel_height, kernel_width, stride_y, stride_x;
  int pad_top, pad_left, pad_bottom, pad_right;
  bool count_padding;  // average only
};

void max_pool(const Machine& machine, const Window& window, Extent input, const float* source, Extent output,
              float* destination);
void average_pool(const Machine& machine, const Window& window, Extent input, const float* source, Extent output,
                  float* destination);

// Each channel's mean, maximum or norm over each image's map, or over the pixels of `region` alone when it is given; 0 of none.
void global_pool(const Machine& machine, Extent input, const float* source, Layout layout, const Region* region,
                 Pooling how, float* destination);

// destination = activation(a + b) over whole maps; b null adds nothing.
void add_maps(const Machine& machine, Extent map, const float* a, const float* b, float* destination,
              Activation activation);
// The same at pixels [first, last) of maps with this many channels.
void add_rows(const Machine& machine, int channels, const float* a, const float* b, float* destination,
              Activation activation, long first, long last);

// Copies each active cell with its halo, zeros outside the map.
void gather(const Machine& machine, const Halo& halo, Extent input, const float* source, float* packed);

// Writes packed rows to their places in a map and zeros everywhere else.
void scatter(const Machine& machine, const Region& region, int channels, const float* packed,
             float* destination);

// map = activation(shortcut + source) at pixels [first, last) of the region's list; map and shortcut may be the
// same. The source holds the region's rows packed, or those of the whole map.
void scatter_add(const Machine& machine, const Region& region, int channels, const float* source, Layout layout,
                 const float* shortcut, float* map, Activation activation, long first, long last);

// map = activation(map) at the given pixels.
void activate_pixels(const Machine& machine, const int32_t* pixels, long count, int channels, float* map,
                     Activation activation);

// Rows times a scale for each image and channel, and one for each pixel of the map unless `weights` is null.
void scale_rows(const Machine& machine, Extent map, Layout layout, const Region* region, const float* scale,
                const float* weights, float* rows);

// Mean and maximum over the channels of each pixel's row times the scales of its image; zeros outside the region.
void summarise_rows(const Machine& machine, Extent map, const Region* region, const float* scale, const float* rows,
                    float* summaries);

// Copies a map into a larger one, with zeros around it.
void copy_padded(const Machine& machine, Extent input, const float* source, int pad_top, int pad_left, Extent padded,
                 float* destination);

// A cell is active when pooled . weight + bias >= 0.
void decide_learned(const Machine& machine, const float* pooled, int channels, const float* weight, float bias,
                    Mask& mask);
// Makes the round(rate * cells) cells of each image with the most energy active; of equal cells, the earlier one.
void decide_salient(const Machine& machine, const float* pooled, int channels, double rate, Mask& mask);

}  // namespace fovea
