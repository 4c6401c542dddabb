import { costsOf, type Layout } from './architecture.js';
import { blockBackward, blockForward, emitRates } from './block-graph.js';
import { Emitter, pointwise } from './emitter.js';
import type { Parameters } from './parameters.js';
import type { StepSettings } from './step-settings.js';
import { type TrainOp, TrainProgram } from './train-program.js';

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

/**
 * Lays out one step for a batch: forward, and in `train` mode losses, backward and the optimiser's update.
 * @throws FoveaError `backend-unavailable` without native kernels
 */
export function buildGraph(parameters: Parameters, options: GraphOptions): Graph {
  const { batch, mode, masked, settings, alwaysActive = 0 } = options;
  const training = mode === 'train';
  const layout = parameters.layout;
  const { architecture, blocks } = layout;
  const { size } = architecture;
  const emitter = new Emitter(parameters, batch, training);
  const images = options.images ?? new Float32Array(batch * size * size * 3);
  const rates = new Float32Array(2 * blocks.length);
  const budgetReport = new Float32Array(2);

  if (options.teacher) emitter.ops.push(...options.teacher.ops);
  const stem = emitStem(emitter, images);
  let map: Float32Array = stem.output;
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

  const head = emitHead(emitter, map, settings, options.teacher?.logits);

  if (training) {
    let slope = head.backward();
    for (let index = blocks.length - 1; index >= 0; index--) {
      slope = blockBackward(emitter, blocks[index]!, values[index]!, slope, { settings, alwaysActive });
    }
    stem.backward(slope);
    if (options.update !== false) emitUpdate(emitter, parameters, options, settings);
  }

  return {
    program: new TrainProgram(emitter.ops),
    images,
    labels: head.labels,
    logits: head.logits,
    report: head.report,
    budgetReport,
    rates,
    masks: values.flatMap(({ masker }) => (masker ? [masker.mask] : [])),
    gradients: emitter.gradients,
  };
}

/** The first convolution and its pool. `backward` goes on from the slope of the output. */
function emitStem(emitter: Emitter, images: Float32Array) {
  const { batch, parameters } = emitter;
  const { stem, pooledSide } = parameters.layout;
  const norm = emitter.convolve(stem, images);
  const before = emitter.affine(norm, true);
  const output = new Float32Array(batch * pooledSide * pooledSide * stem.outChannels);
  const chosen = new Int32Array(output.length);
  const sides = [stem.outSide, stem.outSide, stem.outChannels, pooledSide, pooledSide];
  const window = [batch, ...sides, 3, 3, 2, 2, 1, 1];
  emitter.emit('max-pool', window, before, output, chosen);
  return {
    output,
    backward(slope: Float32Array): void {
      const slopeBefore = emitter.take(before.length);
      emitter.emit('max-pool-dx', window, slope, chosen, slopeBefore);
      emitter.backward(stem, norm, true, slopeBefore, images);
    },
  };
}

/**
 * Global pool, classifier and the losses of its logits. `backward` begins with their slope, and answers with that of the
 * map.
 *
 * @param teacher logits to imitate
 */
function emitHead(emitter: Emitter, map: Float32Array, settings: StepSettings, teacher?: Float32Array) {
  const { batch, parameters } = emitter;
  const { architecture, blocks, features } = parameters.layout;
  const { classes } = architecture;
  const side = blocks[blocks.length - 1]!.branch.at(-1)!.outSide;
  const whole = [batch, side, side, features, 1, 1];
  const classifier = pointwise(batch, features, classes);
  const feature = new Float32Array(batch * features);
  const labels = new Int32Array(batch);
  const logits = new Float32Array(batch * classes);
  const logitSlope = new Float32Array(logits.length);
  const report = new Float32Array(3);
  emitter.emit('cells', whole, map, feature);
  emitter.emit('convolution', classifier, feature, parameters.get('fc.weight'), logits);
  emitter.emit('bias', [batch, classes], logits, parameters.get('fc.bias'));
  const imitated = teacher ? [teacher] : [];
  const settingsAndResults = [settings.classify, logitSlope, report, ...imitated];
  emitter.emit('classify', [batch, classes, imitated.length], logits, labels, ...settingsAndResults);
  return {
    labels,
    logits,
    report,
    backward(): Float32Array {
      const featureSlope = emitter.take(feature.length);
      emitter.emit('convolution-dw', classifier, feature, logitSlope, emitter.gradient('fc.weight'));
      emitter.emit('bias-db', [batch, classes], logitSlope, emitter.gradient('fc.bias'));
      emitter.emit('convolution-dx', classifier, logitSlope, parameters.get('fc.weight'), featureSlope);
      const slope = emitter.take(map.length);
      emitter.emit('cells-dx', whole, featureSlope, slope);
      return slope;
    },
  };
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
