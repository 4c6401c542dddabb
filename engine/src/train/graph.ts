import { type BlockGeometry, type ConvolutionShape, costsOf, type Layout } from './architecture.js';
import type { Parameters } from './parameters.js';
import { type TrainBuffer, type TrainOp, TrainProgram } from './program.js';

/** What one step reads besides images and weights; written by the trainer before each step. */
export interface StepSettings {
  /** `[rate, momentum, weight decay]`. */
  readonly optimiser: Float32Array;
  /** `[α, T, label smoothing]` of the distillation and the cross entropy. */
  readonly classify: Float32Array;
  /** `[λ, t, u, l]` of the FLOPs loss. */
  readonly budget: Float32Array;
  readonly temperature: Float32Array;
  /** `[seed, step]` of the Gumbel noise. */
  readonly random: Uint32Array;
}

/** A network laid out for one batch size: its program and the arrays to fill and to read. */
export interface Graph {
  readonly program: TrainProgram;
  /** `batch · size · size · 3` values, normalised, NHWC. */
  readonly images: Float32Array;
  readonly labels: Int32Array;
  readonly logits: Float32Array;
  /** `[cross entropy, distillation, correct]`, sums and means over the batch. */
  readonly report: Float32Array;
  /** `[F / F_full, λ · loss]`. */
  readonly budgetReport: Float32Array;
  /** Rate and dilated rate, per block. */
  readonly rates: Float32Array;
  /** Mask of each block, `batch · cells · cells` values of 0 or 1; absent without masks. */
  readonly masks: readonly Float32Array[];
  /** Gradient of every value in `Parameters.values`; only in training graphs. */
  readonly gradients: Float32Array;
}

export interface GraphOptions {
  readonly batch: number;
  /** `train`: batch statistics, noise, backward pass and update. `evaluate`: running statistics, no noise. */
  readonly mode: 'train' | 'evaluate';
  readonly masked: boolean;
  readonly settings: StepSettings;
  /** Images at the head of each batch that run with every cell active and do not count towards the FLOPs loss. */
  readonly alwaysActive?: number;
  /** Input shared with another graph. */
  readonly images?: Float32Array;
  /** Optimiser state, laid out as `Parameters.values`; needed by training graphs. */
  readonly velocity?: Float32Array;
  /** Logits of the network to be imitated, on the same images. */
  readonly teacher?: { readonly ops: readonly TrainOp[]; readonly logits: Float32Array };
  /** Learning rate of the maskers relative to the backbone's. */
  readonly maskerRate?: number;
  /** Leave the optimiser's update out, to look at gradients. */
  readonly update?: boolean;
}

export function newSettings(): StepSettings {
  return {
    optimiser: new Float32Array([0, 0.9, 0]),
    classify: new Float32Array([0, 4, 0]),
    budget: new Float32Array([0, 1, 1, 0]),
    temperature: new Float32Array([1]),
    random: new Uint32Array(2),
  };
}

/** Backward passes need gradients of maps only for a moment: arrays of equal length are used again. */
class Pool {
  readonly #free: Float32Array[] = [];

  take(length: number): Float32Array {
    const at = this.#free.findIndex((array) => array.length >= length && array.length <= 2 * length);
    return at < 0 ? new Float32Array(length) : this.#free.splice(at, 1)[0]!;
  }

  give(array: Float32Array): void {
    this.#free.push(array);
  }
}

/** A convolution's output with what its batch norm made of it. */
interface Normalised {
  readonly raw: Float32Array;
  readonly scale: Float32Array;
  readonly shift: Float32Array;
  readonly mean: Float32Array;
  readonly inverse: Float32Array;
}

interface BlockValues {
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

/** Writes a network's step down as operations. */
class Emitter {
  readonly ops: TrainOp[] = [];
  readonly gradients: Float32Array;
  readonly #pool = new Pool();

  constructor(
    readonly parameters: Parameters,
    readonly batch: number,
    readonly training: boolean,
  ) {
    this.gradients = new Float32Array(training ? parameters.values.length : 0);
  }

  emit(op: string, dims: readonly number[], ...buffers: TrainBuffer[]): void {
    this.ops.push({ op, dims, buffers });
  }

  gradient(name: string): Float32Array {
    return this.parameters.part(this.gradients, name);
  }

  size({ outSide, outChannels }: ConvolutionShape): number {
    return this.batch * outSide * outSide * outChannels;
  }

  dims(shape: ConvolutionShape, accumulate = false): number[] {
    const { inSide, inChannels, outSide, outChannels, kernel, stride, padding } = shape;
    const sides = [this.batch, inSide, inSide, inChannels, outSide, outSide, outChannels];
    return [...sides, kernel, kernel, stride, stride, padding, padding, 1, accumulate ? 1 : 0];
  }

  /** Convolution and batch norm's statistics; the affine map is left to whoever reads it. */
  convolve(shape: ConvolutionShape, input: Float32Array): Normalised {
    const channels = shape.outChannels;
    const raw = new Float32Array(this.size(shape));
    const [scale, shift, mean, inverse] = Array.from({ length: 4 }, () => new Float32Array(channels)) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const { norm, name } = shape;
    const get = (field: string) => this.parameters.get(`${norm}.${field}`);
    this.emit('convolution', this.dims(shape), input, this.parameters.get(`${name}.weight`), raw);
    if (this.training) {
      const rows = raw.length / channels;
      const running = [get('running_mean'), get('running_var')] as const;
      this.emit(
        'moments',
        [rows, channels],
        raw,
        get('weight'),
        get('bias'),
        scale,
        shift,
        mean,
        inverse,
        ...running,
      );
    } else {
      this.emit(
        'fold',
        [channels],
        get('weight'),
        get('bias'),
        get('running_mean'),
        get('running_var'),
        scale,
        shift,
      );
    }
    return { raw, scale, shift, mean, inverse };
  }

  affine({ raw, scale, shift }: Normalised, relu: boolean): Float32Array {
    // Evaluation never looks back, so the map is rewritten where it lies.
    const output = this.training ? new Float32Array(raw.length) : raw;
    this.emit('affine', [raw.length / scale.length, scale.length, relu ? 1 : 0], raw, scale, shift, output);
    return output;
  }

  /**
   * From the gradient of a batch norm's output to those of its convolution's weights and, when `into` is
   * given, input. `slope` is overwritten.
   */
  backward(
    shape: ConvolutionShape,
    { raw, scale, shift, mean, inverse }: Normalised,
    relu: boolean,
    slope: Float32Array,
    input: Float32Array,
    into?: { readonly array: Float32Array; readonly accumulate: boolean },
  ): void {
    const { name, norm } = shape;
    const channels = shape.outChannels;
    this.emit(
      'normalisation-dx',
      [raw.length / channels, channels, relu ? 1 : 0],
      slope,
      raw,
      this.parameters.get(`${norm}.weight`),
      scale,
      shift,
      mean,
      inverse,
      slope,
      this.gradient(`${norm}.weight`),
      this.gradient(`${norm}.bias`),
    );
    this.emit('convolution-dw', this.dims(shape), input, slope, this.gradient(`${name}.weight`));
    if (into) {
      const weight = this.parameters.get(`${name}.weight`);
      this.emit('convolution-dx', this.dims(shape, into.accumulate), slope, weight, into.array);
    }
  }

  take(length: number): Float32Array {
    return this.#pool.take(length);
  }

  give(array: Float32Array): void {
    this.#pool.give(array);
  }
}

/**
 * Lays out one step for a batch: forward, and in `train` mode losses, backward and the optimiser's update.
 * @throws FoveaError `backend-unavailable` without native kernels
 */
export function buildGraph(parameters: Parameters, options: GraphOptions): Graph {
  const { batch, mode, masked, settings, alwaysActive = 0 } = options;
  const training = mode === 'train';
  const layout = parameters.layout;
  const { architecture, stem, pooledSide, blocks, features } = layout;
  const { classes, size } = architecture;
  const emitter = new Emitter(parameters, batch, training);
  const images = options.images ?? new Float32Array(batch * size * size * 3);
  const labels = new Int32Array(batch);
  const rates = new Float32Array(2 * blocks.length);
  const budgetReport = new Float32Array(2);

  if (options.teacher) emitter.ops.push(...options.teacher.ops);
  const stemNorm = emitter.convolve(stem, images);
  const stemOutput = emitter.affine(stemNorm, true);
  const pooled = new Float32Array(batch * pooledSide * pooledSide * stem.outChannels);
  const chosen = new Int32Array(pooled.length);
  const window = [
    batch,
    stem.outSide,
    stem.outSide,
    stem.outChannels,
    pooledSide,
    pooledSide,
    3,
    3,
    2,
    2,
    1,
    1,
  ];
  emitter.emit('max-pool', window, stemOutput, pooled, chosen);

  let map: Float32Array = pooled;
  const values = blocks.map((block, index) => {
    const made = blockForward(emitter, block, index, map, { masked, settings, alwaysActive });
    map = made.output;
    if (made.masker)
      emitRates(emitter, block, made.masker.mask, rates.subarray(2 * index, 2 * index + 2), alwaysActive);
    return made;
  });
  if (masked) {
    const counts = blocks.map(({ cells }) => cells * cells);
    const slopes = values.map(({ masker }) => masker!.slope);
    const costs = costArray(layout);
    emitter.emit(
      'budget',
      [blocks.length, alwaysActive, batch, ...counts],
      rates,
      costs,
      settings.budget,
      budgetReport,
      ...slopes,
    );
  }

  const lastSide = blocks[blocks.length - 1]!.branch.at(-1)!.outSide;
  const whole = [batch, lastSide, lastSide, features, 1, 1];
  const feature = new Float32Array(batch * features);
  const logits = new Float32Array(batch * classes);
  const report = new Float32Array(3);
  const classifier = pointwise(batch, features, classes);
  emitter.emit('cells', whole, map, feature);
  emitter.emit('convolution', classifier, feature, parameters.get('fc.weight'), logits);
  emitter.emit('bias', [batch, classes], logits, parameters.get('fc.bias'));
  const logitSlope = new Float32Array(logits.length);
  const teacher = options.teacher ? [options.teacher.logits] : [];
  const settingsAndResults = [settings.classify, logitSlope, report, ...teacher];
  emitter.emit('classify', [batch, classes, teacher.length], logits, labels, ...settingsAndResults);

  if (training) {
    const featureSlope = emitter.take(feature.length);
    emitter.emit('convolution-dw', classifier, feature, logitSlope, emitter.gradient('fc.weight'));
    emitter.emit('bias-db', [batch, classes], logitSlope, emitter.gradient('fc.bias'));
    emitter.emit('convolution-dx', classifier, logitSlope, parameters.get('fc.weight'), featureSlope);
    let slope = emitter.take(map.length);
    emitter.emit('cells-dx', whole, featureSlope, slope);
    for (let index = blocks.length - 1; index >= 0; index--) {
      slope = blockBackward(emitter, blocks[index]!, values[index]!, slope, { settings, alwaysActive });
    }
    const stemSlope = emitter.take(stemOutput.length);
    emitter.emit('max-pool-dx', window, slope, chosen, stemSlope);
    emitter.backward(stem, stemNorm, true, stemSlope, images);
    if (options.update !== false) emitUpdate(emitter, parameters, options, settings);
  }

  return {
    program: new TrainProgram(emitter.ops),
    images,
    labels,
    logits,
    report,
    budgetReport,
    rates,
    masks: values.flatMap(({ masker }) => (masker ? [masker.mask] : [])),
    gradients: emitter.gradients,
  };
}

/** A linear map as a 1x1 convolution on rows. */
function pointwise(rows: number, inputs: number, outputs: number): number[] {
  return [rows, 1, 1, inputs, 1, 1, outputs, 1, 1, 1, 1, 0, 0, 1, 0];
}

interface BlockOptions {
  readonly settings: StepSettings;
  readonly alwaysActive: number;
}

function blockForward(
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
    emitter.emit('gumbel', dims, logits, settings.random, settings.temperature, mask, soft);
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

/** @param slope gradient of the block's output; overwritten. @returns gradient of the block's input */
function blockBackward(
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
    emitter.emit('gumbel-dx', draw, masker.slope, masker.soft, settings.temperature, logitSlope);
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
function emitRates(
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

function costArray(layout: Layout): Float32Array {
  const { blocks, rest } = costsOf(layout);
  // Millions of multiply-adds, so that single precision holds sums and differences alike.
  const scaled = [...blocks.flatMap(({ fixed, dilated, active }) => [fixed, dilated, active]), rest];
  return Float32Array.from(scaled, (macs) => macs / 1e6);
}

function emitUpdate(
  emitter: Emitter,
  parameters: Parameters,
  options: GraphOptions,
  settings: StepSettings,
): void {
  const velocity = options.velocity ?? new Float32Array(parameters.values.length);
  const ranges = [
    [0, parameters.backbone, 1],
    ...(options.masked ? [[parameters.backbone, parameters.values.length, options.maskerRate ?? 1]] : []),
  ] as [number, number, number][];
  for (const [from, to, multiplier] of ranges) {
    const arrays = [parameters.values, emitter.gradients, velocity].map((array) => array.subarray(from, to));
    emitter.emit('descend', [to - from], ...arrays, settings.optimiser, new Float32Array([multiplier]));
  }
}
