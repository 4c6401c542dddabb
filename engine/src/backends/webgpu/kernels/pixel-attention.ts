import type { PixelWeighting } from '../../../network/pixel-attention.js';
import { eachItem, FIRST_GROUP, type Kernel } from '../kernel.js';

/** Where pixels, heads and channels lie; `units` are the heads of the places of all images. */
const common = [
  ...['items', 'vectors', 'channels', 'heads', 'depth', 'width', 'keys', 'sumVectors'],
  ...['queryHeight', 'queryWidth', 'keyHeight', 'keyWidth', 'patchHeight', 'patchWidth'],
  ...['queryVectors', 'keyVectors', 'valueVectors'],
  ...['queryFirst', 'queryStep', 'keyFirst', 'keyStep', 'valueFirst', 'valueStep', 'scale', 'epsilon'],
  ...['windowHeight', 'windowWidth', 'shiftY', 'shiftX', 'apart'],
  FIRST_GROUP,
];

const read = (name: string) => ({ name, access: 'read', element: 'Value' }) as const;
const destination = { name: 'destination', access: 'write', element: 'Value' } as const;

/** What is known of an attention before its kernels are written. */
export interface AttendedForm {
  /** Whether heads have whole vectors of channels, and begin with one. */
  readonly aligned: boolean;
  readonly windows: boolean;
  /** Whether pixels of a window at different edges of the map are told apart. */
  readonly apart: boolean;
  readonly bias: boolean;
}

const inPatches = `fn places() -> u32 { return p.patchHeight * p.patchWidth; }
// The i-th pixel of an image at a place of its patches.
fn keyPixel(image: u32, place: u32, i: u32) -> u32 {
  let columns = p.keyWidth / p.patchWidth;
  let y = i / columns * p.patchHeight + place / p.patchWidth;
  return (image * p.keyHeight + y) * p.keyWidth + i % columns * p.patchWidth + place % p.patchWidth;
}
`;
const inWindows = `fn places() -> u32 { return p.keyHeight / p.windowHeight * (p.keyWidth / p.windowWidth); }
// Row and column of the i-th pixel of a window; those beyond the map go on at its other edge.
fn inWindow(place: u32, i: u32) -> vec2u {
  let across = p.keyWidth / p.windowWidth;
  return vec2u(place / across * p.windowHeight + i / p.windowWidth + p.shiftY,
               place % across * p.windowWidth + i % p.windowWidth + p.shiftX);
}
fn keyPixel(image: u32, place: u32, i: u32) -> u32 {
  let at = inWindow(place, i) % vec2u(p.keyHeight, p.keyWidth);
  return (image * p.keyHeight + at.x) * p.keyWidth + at.y;
}
fn edgeOf(place: u32, i: u32) -> vec2<bool> {
  return inWindow(place, i) >= vec2u(p.keyHeight, p.keyWidth);
}
`;
const placesOf = (windows: boolean) => (windows ? inWindows : inPatches);
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

/** A pixel of the output: its image, its place in a patch or its window, and which of those it is that see each other. */
const outputPixel = (windows: boolean) => `  let pixel = item / p.vectors;
  let plane = p.queryHeight * p.queryWidth;
  let image = pixel / plane;
  let y = pixel % plane / p.queryWidth;
  let x = pixel % p.queryWidth;
${
  windows
    ? `  let top = (y + p.queryHeight - p.shiftY) % p.queryHeight;
  let left = (x + p.queryWidth - p.shiftX) % p.queryWidth;
  let place = top / p.windowHeight * (p.queryWidth / p.windowWidth) + left / p.windowWidth;
  let asking = top % p.windowHeight * p.windowWidth + left % p.windowWidth;
`
    : `  let place = y % p.patchHeight * p.patchWidth + x % p.patchWidth;
  let asking = y / p.patchHeight * (p.queryWidth / p.patchWidth) + x / p.patchWidth;
`
}`;

/** Sums values by the softmax of the keys' products, in one go: what is summed so far is that of a smaller maximum. */
const overKeys = (product: string, sum: string, added = '') => `    var most = -3.4e38f;
    var total = 0f;
    var sum = vec4f(0);
    for (var i = 0u; i < p.keys; i++) {
      let at = keyPixel(image, place, i);
      var product = 0f;
      ${product}
      product *= bitcast<f32>(p.scale);${added}
      let higher = max(most, product);
      let less = exp(most - higher);
      let weight = exp(product - higher);
      total = total * less + weight;
      sum *= less;
      ${sum}
      most = higher;
    }`;

/** A key's product with the query, and what the four channels add up, channel by channel. */
const byChannels = {
  product: `for (var d = 0u; d < p.depth; d++) { product += queryAt(pixel, queryChannel + d) * keyAt(at, keyChannel + d); }`,
  sum: `for (var c = first; c < last; c++) { sum[c - first] += weight * valueAt(at, valueChannel + c - first); }`,
};
/** The same by whole vectors, where no head begins or ends inside one. */
const byVectors = {
  product: `let queries = pixel * p.queryVectors + queryChannel / 4u;
      let keys = at * p.keyVectors + keyChannel / 4u;
      for (var d = 0u; d < p.depth / 4u; d++) { product += dot(vec4f(query[queries + d]), vec4f(key[keys + d])); }`,
  sum: `sum += weight * vec4f(value[at * p.valueVectors + valueChannel / 4u]);`,
};

/** Four channels of a pixel, each the values of its head by the softmax of the products: an invocation goes over all keys once. */
function softmaxKernel({ aligned, windows, apart, bias }: AttendedForm): Kernel {
  const { product, sum } = aligned ? byVectors : byChannels;
  const added = [
    bias ? '\n      product += bias[(head * p.queries + asking) * p.keys + i];' : '',
    apart ? '\n      if (any(edgeOf(place, i) != edge)) { product += bitcast<f32>(p.apart); }' : '',
  ].join('');
  const form = Object.entries({ aligned, windows, apart, bias }).flatMap(([name, has]) =>
    has ? [name] : [],
  );
  return {
    name: ['attended softmax', ...form].join(' '),
    parameters: [...common, 'queries'],
    bindings: [
      ...[read('query'), read('key'), read('value')],
      ...(bias ? [{ name: 'bias', access: 'read', element: 'f32' } as const] : []),
      destination,
    ],
    code: `${placesOf(windows)}${aligned ? '' : valueAt + keyAt + queryAt}${eachItem}
  if (item >= p.items) { return; }
${outputPixel(windows)}${apart ? '  let edge = edgeOf(place, asking);\n' : ''}
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
${overKeys(product, sum, added)}
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
const linearSumsKernel = (windows: boolean): Kernel => ({
  name: `attended linear sums${windows ? ' windows' : ''}`,
  parameters: common,
  bindings: [read('key'), read('value'), { name: 'scratch', access: 'write', element: 'vec4f' }],
  code: `${placesOf(windows)}${valueAt}${keyAt}${eachItem}
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
});

/** Queries times the sums of their unit, divided by the sum of all weights. */
const linearKernel = (windows: boolean): Kernel => ({
  name: `attended linear${windows ? ' windows' : ''}`,
  parameters: common,
  bindings: [read('query'), { name: 'scratch', access: 'read', element: 'vec4f' }, destination],
  code: `${placesOf(windows)}${queryAt}${eachItem}
  if (item >= p.items) { return; }
${outputPixel(windows)}
  var output = vec4f(0);
  for (var lane = 0u; lane < 4u; lane++) {
    let channel = item % p.vectors * 4u + lane;
    if (channel >= p.channels) { break; }
    let head = channel / p.width;
    let unit = (image * places() + place) * p.heads + head;
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
});

/** The values of each unit, weighed by the softmax of its keys: an invocation for each vector of a unit's channels. */
const contextSumsKernel = (windows: boolean): Kernel => ({
  name: `attended context sums${windows ? ' windows' : ''}`,
  parameters: common,
  bindings: [read('key'), read('value'), { name: 'scratch', access: 'write', element: 'vec4f' }],
  code: `${placesOf(windows)}${valueAt}${keyAt}${eachItem}
  if (item >= p.items) { return; }
  let unit = item / p.sumVectors;
${ofUnit}  let last = min(first + 4u, p.width);
${overKeys(
  'product = keyAt(at, p.keyFirst + head * p.keyStep);',
  'for (var c = first; c < last; c++) { sum[c - first] += weight * valueAt(at, p.valueFirst + head * p.valueStep + c); }',
)}
  scratch[item] = sum / total;
}`,
});

/** The context of each pixel's unit. */
const contextKernel = (windows: boolean): Kernel => ({
  name: `attended context${windows ? ' windows' : ''}`,
  parameters: common,
  bindings: [{ name: 'scratch', access: 'read', element: 'vec4f' }, destination],
  code: `${placesOf(windows)}${eachItem}
  if (item >= p.items) { return; }
${outputPixel(windows)}
  var output = vec4f(0);
  for (var lane = 0u; lane < 4u; lane++) {
    let channel = item % p.vectors * 4u + lane;
    if (channel >= p.channels) { break; }
    let unit = (image * places() + place) * p.heads + channel / p.width;
    let c = channel % p.width;
    output[lane] = scratch[unit * p.sumVectors + c / 4u][c % 4u];
  }
  destination[item] = stored(output);
}`,
});

/** What is summed over the keys, where that is the same for all queries, and what is written. */
export interface AttendedKernels {
  readonly sums?: Kernel;
  readonly written: Kernel;
}

export function attendedKernels(by: PixelWeighting, form: AttendedForm): AttendedKernels {
  const { windows } = form;
  switch (by) {
    case 'softmax':
      return { written: softmaxKernel(form) };
    case 'linear':
      return { sums: linearSumsKernel(windows), written: linearKernel(windows) };
    case 'context':
      return { sums: contextSumsKernel(windows), written: contextKernel(windows) };
  }
}
