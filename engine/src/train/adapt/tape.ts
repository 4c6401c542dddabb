import { activationNumber } from '../../backends/activation-number.js';
import { isLeaky, slopeOf } from '../../network/activation.js';
import type {
  Activation,
  Convolution,
  ConvolutionActivation,
  LayerNormalisation,
  PoolNode,
} from '../../network/network.js';
import { convolutionOutput, paddingOn } from '../../network/shapes.js';
import { scaled } from '../../network/walk.js';
import { MapPool } from '../map-pool.js';
import type { TrainBuffer, TrainOp } from '../train-program.js';

/** A map in a training program, NHWC. */
export interface Value {
  readonly array: Float32Array;
  readonly shape: readonly [N: number, H: number, W: number, C: number];
  /** True when something that is learned lies before it, so that its gradient is wanted. */
  readonly learned: boolean;
}

/** Scale and shift of a convolution's channels, and where their gradients go. */
export interface LearnedNorm {
  readonly scale: Float32Array;
  readonly shift: Float32Array;
  readonly scaleGradient: Float32Array;
  readonly shiftGradient: Float32Array;
}

const sizeOf = (shape: readonly number[]) => shape.reduce((product, extent) => product * extent, 1);

/**
 * Writes a network's forward pass down as operations and remembers how to go back: `backward` writes the gradients'
 * operations, from the last to the first. A tape that does not keep writes a forward pass only, and uses the arrays
 * of values that `discard` names again.
 */
export class Tape {
  readonly ops: TrainOp[];
  readonly #pool = new MapPool();
  readonly #back: (() => void)[] = [];
  readonly #slopes = new Map<Float32Array, Float32Array>();
  readonly #constants = new Map<string, Float32Array>();

  constructor(
    ops: TrainOp[],
    readonly keeps: boolean,
  ) {
    this.ops = ops;
  }

  emit(op: string, dims: readonly number[], ...buffers: TrainBuffer[]): void {
    this.ops.push({ op, dims, buffers });
  }

  /** Says how to go back from what was just written. */
  onBackward(step: () => void): void {
    if (this.keeps) this.#back.push(step);
  }

  /** Writes the backward pass down. */
  backward(): void {
    for (const step of this.#back.reverse()) step();
    this.#back.length = 0;
  }

  make(shape: Value['shape'], learned = false): Value {
    const length = sizeOf(shape);
    return { array: this.keeps ? new Float32Array(length) : this.#pool.take(length), shape, learned };
  }

  /** Says that no later operation reads a value. */
  discard(value: Value): void {
    if (!this.keeps) this.#pool.give(value.array);
  }

  /** The gradient of a value, taken away from the tape: the caller owns the array. */
  takeSlope(value: Value): Float32Array | undefined {
    const slope = this.#slopes.get(value.array);
    this.#slopes.delete(value.array);
    return slope;
  }

  give(array: Float32Array): void {
    this.#pool.give(array);
  }

  take(length: number): Float32Array {
    return this.#pool.take(length);
  }

  /** Adds a gradient in `array`, which the tape owns from now on. */
  addSlope(value: Value, array: Float32Array): void {
    const slope = this.#slopes.get(value.array);
    if (!slope) {
      this.#slopes.set(value.array, array);
      return;
    }
    this.emit('bias', [1, sizeOf(value.shape)], slope, array);
    this.#pool.give(array);
  }

  /** An array to write or to add a gradient to, as `accumulate` says. */
  slopeInto(value: Value): { readonly array: Float32Array; readonly accumulate: boolean } {
    const slope = this.#slopes.get(value.array);
    if (slope) return { array: slope, accumulate: true };
    const array = this.#pool.take(sizeOf(value.shape));
    this.#slopes.set(value.array, array);
    return { array, accumulate: false };
  }

  #constant(length: number, value: number): Float32Array {
    const key = `${length} ${value}`;
    const known = this.#constants.get(key) ?? new Float32Array(length).fill(value);
    this.#constants.set(key, known);
    return known;
  }

  /** A convolution with its activation; weights are read where they lie. */
  convolution(input: Value, convolution: Convolution, norm?: LearnedNorm): Value {
    const [N, H, W, C] = input.shape;
    const { outChannels, kernel, stride, dilation, groups, weight, bias, activation } = convolution;
    const padding = paddingOn(convolution, H, W);
    const { height, width } = convolutionOutput(convolution, H, W);
    if (convolution.maximum) {
      const pool = {
        kind: 'max-pool',
        inputs: [],
        output: '',
        ceilMode: false,
        countIncludePad: false,
      } as const;
      return this.pool(input, { ...convolution, ...pool }, height, width);
    }
    const learned = input.learned || norm !== undefined;
    const raw = this.make([N, height, width, outChannels], learned);
    const dims = (accumulate: boolean) => [
      ...[N, H, W, C, height, width, outChannels, ...kernel, ...stride, padding[0], padding[1], groups],
      ...[accumulate ? 1 : 0, ...dilation],
    ];
    this.emit('convolution', dims(false), input.array, weight, raw.array);
    this.onBackward(() => {
      const slope = this.takeSlope(raw);
      if (!slope) return;
      if (input.learned) {
        const { array, accumulate } = this.slopeInto(input);
        this.emit('convolution-dx', dims(accumulate), slope, weight, array);
      }
      this.give(slope);
    });
    // What never goes back is rewritten where it lies.
    const output = this.keeps ? this.make(raw.shape, learned) : raw;
    const { normalisation } = convolution;
    if (normalisation) this.#normaliseRows(raw, bias, normalisation);
    const fixed = normalisation ?? { shift: bias };
    this.affine(raw, output, activation, { ...fixed, ...norm }, convolution.slopes);
    return output;
  }

  /** Adds a bias and normalises the channels of each pixel, in place: going back needs only what is written. */
  #normaliseRows(raw: Value, bias: Float32Array, { epsilon, centred = true }: LayerNormalisation): void {
    const C = raw.shape[3];
    const rows = sizeOf(raw.shape) / C;
    const dims = [rows, C, centred ? 1 : 0];
    const inverse = this.keeps ? new Float32Array(rows) : this.take(rows);
    this.emit('normalise-rows', dims, raw.array, bias, Float32Array.of(epsilon), inverse);
    if (!this.keeps) this.give(inverse);
    this.onBackward(() => {
      const slope = this.takeSlope(raw);
      if (!slope) return;
      this.emit('normalise-rows-dx', dims, slope, raw.array, inverse, slope);
      this.addSlope(raw, slope);
    });
  }

  /** A separate activation. */
  activation(input: Value, activation: Activation): Value {
    const output = this.make(input.shape, input.learned);
    this.affine(input, output, activation);
    return output;
  }

  /**
   * `output = activation(input · scale + shift)`, per channel; scale and shift are learned where they have gradients.
   * @param slopes of a PReLU
   */
  affine(
    raw: Value,
    output: Value,
    activation: ConvolutionActivation,
    norm: Partial<LearnedNorm> = {},
    slopes?: Float32Array,
  ): void {
    const C = raw.shape[3];
    const { scale = this.#constant(C, 1), shift = this.#constant(C, 0) } = norm;
    // A leaky ReLU is a PReLU whose channels have one slope.
    const below = isLeaky(activation) ? this.#constant(C, slopeOf(activation)) : slopes;
    const sloped = below ? [below] : [];
    const dims = [sizeOf(raw.shape) / C, C, activationNumber(below ? 'prelu' : activation)];
    this.emit('activate', dims, raw.array, scale, shift, output.array, ...sloped);
    this.onBackward(() => {
      const slope = this.takeSlope(output);
      if (!slope) return;
      if (!raw.learned) {
        this.give(slope);
        return;
      }
      const { scaleGradient, shiftGradient } = norm;
      const gradients = scaleGradient && shiftGradient ? [scaleGradient, shiftGradient] : [];
      const learned = gradients.length > 0 ? 1 : 0;
      this.emit(
        'activate-dx',
        [...dims, learned],
        slope,
        raw.array,
        scale,
        shift,
        slope,
        ...sloped,
        ...gradients,
      );
      this.addSlope(raw, slope);
    });
  }

  /** The same values, and the same gradient, under another shape of as many. */
  view({ array, learned }: Value, shape: Value['shape']): Value {
    return { array, learned, shape };
  }

  /** Mean, or the largest value, of windows side by side that tile the map. */
  windows(input: Value, kind: PoolNode['kind'], kernel: readonly [number, number]): Value {
    const node: PoolNode = {
      ...{ kind, name: kind, inputs: [], output: '', kernel, stride: kernel },
      ...{ padding: [0, 0, 0, 0], ceilMode: false, countIncludePad: false },
    };
    const [, H, W] = input.shape;
    return this.pool(input, node, Math.floor(H / kernel[0]), Math.floor(W / kernel[1]));
  }

  /** Mean over windows, or the largest value in each. */
  pool(input: Value, node: PoolNode, height: number, width: number): Value {
    const [N, H, W, C] = input.shape;
    const [top, left, bottom, right] = paddingOn(node, H, W);
    const output = this.make([N, height, width, C], input.learned);
    const window = [N, H, W, C, height, width, ...node.kernel, ...node.stride, top, left];
    const largest = node.kind === 'max-pool';
    const dims = largest ? window : [...window, node.countIncludePad ? 0 : 1, bottom, right];
    const chosen = largest ? [new Int32Array(sizeOf(output.shape))] : [];
    this.emit(node.kind, dims, input.array, output.array, ...chosen);
    this.onBackward(() => {
      const slope = this.takeSlope(output);
      if (!slope) return;
      if (input.learned) {
        const into = this.take(sizeOf(input.shape));
        this.emit(`${node.kind}-dx`, dims, slope, ...chosen, into);
        this.addSlope(input, into);
      }
      this.give(slope);
    });
    return output;
  }

  /** Mean over the cells of a grid; over the whole map for one cell. */
  cells(input: Value, rows: number, columns: number): Value {
    const [N, H, W, C] = input.shape;
    const output = this.make([N, rows, columns, C], input.learned);
    const dims = [N, H, W, C, rows, columns];
    this.emit('cells', dims, input.array, output.array);
    this.onBackward(() => {
      const slope = this.takeSlope(output);
      if (!slope) return;
      if (input.learned) {
        const { array, accumulate } = this.slopeInto(input);
        this.emit(accumulate ? 'cells-add-dx' : 'cells-dx', dims, slope, array);
      }
      this.give(slope);
    });
    return output;
  }

  /** Product of two values, either of which may be a vector for each image of the other, or a value for each of its pixels. */
  multiply(first: Value, second: Value): Value {
    const { swapped } = scaled({ name: 'product' }, first.shape, second.shape);
    return swapped ? this.scale(second, first) : this.scale(first, second);
  }

  /** Each image's map times that image's gate, `[N, 1, 1, C]` or `[N, H, W, 1]`, or times another map of its size. */
  scale(input: Value, gate: Value): Value {
    const [N, H, W, C] = input.shape;
    const output = this.make(input.shape, input.learned || gate.learned);
    // What scales pixels scales as many numbers of one channel each.
    const channels = gate.shape[3];
    const rows = sizeOf(gate.shape) / channels;
    const [dims, zeros] = [
      [rows, (N * H * W * C) / (rows * channels), channels],
      this.#constant(channels, 0),
    ];
    this.emit('scale', dims, input.array, gate.array, zeros, output.array);
    this.onBackward(() => {
      const slope = this.takeSlope(output);
      if (!slope) return;
      const gateSlope = this.take(sizeOf(gate.shape));
      this.emit('scale-dx', dims, slope, input.array, gate.array, zeros, slope, gateSlope);
      if (gate.learned) this.addSlope(gate, gateSlope);
      if (input.learned) this.addSlope(input, slope);
      else this.give(slope);
    });
    return output;
  }

  /** `branch · mask + shortcut`; the mask's gradient is added to `mask.slope`. */
  add(branch: Value, shortcut: Value, mask?: MaskValue): Value {
    const learned = branch.learned || shortcut.learned || mask !== undefined;
    const output = this.make(branch.shape, learned);
    const dims = [...branch.shape, mask?.rows ?? 0, mask?.columns ?? 0];
    const masks = mask ? [mask.cells] : [];
    this.emit('masked-add', dims, branch.array, shortcut.array, output.array, ...masks);
    this.onBackward(() => {
      const slope = this.takeSlope(output);
      if (!slope) return;
      if (mask) {
        const inner = this.take(sizeOf(branch.shape));
        this.emit('masked-add-dx', dims, slope, branch.array, mask.cells, inner, mask.slope);
        if (branch.learned) this.addSlope(branch, inner);
        else this.give(inner);
      } else if (branch.learned) {
        const copy = this.take(sizeOf(branch.shape));
        const C = branch.shape[3];
        const [ones, zeros] = [this.#constant(C, 1), this.#constant(C, 0)];
        this.emit(
          'activate',
          [sizeOf(branch.shape) / C, C, activationNumber('none')],
          slope,
          ones,
          zeros,
          copy,
        );
        this.addSlope(branch, copy);
      }
      if (shortcut.learned) this.addSlope(shortcut, slope);
      else this.give(slope);
    });
    return output;
  }
}

/** A mask in a training program: one value of 0 or 1 a cell. */
export interface MaskValue {
  readonly rows: number;
  readonly columns: number;
  readonly cells: Float32Array;
  readonly slope: Float32Array;
}
