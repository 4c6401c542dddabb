import { eachItem, type Kernel } from '../kernel.js';

/**
 * Mean of each channel over an image's pixels and its mean squared distance from that, a workgroup for each vector. `scratch`
 * holds all means, then all distances, then what `mapScalesKernel` makes of them.
 */
export const channelMomentsKernel: Kernel = {
  name: 'channel moments',
  parameters: ['items', 'vectors', 'plane'],
  bindings: [
    { name: 'source', access: 'read', element: 'Value' },
    { name: 'scratch', access: 'write', element: 'vec4f' },
  ],
  code: `var<workgroup> sums: array<vec4f, 256>;
fn mean(local: u32, own: vec4f) -> vec4f {
  workgroupBarrier();
  sums[local] = own;
  workgroupBarrier();
  for (var half = 128u; half > 0u; half /= 2u) {
    if (local < half) { sums[local] += sums[local + half]; }
    workgroupBarrier();
  }
  return sums[0] / f32(p.plane);
}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let item = groupNumber(group, groups);
  let isItem = item < p.items;
  let first = item / p.vectors * p.plane * p.vectors + item % p.vectors;
  // All invocations take part in every mean.
  let last = select(0u, p.plane, isItem);
  var sum = vec4f(0);
  for (var pixel = local; pixel < last; pixel += 256u) { sum += vec4f(source[first + pixel * p.vectors]); }
  let near = mean(local, sum);
  var rest = vec4f(0);
  for (var pixel = local; pixel < last; pixel += 256u) { rest += vec4f(source[first + pixel * p.vectors]) - near; }
  // What rounding has left in the mean.
  let around = near + mean(local, rest);
  var squares = vec4f(0);
  for (var pixel = local; pixel < last; pixel += 256u) {
    let x = vec4f(source[first + pixel * p.vectors]) - around;
    squares += x * x;
  }
  let distance = mean(local, squares);
  if (isItem && local == 0u) {
    scratch[item] = around;
    scratch[p.items + item] = distance;
  }
}`,
};

/** What each channel's values are made less by, and then multiplied by: an invocation for each vector of channels. */
export function mapScalesKernel(moments: boolean): Kernel {
  const group = moments
    ? `    var mean = 0f;
    for (var k = start; k < start + p.size; k++) { mean += scratch[row + k / 4u][k % 4u]; }
    mean /= f32(p.size);
    var variance = 0f;
    for (var k = start; k < start + p.size; k++) {
      let apart = scratch[row + k / 4u][k % 4u] - mean;
      variance += scratch[p.items + row + k / 4u][k % 4u] + apart * apart;
    }
    away[lane] = mean;
    factor[lane] = inverseSqrt(variance / f32(p.size) + bitcast<f32>(p.epsilon));`
    : `    var total = 0f;
    for (var k = start; k < start + p.size; k++) { total += norm(row, k); }
    factor[lane] = norm(row, channel) / (total / f32(p.size) + bitcast<f32>(p.epsilon));`;
  return {
    name: `map scales ${moments ? 'moments' : 'response'}`,
    parameters: ['items', 'vectors', 'plane', 'channels', 'size', 'epsilon'],
    bindings: [{ name: 'scratch', access: 'write', element: 'vec4f' }],
    code: `fn norm(row: u32, k: u32) -> f32 {
  let mean = scratch[row + k / 4u][k % 4u];
  return sqrt((mean * mean + scratch[p.items + row + k / 4u][k % 4u]) * f32(p.plane));
}
${eachItem}
  if (item >= p.items) { return; }
  let row = item / p.vectors * p.vectors;
  var away = vec4f(0);
  // What fills up a vector stays 0.
  var factor = vec4f(0);
  for (var lane = 0u; lane < 4u; lane++) {
    let channel = item % p.vectors * 4u + lane;
    if (channel >= p.channels) { continue; }
    let start = channel / p.size * p.size;
    if (lane > 0u && start <= channel - 1u && ${moments}) {
      away[lane] = away[lane - 1u];
      factor[lane] = factor[lane - 1u];
      continue;
    }
${group}
  }
  scratch[2u * p.items + item] = away;
  scratch[3u * p.items + item] = factor;
}`,
  };
}

/**
 * `destination = (source − away) · factor`, with the scales of each image.
 * @param own whether the source has a buffer of its own, or is overwritten
 */
export function scaleMapKernel(own: boolean): Kernel {
  return {
    name: `scale map ${own ? 'own' : 'overwritten'}`,
    parameters: ['items', 'vectors', 'plane', 'away', 'factor'],
    bindings: [
      { name: 'destination', access: 'write', element: 'Value' },
      { name: 'scratch', access: 'read', element: 'vec4f' },
      ...(own ? [{ name: 'source', access: 'read', element: 'Value' } as const] : []),
    ],
    code: `${eachItem}
  if (item >= p.items) { return; }
  let row = item / p.vectors / p.plane * p.vectors + item % p.vectors;
  let value = vec4f(${own ? 'source' : 'destination'}[item]);
  destination[item] = stored((value - scratch[p.away + row]) * scratch[p.factor + row]);
}`,
  };
}
