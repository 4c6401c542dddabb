import type { PixelWeighting } from '../../../network/network.js';
import { eachItem, FIRST_GROUP, type Kernel } from '../kernel.js';

/** Where pixels, heads and channels lie; `units` are the heads of the places of all images. */
const common = [
  ...['items', 'vectors', 'channels', 'heads', 'depth', 'width', 'keys', 'sumVectors'],
  ...['queryHeight', 'queryWidth', 'keyHeight', 'keyWidth', 'patchHeight', 'patchWidth'],
  ...['queryVectors', 'keyVectors', 'valueVectors'],
  ...['queryFirst', 'queryStep', 'keyFirst', 'keyStep', 'valueFirst', 'valueStep', 'scale', 'epsilon'],
  FIRST_GROUP,
];

const read = (name: string) => ({ name, access: 'read', element: 'Value' }) as const;
const destination = { name: 'destination', access: 'write', element: 'Value' } as const;

const places = `fn places() -> u32 { return p.patchHeight * p.patchWidth; }
// The i-th pixel of an image at a place of its patches.
fn keyPixel(image: u32, place: u32, i: u32) -> u32 {
  let columns = p.keyWidth / p.patchWidth;
  let y = i / columns * p.patchHeight + place / p.patchWidth;
  return (image * p.keyHeight + y) * p.keyWidth + i % columns * p.patchWidth + place % p.patchWidth;
}
`;
const valueAt = `fn valueAt(pixel: u32, channel: u32) -> f32 {
  return f32(value[pixel * p.valueVectors + channel / 4u][channel % 4u]);
}
`;
const keyAt = `fn keyAt(pixel: u32, channel: u32) -> f32 {
  return f32(key[pixel * p.keyVectors + channel / 4u][channel % 4u]);
}
`;
const queryAt = `fn queryAt(pixel: u32, channel: u32) -> f32 {
  return f32(query[pixel * p.queryVectors + channel / 4u][channel % 4u]);
}
`;
/** Where a unit lies, and the first of the channels that an invocation sums up for it. */
const ofUnit = `  let head = unit % p.heads;
  let place = unit / p.heads % places();
  let image = unit / p.heads / places();
  let first = item % p.sumVectors * 4u;
`;

/** A pixel of the output: its image, and its place in a patch. */
const outputPixel = `  let pixel = item / p.vectors;
  let plane = p.queryHeight * p.queryWidth;
  let image = pixel / plane;
  let y = pixel % plane / p.queryWidth;
  let place = y % p.patchHeight * p.patchWidth + pixel % p.queryWidth % p.patchWidth;
`;

/** Sums values by the softmax of the keys' products, in one go: what is summed so far is that of a smaller maximum. */
const overKeys = (product: string, sum: string) => `    var most = -3.4e38f;
    var total = 0f;
    var sum = vec4f(0);
    for (var i = 0u; i < p.keys; i++) {
      let at = keyPixel(image, place, i);
      var product = 0f;
      ${product}
      product *= bitcast<f32>(p.scale);
      let higher = max(most, product);
      let less = exp(most - higher);
      let weight = exp(product - higher);
      total = total * less + weight;
      sum *= less;
      ${sum}
      most = higher;
    }`;

/** A key's product with the query, and what the four channels add up, channel by channel. */
const apart = {
  product: `for (var d = 0u; d < p.depth; d++) { product += queryAt(pixel, queryChannel + d) * keyAt(at, keyChannel + d); }`,
  sum: `for (var c = first; c < last; c++) { sum[c - first] += weight * valueAt(at, valueChannel + c - first); }`,
};
/** The same by whole vectors, where no head begins or ends inside one. */
const together = {
  product: `let queries = pixel * p.queryVectors + queryChannel / 4u;
      let keys = at * p.keyVectors + keyChannel / 4u;
      for (var d = 0u; d < p.depth / 4u; d++) { product += dot(vec4f(query[queries + d]), vec4f(key[keys + d])); }`,
  sum: `sum += weight * vec4f(value[at * p.valueVectors + valueChannel / 4u]);`,
};

/**
 * Four channels of a pixel, each the values of its head by the softmax of the products: an invocation goes over all keys once.
 * @param aligned whether heads have whole vectors of channels, and begin with one
 */
function softmaxKernel(aligned: boolean): Kernel {
  const { product, sum } = aligned ? together : apart;
  return {
    name: `attended softmax ${aligned ? 'aligned' : 'apart'}`,
    parameters: common,
    bindings: [read('query'), read('key'), read('value'), destination],
    code: `${places}${aligned ? '' : valueAt + keyAt + queryAt}${eachItem}
  if (item >= p.items) { return; }
${outputPixel}
  var output = vec4f(0);
  for (var lane = 0u; lane < 4u; lane++) {
    let first = item % p.vectors * 4u + lane;
    if (first >= p.channels) { break; }
    let head = first / p.width;
    // The channels of this head among the four.
    let last = min(min((head + 1u) * p.width, p.channels), (item % p.vectors + 1u) * 4u);
    let queryChannel = p.queryFirst + head * p.queryStep;
    let keyChannel = p.keyFirst + head * p.keyStep;
    let valueChannel = p.valueFirst + head * p.valueStep + first % p.width;
${overKeys(product, sum)}
    for (var c = first; c < last; c++) { output[c % 4u] = sum[c - first] / total; }
    lane = (last - 1u) % 4u;
  }
  destination[item] = stored(output);
}`,
  };
}

/**
 * By linear weights, for each channel of a key the sum of the values times it, and behind those of the key alone: an
 * invocation for each vector of a channel of a unit.
 */
const linearSumsKernel: Kernel = {
  name: 'attended linear sums',
  parameters: common,
  bindings: [read('key'), read('value'), { name: 'scratch', access: 'write', element: 'vec4f' }],
  code: `${places}${valueAt}${keyAt}${eachItem}
  if (item >= p.items) { return; }
  let row = item / p.sumVectors;
  let unit = row / p.depth;
${ofUnit}  var sum = vec4f(0);
  for (var i = 0u; i < p.keys; i++) {
    let at = keyPixel(image, place, i);
    let weight = max(0f, keyAt(at, p.keyFirst + head * p.keyStep + row % p.depth));
    for (var lane = 0u; lane < 4u; lane++) {
      let channel = first + lane;
      if (channel < p.width) {
        sum[lane] += weight * valueAt(at, p.valueFirst + head * p.valueStep + channel);
      } else if (channel == p.width) {
        sum[lane] += weight;
      }
    }
  }
  scratch[item] = sum;
}`,
};

/** Queries times the sums of their unit, divided by the sum of all weights. */
const linearKernel: Kernel = {
  name: 'attended linear',
  parameters: common,
  bindings: [read('query'), { name: 'scratch', access: 'read', element: 'vec4f' }, destination],
  code: `${queryAt}${eachItem}
  if (item >= p.items) { return; }
${outputPixel}
  var output = vec4f(0);
  for (var lane = 0u; lane < 4u; lane++) {
    let channel = item % p.vectors * 4u + lane;
    if (channel >= p.channels) { break; }
    let head = channel / p.width;
    let unit = (image * p.patchHeight * p.patchWidth + place) * p.heads + head;
    var sum = 0f;
    var total = bitcast<f32>(p.epsilon);
    for (var d = 0u; d < p.depth; d++) {
      let weight = max(0f, queryAt(pixel, p.queryFirst + head * p.queryStep + d));
      let row = (unit * p.depth + d) * p.sumVectors;
      let c = channel % p.width;
      sum += weight * scratch[row + c / 4u][c % 4u];
      total += weight * scratch[row + p.width / 4u][p.width % 4u];
    }
    output[lane] = sum / total;
  }
  destination[item] = stored(output);
}`,
};

/** The values of each unit, weighed by the softmax of its keys: an invocation for each vector of a unit's channels. */
const contextSumsKernel: Kernel = {
  name: 'attended context sums',
  parameters: common,
  bindings: [read('key'), read('value'), { name: 'scratch', access: 'write', element: 'vec4f' }],
  code: `${places}${valueAt}${keyAt}${eachItem}
  if (item >= p.items) { return; }
  let unit = item / p.sumVectors;
${ofUnit}  let last = min(first + 4u, p.width);
${overKeys(
  'product = keyAt(at, p.keyFirst + head * p.keyStep);',
  'for (var c = first; c < last; c++) { sum[c - first] += weight * valueAt(at, p.valueFirst + head * p.valueStep + c); }',
)}
  scratch[item] = sum / total;
}`,
};

/** The context of each pixel's unit. */
const contextKernel: Kernel = {
  name: 'attended context',
  parameters: common,
  bindings: [{ name: 'scratch', access: 'read', element: 'vec4f' }, destination],
  code: `${eachItem}
  if (item >= p.items) { return; }
${outputPixel}
  var output = vec4f(0);
  for (var lane = 0u; lane < 4u; lane++) {
    let channel = item % p.vectors * 4u + lane;
    if (channel >= p.channels) { break; }
    let unit = (image * p.patchHeight * p.patchWidth + place) * p.heads + channel / p.width;
    let c = channel % p.width;
    output[lane] = scratch[unit * p.sumVectors + c / 4u][c % 4u];
  }
  destination[item] = stored(output);
}`,
};

/** What is summed over the keys, where that is the same for all queries, and what is written. */
export interface AttendedKernels {
  readonly sums?: Kernel;
  readonly written: Kernel;
}

/** @param aligned whether heads have whole vectors of channels, and begin with one */
export function attendedKernels(by: PixelWeighting, aligned: boolean): AttendedKernels {
  switch (by) {
    case 'softmax':
      return { written: softmaxKernel(aligned) };
    case 'linear':
      return { sums: linearSumsKernel, written: linearKernel };
    case 'context':
      return { sums: contextSumsKernel, written: contextKernel };
  }
}
