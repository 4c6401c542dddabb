import type { ConvolutionShape } from './architecture.js';
import { MapPool } from './map-pool.js';
import type { Parameters } from './parameters.js';
import type { TrainBuffer, TrainOp } from './train-program.js';

/** A convolution's output with what its batch norm made of it. */
export interface Normalised {
  readonly raw: Float32Array;
  readonly scale: Float32Array;
  readonly shift: Float32Array;
  readonly mean: Float32Array;
  readonly inverse: Float32Array;
}

/** Writes a network's step down as operations. */
export class Emitter {
  readonly ops: TrainOp[] = [];
  readonly gradients: Float32Array;
  readonly #pool = new MapPool();

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

  /** Convolution and batch norm's statistics; the affine map is left to its readers. */
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

/** A linear map as a 1x1 convolution on rows. */
export function pointwise(rows: number, inputs: number, outputs: number): number[] {
  return [rows, 1, 1, inputs, 1, 1, outputs, 1, 1, 1, 1, 0, 0, 1, 0];
}
