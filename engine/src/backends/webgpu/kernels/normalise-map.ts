import { eachItem, type Kernel } from '../kernel.js';
import { SUM_UNIT, unitCode } from './units.js';

/** By what values are made less before their factors apply: differences of the largest ones, and their factors, stay in float32. */
const APART = 16;

/** The mean of all invocations' sums; with sizes, the largest of those is the first in the end. */
const meanCode = (
  name: string,
  sizes: boolean,
) => `fn ${name}(local: u32, own: vec4f${sizes ? ', size: vec4f' : ''}) -> vec4f {
  workgroupBarrier();
  sums[local] = own;
${sizes ? '  sizes[local] = size;' : ''}
  workgroupBarrier();
  for (var half = 128u; half > 0u; half /= 2u) {
    if (local < half) {
      sums[local] += sums[local + half];
${sizes ? '      sizes[local] = max(sizes[local], sizes[local + half]);' : ''}
    }
    workgroupBarrier();
  }
  return sums[0] / f32(p.plane);
}`;

/**
 * Mean of each channel over an image's pixels and its standard deviation, a workgroup for each vector. `scratch` holds all
 * means, then all deviations, then what `mapScalesKernel` makes of them.
 */
export const channelMomentsKernel: Kernel = {
  name: 'channel moments',
  parameters: ['items', 'vectors', 'plane'],
  bindings: [
    { name: 'source', access: 'read', element: 'Value' },
    { name: 'scratch', access: 'write', element: 'vec4f' },
  ],
  code: `${unitCode}
var<workgroup> sums: array<vec4f, 256>;
var<workgroup> sizes: array<vec4f, 256>;
${meanCode('meanAndMost', true)}
${meanCode('mean', false)}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let item = groupNumber(group, groups);
  let isItem = item < p.items;
  let first = item / p.vectors * p.plane * p.vectors + item % p.vectors;
  // All invocations take part in every mean.
  let last = select(0u, p.plane, isItem);
  var sum = vec4f(0);
  var size = vec4f(0);
  for (var pixel = local; pixel < last; pixel += 256u) {
    let x = vec4f(source[first + pixel * p.vectors]);
    sum += x * ${SUM_UNIT};
    size = max(size, abs(x));
  }
  let all = meanAndMost(local, sum, size);
  let most = sizes[0];
  let unit = vec4f(unitOf(most.x), unitOf(most.y), unitOf(most.z), unitOf(most.w));
  let near = all / ${SUM_UNIT} * unit;
  var rest = vec4f(0);
  for (var pixel = local; pixel < last; pixel += 256u) { rest += vec4f(source[first + pixel * p.vectors]) * unit - near; }
  // What rounding has left in the mean.
  let around = near + mean(local, rest);
  var squares = vec4f(0);
  for (var pixel = local; pixel < last; pixel += 256u) {
    let x = vec4f(source[first + pixel * p.vectors]) * unit - around;
    squares += x * x;
  }
  let deviation = sqrt(mean(local, squares));
  if (isItem && local == 0u) {
    scratch[item] = around / unit;
    scratch[p.items + item] = deviation / unit;
  }
}`,
};

/** What each channel's values are made less by, and then multiplied by: an invocation for each vector of channels. */
export function mapScalesKernel(moments: boolean): Kernel {
  const group = moments
    ? `    let least = sqrt(bitcast<f32>(p.epsilon));
    var sum = 0f;
    var most = least;
    for (var k = start; k < start + p.size; k++) {
      let mean = scratch[row + k / 4u][k % 4u];
      sum += mean * ${SUM_UNIT};
      most = max(most, max(abs(mean), scratch[p.items + row + k / 4u][k % 4u]));
    }
    let unit = unitOf(most);
    let near = sum / (f32(p.size) * ${SUM_UNIT}) * unit;
    var rest = 0f;
    var squares = 0f;
    for (var k = start; k < start + p.size; k++) {
      let apart = scratch[row + k / 4u][k % 4u] * unit - near;
      let deviation = scratch[p.items + row + k / 4u][k % 4u] * unit;
      rest += apart;
      squares += deviation * deviation + apart * apart;
    }
    // What rounding has left in the mean.
    let left = rest / f32(p.size);
    let variance = max(squares / f32(p.size) - left * left, 0f);
    let epsilon = max(select((least * unit) * (least * unit), bitcast<f32>(p.epsilon), unit == 1), 0x1p-126f);
    away[lane] = (near + left) / unit / ${APART};
    factor[lane] = inverseSqrt(variance + epsilon) * (unit * ${APART});`
    : `    var total = 0f;
    for (var k = start; k < start + p.size; k++) { total += norm(row, k); }
    let mean = total / f32(p.size) + bitcast<f32>(p.epsilon) * ${SUM_UNIT};
    factor[lane] = norm(row, channel) / max(mean, 0x1p-126f) * ${APART};`;
  return {
    name: `map scales ${moments ? 'moments' : 'response'}`,
    parameters: ['items', 'vectors', 'plane', 'channels', 'size', 'epsilon'],
    bindings: [{ name: 'scratch', access: 'write', element: 'vec4f' }],
    code: `${unitCode}
// Of a channel, in units of sums.
fn norm(row: u32, k: u32) -> f32 {
  let mean = scratch[row + k / 4u][k % 4u];
  let deviation = scratch[p.items + row + k / 4u][k % 4u];
  let unit = unitOf(max(abs(mean), deviation));
  let x = vec2f(mean, deviation) * unit;
  return sqrt(dot(x, x)) * sqrt(f32(p.plane)) * (${SUM_UNIT} / unit);
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
 * `destination = (source − away) · factor`, with the scales of each image, away and factor for the sixteenth part of the source.
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
  destination[item] = stored((value / ${APART} - scratch[p.away + row]) * scratch[p.factor + row]);
}`,
  };
}
