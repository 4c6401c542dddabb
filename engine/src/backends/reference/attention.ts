import { type Attention, slidesOverChannels } from '../../network/attention.js';
import { Tensor } from '../../tensor.js';
import { convolve } from './convolve.js';
import { mapped } from './mapped.js';
import { globalPool, responses } from './pool.js';

/**
 * A map times what attention makes of it.
 * @param pooledOver 1 at the pixels that are pooled; all when left out
 * @param scaled 1 at the pixels whose scale is needed; all when left out
 */
export function attend(
  map: Tensor,
  attention: Attention,
  pooledOver: Uint8Array | undefined,
  scaled: Uint8Array | undefined,
): Tensor {
  const [, H, W, C] = map.shape;
  const scales = channelScales(map, attention, pooledOver).data;
  const product = mapped(map, (value, i) => value * scales[Math.floor(i / (H * W * C)) * C + (i % C)]!);
  if (!attention.spatial) return product;
  const summaries = overChannels(product, pooledOver);
  const weights = convolve(summaries, attention.spatial, scaled).data;
  return mapped(product, (value, i) => value * weights[Math.floor(i / C)]!);
}

/** `[N, 1, 1, C]`. */
function channelScales(
  map: Tensor,
  { pools, epsilon, reduce, gate }: Attention,
  pooledOver: Uint8Array | undefined,
): Tensor {
  const [N, , , C] = map.shape;
  const parts = pools.map((pool) => {
    const pooled =
      pool === 'response' ? responses(map, epsilon!, pooledOver) : globalPool(map, pool, pooledOver);
    return reduce ? convolve(pooled, reduce) : pooled;
  });
  const sum = mapped(parts[0]!, (_, i) => parts.reduce((total, { data }) => total + data[i]!, 0));
  if (!slidesOverChannels(gate)) return convolve(sum, gate);
  return new Tensor([N, 1, 1, C], convolve(new Tensor([N, 1, C, 1], sum.data), gate).data);
}

/** `[N, H, W, 2]`: mean and maximum over each pixel's channels, zeros outside the pixels. */
function overChannels(map: Tensor, pixels: Uint8Array | undefined): Tensor {
  const [N, H, W, C] = map.shape;
  const output = Tensor.zeros([N, H, W, 2]);
  for (let p = 0; p < N * H * W; p++) {
    if (pixels && !pixels[p]) continue;
    const row = map.data.subarray(p * C, (p + 1) * C);
    output.data[2 * p] = row.reduce((sum, value) => sum + value, 0) / C;
    output.data[2 * p + 1] = row.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  }
  return output;
}
