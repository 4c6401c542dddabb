import { eachItem, type Kernel } from '../kernel.js';
import { type ActivationKind, activationCode, activationParameters } from './activation.js';
import { rowBindings, rowCode, rowParameters } from './rows.js';
import { SUM_UNIT } from './units.js';

/** How an attention's scales are made of what was pooled: the variants of its kernel. */
export interface ScalesForm {
  /** How each pooled vector is reduced before all of them are added; undefined where it is not. */
  readonly reduced: ActivationKind | undefined;
  readonly gated: ActivationKind;
  readonly gate: GateForm;
}

/** A matrix over the channels, a kernel that slides over them, or a weight for the response of each. */
export type GateForm = 'matrix' | 'slide' | 'response';

/**
 * The scales of an attention's channels, a workgroup for each image. `scratch` holds what the pools gave, then room
 * for what lies between the layers, then for the scales, each for all images.
 */
export function scalesKernel({ reduced, gated, gate }: ScalesForm): Kernel {
  const functions = { gated, ...(reduced ? { reduced } : {}) };
  return {
    name: `scales ${reduced ?? ''} ${gated} ${gate}`,
    parameters: [
      ...['images', 'pools', 'vectors', 'hiddenVectors', 'gateBias'],
      ...(reduced ? ['reduceBias'] : []),
      ...(gate === 'slide' ? ['taps'] : []),
      ...(gate === 'response' ? ['epsilon'] : []),
      ...(gate === 'matrix' ? [] : ['channels']),
      ...activationParameters(functions),
    ],
    bindings: [
      ...(reduced ? [{ name: 'reduce', access: 'read', element: 'Value' } as const] : []),
      { name: 'gate', access: 'read', element: 'Value' },
      { name: 'scratch', access: 'write', element: 'vec4f' },
    ],
    code: `${activationCode(functions)}
${gate === 'response' ? 'var<workgroup> sums: array<f32, 256>;' : ''}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let n = groupNumber(group, groups);
  if (n >= p.images) { return; }
  let hidden = p.pools * p.images * p.vectors + n * p.hiddenVectors;
  let scales = p.images * (p.pools * p.vectors + p.hiddenVectors) + n * p.vectors;
  for (var vector = local; vector < p.hiddenVectors; vector += 256u) {
    var total = vec4f(0);
    for (var pool = 0u; pool < p.pools; pool++) {
      let pooled = (pool * p.images + n) * p.vectors;
${
  reduced
    ? `      var sum = vec4f(reduce[p.reduceBias + vector]);
      for (var c = 0u; c < p.vectors * 4u; c++) {
        sum = fma(vec4f(scratch[pooled + c / 4u][c % 4u]), vec4f(reduce[c * p.hiddenVectors + vector]), sum);
      }
      total += reduced(sum);`
    : '      total += scratch[pooled + vector];'
}
    }
    scratch[hidden + vector] = total;
  }
  storageBarrier();
${gate === 'response' ? meanNorm : ''}
  for (var vector = local; vector < p.vectors; vector += 256u) {
${gates[gate]}
    scratch[scales + vector] = gated(sum);
  }
}`,
  };
}

const matrix = `    var sum = vec4f(gate[p.gateBias + vector]);
    for (var c = 0u; c < p.hiddenVectors * 4u; c++) {
      sum = fma(vec4f(scratch[hidden + c / 4u][c % 4u]), vec4f(gate[c * p.vectors + vector]), sum);
    }`;

/** The mean of the channels' norms, in units of sums, to which every invocation adds up what it has itself. */
const meanNorm = `  var own = 0f;
  for (var vector = local; vector < p.vectors; vector += 256u) {
    let there = vec4u(0u, 1u, 2u, 3u) + 4u * vector < vec4u(p.channels);
    own += dot(select(vec4f(0), scratch[hidden + vector], there), vec4f(1));
  }
  sums[local] = own;
  workgroupBarrier();
  var norms = 0f;
  for (var i = 0u; i < 256u; i++) { norms += sums[i]; }
  let inverse = 1 / max(norms / f32(p.channels) + bitcast<f32>(p.epsilon) * ${SUM_UNIT}, 0x1p-126f);`;

const response = `    let sum = fma(scratch[hidden + vector] * inverse, vec4f(gate[vector]), vec4f(gate[p.gateBias + vector]));`;

/** What lies outside is 0. */
const sliding = `    var sum = vec4f(f32(gate[p.gateBias].x));
    for (var tap = 0u; tap < p.taps; tap++) {
      for (var lane = 0u; lane < 4u; lane++) {
        let c = vector * 4u + lane + tap;
        if (c < p.taps / 2u) { continue; }
        let near = c - p.taps / 2u;
        if (near >= p.channels) { continue; }
        sum[lane] = fma(scratch[hidden + near / 4u][near % 4u], f32(gate[tap * 4u].x), sum[lane]);
      }
    }`;

const gates: Readonly<Record<GateForm, string>> = { matrix, slide: sliding, response };

/** Mean and maximum over the channels of pixels times their image's scales, in the first two of a vector. */
export const summaryKernel: Kernel = {
  name: 'summaries',
  parameters: [...rowParameters, 'vectors', 'channels', 'plane', 'scales', 'summaries'],
  bindings: [
    { name: 'map', access: 'read', element: 'Value' },
    ...rowBindings,
    { name: 'scratch', access: 'write', element: 'vec4f' },
  ],
  code: `${rowCode}
${eachItem}
  if (item >= rowCount()) { return; }
  let pixel = pixelOf(item);
  let scales = p.scales + pixel / p.plane * p.vectors;
  var sum = vec4f(0);
  var most = vec4f(-0x1.fffffep+127f);
  for (var vector = 0u; vector < p.vectors; vector++) {
    let value = vec4f(map[pixel * p.vectors + vector]) * scratch[scales + vector];
    let there = vec4u(0u, 1u, 2u, 3u) + 4u * vector < vec4u(p.channels);
    sum += select(vec4f(0), value * ${SUM_UNIT}, there);
    most = select(most, max(most, value), there);
  }
  let mean = (sum.x + sum.y + sum.z + sum.w) / (f32(p.channels) * ${SUM_UNIT});
  scratch[p.summaries + pixel] = vec4f(mean, max(max(most.x, most.y), max(most.z, most.w)), 0, 0);
}`,
};

/** The scales of pixels, by a convolution of the summaries. */
export function pixelScaleKernel(activation: ActivationKind): Kernel {
  const functions = { gated: activation };
  return {
    name: `pixel scales ${activation}`,
    parameters: [
      ...rowParameters,
      ...['height', 'width', 'kernelHeight', 'kernelWidth', 'top', 'left', 'dilationY', 'dilationX'],
      ...['bias', 'summaries', 'weights', ...activationParameters(functions)],
    ],
    bindings: [
      { name: 'spatial', access: 'read', element: 'Value' },
      ...rowBindings,
      { name: 'scratch', access: 'write', element: 'vec4f' },
    ],
    code: `${activationCode(functions)}
${rowCode}
${eachItem}
  if (item >= rowCount()) { return; }
  let pixel = pixelOf(item);
  let x = i32(pixel % p.width) - i32(p.left);
  let y = i32(pixel / p.width % p.height) - i32(p.top);
  let first = pixel / (p.height * p.width) * p.height * p.width;
  var sum = f32(spatial[p.bias].x);
  for (var ky = 0u; ky < p.kernelHeight; ky++) {
    let row = u32(y + i32(ky * p.dilationY));
    if (row >= p.height) { continue; }
    for (var kx = 0u; kx < p.kernelWidth; kx++) {
      let column = u32(x + i32(kx * p.dilationX));
      if (column >= p.width) { continue; }
      let summary = scratch[p.summaries + first + row * p.width + column];
      let tap = 4u * (ky * p.kernelWidth + kx);
      sum += summary.x * f32(spatial[tap].x) + summary.y * f32(spatial[tap + 1u].x);
    }
  }
  scratch[p.weights + pixel] = gated(vec4f(sum));
}`,
  };
}

/** Channels times their image's scales, and the pixel's own where there are such, in place, at all pixels or those of a region. */
export function scaleKernel(pixels: boolean): Kernel {
  return {
    name: `scale ${pixels}`,
    parameters: [...rowParameters, 'vectors', 'plane', 'packed', 'scales', ...(pixels ? ['weights'] : [])],
    bindings: [
      { name: 'map', access: 'write', element: 'Value' },
      ...rowBindings,
      { name: 'scratch', access: 'read', element: 'vec4f' },
    ],
    code: `${rowCode}
${eachItem}
  let row = item / p.vectors;
  let vector = item % p.vectors;
  if (row >= rowCount()) { return; }
  let pixel = pixelOf(row);
  let at = select(pixel, row, p.packed == 1u) * p.vectors + vector;
  let scale = scratch[p.scales + pixel / p.plane * p.vectors + vector]${pixels ? ' * scratch[p.weights + pixel].x' : ''};
  map[at] = stored(vec4f(map[at]) * scale);
}`,
  };
}
