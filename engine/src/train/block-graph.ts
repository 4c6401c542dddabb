import type { BlockGeometry } from './architecture.js';
import { type Emitter, type Normalised, pointwise } from './emitter.js';
import type { StepSettings } from './step-settings.js';

/** What a block's forward pass leaves for its backward pass. */
export interface BlockValues {
  readonly input: Float32Array;
  readonly branch: readonly { readonly norm: Normalised; readonly output?: Float32Array }[];
  readonly projection?: Normalised;
  readonly output: Float32Array;
  readonly masker?: {
    readonly pooled: Float32Array;
    readonly logits: Float32Array;
    readonly mask: Float32Array;
    readonly soft: Float32Array;
    readonly slope: Float32Array;
  };
}

/** What all blocks of a graph share. */
export interface BlockOptions {
  readonly settings: StepSettings;
  readonly alwaysActive: number;
}

/** Writes a block's forward pass down: mask, branch, shortcut, addition. */
export function blockForward(
  emitter: Emitter,
  block: BlockGeometry,
  index: number,
  input: Float32Array,
  { masked, settings, alwaysActive }: BlockOptions & { masked: boolean },
): BlockValues {
  const { batch, parameters, training } = emitter;
  const { branch, projection, cells, name } = block;
  const first = branch[0]!;
  const last = branch[branch.length - 1]!;
  let masker: BlockValues['masker'];
  if (masked) {
    const count = batch * cells * cells;
    masker = {
      pooled: new Float32Array(count * first.inChannels),
      logits: new Float32Array(2 * count),
      mask: new Float32Array(count),
      soft: new Float32Array(count),
      slope: new Float32Array(count),
    };
    const { pooled, logits, mask, soft } = masker;
    const weight = parameters.get(`${name}.masker.conv2.weight`);
    emitter.emit('cells', [batch, first.inSide, first.inSide, first.inChannels, cells, cells], input, pooled);
    emitter.emit('convolution', pointwise(count, first.inChannels, 2), pooled, weight, logits);
    emitter.emit('bias', [count, 2], logits, parameters.get(`${name}.masker.conv2.bias`));
    const dims = [batch, cells * cells, index, training ? 1 : 0, alwaysActive];
    emitter.emit('gumbel', dims, logits, settings.random, settings.gumbel, mask, soft);
  }
  let value = input;
  const made = branch.map((shape) => {
    const norm = emitter.convolve(shape, value);
    if (shape === last) return { norm };
    value = emitter.affine(norm, true);
    return { norm, output: value };
  });
  let identity = input;
  let projected: Normalised | undefined;
  if (projection) {
    projected = emitter.convolve(projection, input);
    identity = emitter.affine(projected, false);
  }
  const output = new Float32Array(emitter.size(last));
  const { raw, scale, shift } = made[made.length - 1]!.norm;
  const grid = masker ? [cells, cells] : [0, 0];
  const dims = [batch, last.outSide, last.outSide, last.outChannels, ...grid];
  emitter.emit('residual', dims, raw, scale, shift, identity, output, ...(masker ? [masker.mask] : []));
  return {
    input,
    branch: made,
    output,
    ...(projected ? { projection: projected } : {}),
    ...(masker ? { masker } : {}),
  };
}

/**
 * Writes a block's backward pass down.
 * @param slope gradient of the block's output; overwritten
 * @returns gradient of the block's input
 */
export function blockBackward(
  emitter: Emitter,
  block: BlockGeometry,
  { input, branch: values, projection: projected, output, masker }: BlockValues,
  slope: Float32Array,
  { settings, alwaysActive }: BlockOptions,
): Float32Array {
  const { batch, parameters } = emitter;
  const { branch, projection, cells, name } = block;
  const last = branch[branch.length - 1]!;
  const { raw, scale, shift } = values[values.length - 1]!.norm;
  const dims = [batch, last.outSide, last.outSide, last.outChannels, ...(masker ? [cells, cells] : [0, 0])];
  let inner = emitter.take(output.length);
  const masks = masker ? [masker.mask, masker.slope] : [];
  emitter.emit('residual-dx', dims, slope, output, raw, scale, shift, inner, ...masks);

  // The shortcut first: the branch's first convolution adds to what it leaves.
  let inputSlope = slope;
  if (projection && projected) {
    inputSlope = emitter.take(input.length);
    const into = { array: inputSlope, accumulate: false };
    emitter.backward(projection, projected, false, slope, input, into);
    emitter.give(slope);
  }
  for (let i = branch.length - 1; i >= 0; i--) {
    const from = i === 0 ? input : values[i - 1]!.output!;
    const array = i === 0 ? inputSlope : emitter.take(from.length);
    emitter.backward(branch[i]!, values[i]!.norm, i < branch.length - 1, inner, from, {
      array,
      accumulate: i === 0,
    });
    emitter.give(inner);
    inner = array;
  }
  if (masker) {
    const count = batch * cells * cells;
    const { inChannels, inSide } = branch[0]!;
    const shape = pointwise(count, inChannels, 2);
    const logitSlope = emitter.take(2 * count);
    const pooledSlope = emitter.take(count * inChannels);
    const weight = `${name}.masker.conv2.weight`;
    const draw = [batch, cells * cells, 0, 1, alwaysActive];
    emitter.emit('gumbel-dx', draw, masker.slope, masker.soft, settings.gumbel, logitSlope);
    emitter.emit('convolution-dw', shape, masker.pooled, logitSlope, emitter.gradient(weight));
    emitter.emit('bias-db', [count, 2], logitSlope, emitter.gradient(`${name}.masker.conv2.bias`));
    emitter.emit('convolution-dx', shape, logitSlope, parameters.get(weight), pooledSlope);
    emitter.emit('cells-add-dx', [batch, inSide, inSide, inChannels, cells, cells], pooledSlope, inputSlope);
    emitter.give(logitSlope);
    emitter.give(pooledSlope);
  }
  return inputSlope;
}

/** How much of the maps a block's mask leaves to compute; see the rates operation for the dilation. */
export function emitRates(
  emitter: Emitter,
  { branch, spatial, cells }: BlockGeometry,
  mask: Float32Array,
  rates: Float32Array,
  alwaysActive: number,
): void {
  const { stride, kernel, padding, inSide } = branch[spatial]!;
  const { outSide } = branch[branch.length - 1]!;
  const dims = [
    emitter.batch,
    alwaysActive,
    cells,
    cells,
    outSide,
    outSide,
    stride,
    kernel,
    padding,
    inSide,
    inSide,
  ];
  emitter.emit('rates', dims, mask, rates);
}
