import { eachItem, type Kernel } from '../kernel.js';
import { type ActivationKind, activationCode, activationParameters } from './activation.js';
import { rowBindings, rowCode, rowParameters } from './rows.js';

/**
 * The two linear layers of squeeze-and-excitation, a workgroup for each image. `scratch` holds what was pooled, then
 * room for what lies between the layers, then for the scales, each for all images.
 */
export function squeezeKernel(activations: Readonly<Record<'reduced' | 'expanded', ActivationKind>>): Kernel {
  return {
    name: `squeeze ${activations.reduced} ${activations.expanded}`,
    parameters: [
      ...['images', 'vectors', 'hiddenVectors', 'reduceBias', 'expandBias'],
      ...activationParameters(activations),
    ],
    bindings: [
      { name: 'reduce', access: 'read', element: 'Value' },
      { name: 'expand', access: 'read', element: 'Value' },
      { name: 'scratch', access: 'write', element: 'vec4f' },
    ],
    code: `${activationCode(activations)}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let n = groupNumber(group, groups);
  let pooled = n * p.vectors;
  let hidden = p.images * p.vectors + n * p.hiddenVectors;
  let scales = p.images * (p.vectors + p.hiddenVectors) + n * p.vectors;
  for (var vector = local; vector < p.hiddenVectors; vector += 256u) {
    var sum = vec4f(reduce[p.reduceBias + vector]);
    for (var c = 0u; c < p.vectors * 4u; c++) {
      sum = fma(vec4f(scratch[pooled + c / 4u][c % 4u]), vec4f(reduce[c * p.hiddenVectors + vector]), sum);
    }
    scratch[hidden + vector] = reduced(sum);
  }
  storageBarrier();
  for (var vector = local; vector < p.vectors; vector += 256u) {
    var sum = vec4f(expand[p.expandBias + vector]);
    for (var c = 0u; c < p.hiddenVectors * 4u; c++) {
      sum = fma(vec4f(scratch[hidden + c / 4u][c % 4u]), vec4f(expand[c * p.vectors + vector]), sum);
    }
    scratch[scales + vector] = expanded(sum);
  }
}`,
  };
}

/** Channels times their image's scales, in place, at all pixels or those of a region. */
export const scaleKernel: Kernel = {
  name: 'scale',
  parameters: [...rowParameters, 'vectors', 'plane', 'packed', 'scales'],
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
  map[at] = Value(vec4f(map[at]) * scratch[p.scales + pixel / p.plane * p.vectors + vector]);
}`,
};
