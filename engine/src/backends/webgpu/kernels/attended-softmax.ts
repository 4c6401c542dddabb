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

/** What is known of an attention by softmax before its kernel is written. */
export interface SoftmaxForm {
  readonly windows: boolean;
  /** Whether pixels of a window at different edges of the map are told apart. */
  readonly apart: boolean;
  readonly bias: boolean;
  /** Where heads have whole vectors of channels, and begin with one. */
  readonly byHead?: HeadVectors;
}

/** Vectors of a head's channels. */
export interface HeadVectors {
  /** Of its queries and keys, at most `MOST_QUERY_VECTORS`; 0 for more. */
  readonly depth: number;
  /** Of its values, that an invocation sums up. */
  readonly each: number;
}

/** Vectors of a query that an invocation keeps. */
export const MOST_QUERY_VECTORS = 16;
/** Vectors of values that an invocation sums up, at most. */
export const MOST_VALUE_VECTORS = 8;

const bindings = (bias: boolean) => [
  ...[read('query'), read('key'), read('value')],
  ...(bias ? [{ name: 'bias', access: 'read', element: 'f32' } as const] : []),
  destination,
];

export function softmaxKernel(form: SoftmaxForm): Kernel {
  return form.byHead ? headKernel(form, form.byHead) : channelKernel(form);
}

function nameOf(what: string, { windows, apart, bias }: SoftmaxForm): string {
  const named = Object.entries({ windows, apart, bias }).flatMap(([name, has]) => (has ? [name] : []));
  return ['attended softmax', what, ...named].join(' ');
}

/** Four channels of a pixel, of any heads: an invocation goes over all keys once for each head. */
function channelKernel(form: SoftmaxForm): Kernel {
  const { windows, apart, bias } = form;
  const added = [
    bias ? '\n      product += bias[(head * p.queries + asking) * p.keys + i];' : '',
    apart ? '\n      if (any(edgeOf(place, i) != edge)) { product += bitcast<f32>(p.apart); }' : '',
  ].join('');
  return {
    name: nameOf('by channels', form),
    parameters: common,
    bindings: bindings(bias),
    code: `${placesOf(windows)}${valueAt}${keyAt}${queryAt}${eachItem}
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
${overKeys(
  'for (var d = 0u; d < p.depth; d++) { product += queryAt(pixel, queryChannel + d) * keyAt(at, keyChannel + d); }',
  'for (var c = first; c < last; c++) { sum[c - first] += weight * valueAt(at, valueChannel + c - first); }',
  added,
)}
    for (var c = first; c < last; c++) { output[c % 4u] = sum[c - first] / total; }
    lane = (last - 1u) % 4u;
  }
  destination[item] = stored(output);
}`,
  };
}

/** Keys whose products are known before what has been summed up is scaled to their largest. */
const TOGETHER = 4;
const lanes = ['x', 'y', 'z', 'w'] as const;

/**
 * Channels of one head of a pixel: an invocation keeps its query, and sums up values of all keys, several of these at a time.
 * Invocations side by side are of one head, and read the same keys and values.
 */
function headKernel(form: SoftmaxForm, { depth, each }: HeadVectors): Kernel {
  const { windows, apart, bias } = form;
  const times = <Each>(count: number, code: (i: number) => Each) =>
    Array.from({ length: count }, (_, i) => code(i));
  const query = times(depth, (d) => `  let query${d} = vec4f(query[queries + ${d}u]);`);
  const product = (k: number) =>
    depth > 0
      ? times(depth, (d) => `dot(query${d}, vec4f(key[key${k} + ${d}u]))`).join(' + ')
      : `productOf(queries, key${k})`;
  return {
    name: nameOf(`of ${depth} by ${each} vectors`, form),
    parameters: [...common, 'parts'],
    bindings: bindings(bias),
    code: `${placesOf(windows)}${depth > 0 ? '' : productOf}${eachItem}
  if (item >= p.items) { return; }
  let asking = item % p.queries;
  let part = item / p.queries % p.parts;
  let unit = item / p.queries / p.parts;
  let head = unit % p.heads;
  let place = unit / p.heads % places();
  let image = unit / p.heads / places();
  let pixel = queryPixel(image, place, asking);
  let queries = pixel * p.queryVectors + (p.queryFirst + head * p.queryStep) / 4u;
  let keyFirst = (p.keyFirst + head * p.keyStep) / 4u;
  let valueFirst = (p.valueFirst + head * p.valueStep) / 4u + part * ${each}u;
${query.join('\n')}${apart ? '\n  let edge = edgeOf(place, asking);' : ''}${bias ? '\n  let biases = (head * p.queries + asking) * p.keys;' : ''}
  var most = -3.4e38f;
  var total = 0f;
${times(each, (v) => `  var sum${v} = vec4f(0);`).join('\n')}
  for (var i = 0u; i < p.keys; i += ${TOGETHER}u) {
${times(
  TOGETHER,
  (k) => `    let i${k} = min(i + ${k}u, p.keys - 1u);
    let at${k} = keyPixel(image, place, i${k});
    let key${k} = at${k} * p.keyVectors + keyFirst;
    let value${k} = at${k} * p.valueVectors + valueFirst;`,
).join('\n')}
    var products = vec4f(${times(TOGETHER, product).join(', ')}) * bitcast<f32>(p.scale);
${bias ? `    products += vec4f(${times(TOGETHER, (k) => `bias[biases + i${k}]`).join(', ')});\n` : ''}${
  apart
    ? `    products += bitcast<f32>(p.apart) * vec4f(${times(TOGETHER, (k) => `f32(any(edgeOf(place, i${k}) != edge))`).join(', ')});\n`
    : ''
}    // Those beyond the last key stand for it.
    let higher = max(most, max(max(products.x, products.y), max(products.z, products.w)));
    let less = exp(most - higher);
    let given = vec4u(0u, 1u, 2u, 3u) < vec4u(p.keys - i);
    let weights = select(vec4f(0), exp(products - higher), given);
    total = total * less + weights.x + weights.y + weights.z + weights.w;
${times(
  each,
  (v) =>
    `    sum${v} = sum${v} * less + ${times(TOGETHER, (k) => `weights.${lanes[k]} * vec4f(value[value${k} + ${v}u])`).join(' + ')};`,
).join('\n')}
    most = higher;
  }
  let output = pixel * p.vectors + head * (p.width / 4u) + part * ${each}u;
${times(each, (v) => `  destination[output + ${v}u] = stored(sum${v} / total);`).join('\n')}
}`,
  };
}

const productOf = `fn productOf(queries: u32, keys: u32) -> f32 {
  var product = 0f;
  for (var d = 0u; d < p.depth / 4u; d++) { product += dot(vec4f(query[queries + d]), vec4f(key[keys + d])); }
  return product;
}
`;
