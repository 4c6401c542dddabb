import type { Kernel } from '../kernel.js';
import { activationCode, activationParameters, type ConvolutionActivationKind } from './activation.js';
import { rowBindings, rowCode, rowParameters } from './rows.js';
import { SUM_UNIT, unitCode } from './units.js';

/** Rows that a workgroup normalises, 16 invocations each. */
export const NORMALISED_ROWS = 16;

/**
 * Normalises the channels of each row in place, and activates them. Scale and shift stand behind a convolution's weights.
 * The variance is that of centred values: of sums of squares a large mean would take all digits. Not centred, the mean
 * counts as 0. Means, variance and epsilon are those of values times a unit that keeps squares inside float32.
 */
export function normaliseKernel(activation: ConvolutionActivationKind): Kernel {
  const functions: Parameters<typeof activationCode>[0] =
    activation === 'prelu' ? {} : { activated: activation };
  const result =
    activation === 'prelu'
      ? 'select(vec4f(weights[p.slopes + vector]) * value, value, value > vec4f(0))'
      : 'activated(value)';
  return {
    name: `normalise ${activation}`,
    parameters: [
      ...rowParameters,
      ...['vectors', 'channels', 'packed', 'scale', 'epsilon', 'centred'],
      ...(activation === 'prelu' ? ['slopes'] : activationParameters(functions)),
    ],
    bindings: [
      { name: 'map', access: 'write', element: 'Value' },
      { name: 'weights', access: 'read', element: 'Value' },
      ...rowBindings,
    ],
    code: `${activationCode(functions)}
${rowCode}
${unitCode}
var<workgroup> sums: array<f32, 256>;
var<workgroup> sizes: array<f32, 256>;
fn total(local: u32, own: f32) -> f32 {
  workgroupBarrier();
  sums[local] = own;
  workgroupBarrier();
  var sum = 0f;
  for (var i = 0u; i < 16u; i++) { sum += sums[local / 16u * 16u + i]; }
  return sum;
}
// The channels of a vector that there are, less the mean; the others are 0.
fn centred(value: vec4f, vector: u32, mean: f32) -> vec4f {
  return select(vec4f(0), value - mean, vec4u(vector * 4u) + vec4u(0, 1, 2, 3) < vec4u(p.channels));
}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let row = groupNumber(group, groups) * ${NORMALISED_ROWS}u + local / 16u;
  let isRow = row < rowCount();
  let lane = local % 16u;
  var first = 0u;
  if (isRow) { first = select(pixelOf(row), row, p.packed == 1u) * p.vectors; }
  // All invocations take part in every sum.
  let last = select(0u, p.vectors, isRow);
  var sum = 0f;
  var size = vec4f(0);
  for (var vector = lane; vector < last; vector += 16u) {
    let x = centred(vec4f(map[first + vector]), vector, 0);
    sum += dot(x, vec4f(${SUM_UNIT}));
    size = max(size, abs(x));
  }
  sizes[local] = max(max(size.x, size.y), max(size.z, size.w));
  let all = total(local, sum);
  let deviation = sqrt(bitcast<f32>(p.epsilon));
  var most = deviation;
  for (var i = 0u; i < 16u; i++) { most = max(most, sizes[local / 16u * 16u + i]); }
  let unit = unitOf(most);
  let near = select(0, all / (f32(p.channels) * ${SUM_UNIT}) * unit, p.centred == 1u);
  var rest = 0f;
  for (var vector = lane; vector < last; vector += 16u) { rest += dot(centred(vec4f(map[first + vector]) * unit, vector, near), vec4f(1)); }
  // What rounding has left in the mean.
  let mean = near + select(0, total(local, rest) / f32(p.channels), p.centred == 1u);
  var squares = 0f;
  for (var vector = lane; vector < last; vector += 16u) {
    let x = centred(vec4f(map[first + vector]) * unit, vector, mean);
    squares += dot(x, x);
  }
  let epsilon = max(select((deviation * unit) * (deviation * unit), bitcast<f32>(p.epsilon), unit == 1), 0x1p-126f);
  let inverse = inverseSqrt(total(local, squares) / f32(p.channels) + epsilon);
  for (var vector = lane; vector < last; vector += 16u) {
    let x = centred(vec4f(map[first + vector]) * unit, vector, mean) * inverse;
    let value = x * vec4f(weights[p.scale + vector]) + vec4f(weights[p.scale + p.vectors + vector]);
    map[first + vector] = stored(${result});
  }
}`,
  };
}
