import type { PixelWeighting } from '../../../network/pixel-attention.js';
import { eachItem, type Kernel } from '../kernel.js';
import {
  common,
  destination,
  keyAt,
  outputPixel,
  overKeys,
  placesOf,
  queryAt,
  read,
  valueAt,
} from './attended-pixels.js';
import { type SoftmaxForm, softmaxKernel } from './attended-softmax.js';

/** Where a unit lies, and the first of the channels that an invocation sums up for it. */
const ofUnit = `  let head = unit % p.heads;
  let place = unit / p.heads % places();
  let image = unit / p.heads / places();
  let first = item % p.sumVectors * 4u;
`;

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

export function attendedKernels(by: PixelWeighting, form: SoftmaxForm): AttendedKernels {
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
