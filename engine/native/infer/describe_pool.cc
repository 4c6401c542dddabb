// Describes a pool to a mask's grid; the counterpart of grid_pool.cc.
#include <algorithm>

#include "infer/describe.h"

namespace fovea {

void describe_pool(const DescribeSetting& setting, const GridPool& pool, double pixels, double cells, double since,
                   bool in_cache, Amounts& amounts) {
  const double bytes = sizeof(float) * pixels * pool.input.channels;
  const auto items = static_cast<double>(pool.grid_rows() * pool_parts(setting.threads, pool));
  amounts.add(Amount::passes, 1);
  amounts.add(Amount::pool, bytes * setting.even());
  amounts.add(Amount::rows, pixels * setting.even());
  amounts.add(Amount::pool_cells, cells * setting.even());
  amounts.add(Amount::items, items * setting.even());
  amounts.add_levels(Amount::read, bytes * setting.even(),
                     in_cache ? std::min(bytes, setting.near_bytes) : bytes + since, setting);
}

}  // namespace fovea
