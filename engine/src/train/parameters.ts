import { FoveaError } from '../errors.js';
import { float32Of, type NamedTensor, type Safetensors } from '../network/checkpoint/safetensors.js';
import { Random } from '../random.js';
import type { Layout } from './architecture.js';

/** An array of the state dict: a view into one of the flat arrays. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

/** Masks start all active: the bias of the compute logit, as LASNet sets it for ResNets. */
const activeBias = 5;

/**
 * All values of a network in training, in flat arrays: what the optimiser changes (backbone first, then
 * maskers, which may learn at another rate) and batch norm's running statistics.
 */
export class Parameters {
  readonly learned: readonly Parameter[];
  readonly statistics: readonly Parameter[];
  readonly values: Float32Array;
  readonly running: Float32Array;
  /** Number of values before the first masker's. */
  readonly backbone: number;
  readonly #byName: ReadonlyMap<string, { array: Float32Array; parameter: Parameter }>;

  constructor(readonly layout: Layout) {
    const learned: Parameter[] = [];
    const statistics: Parameter[] = [];
    const add = (list: Parameter[], name: string, shape: number[]) => {
      const last = list[list.length - 1];
      const offset = last ? last.offset + last.length : 0;
      list.push({ name, shape, offset, length: shape.reduce((product, extent) => product * extent, 1) });
    };
    const convolutions = [
      layout.stem,
      ...layout.blocks.flatMap(({ branch, projection }) => [...branch, ...(projection ? [projection] : [])]),
    ];
    for (const { name, norm, inChannels, outChannels, kernel } of convolutions) {
      add(learned, `${name}.weight`, [outChannels, inChannels, kernel, kernel]);
      add(learned, `${norm}.weight`, [outChannels]);
      add(learned, `${norm}.bias`, [outChannels]);
      add(statistics, `${norm}.running_mean`, [outChannels]);
      add(statistics, `${norm}.running_var`, [outChannels]);
    }
    add(learned, 'fc.weight', [layout.architecture.classes, layout.features]);
    add(learned, 'fc.bias', [layout.architecture.classes]);
    const end = learned[learned.length - 1]!;
    this.backbone = end.offset + end.length;
    for (const { name, branch } of layout.blocks) {
      add(learned, `${name}.masker.conv2.weight`, [2, branch[0]!.inChannels, 1, 1]);
      add(learned, `${name}.masker.conv2.bias`, [2]);
    }
    const extent = (list: Parameter[]) => {
      const last = list[list.length - 1]!;
      return new Float32Array(last.offset + last.length);
    };
    this.learned = learned;
    this.statistics = statistics;
    this.values = extent(learned);
    this.running = extent(statistics);
    this.#byName = new Map([
      ...learned.map((parameter) => [parameter.name, { array: this.values, parameter }] as const),
      ...statistics.map((parameter) => [parameter.name, { array: this.running, parameter }] as const),
    ]);
  }

  /** The values of one array, shared. */
  get(name: string): Float32Array {
    const { array, parameter } = this.#find(name);
    return array.subarray(parameter.offset, parameter.offset + parameter.length);
  }

  /** The part of `flat`, laid out as `values`, that belongs to one array. */
  part(flat: Float32Array, name: string): Float32Array {
    const { parameter } = this.#find(name);
    return flat.subarray(parameter.offset, parameter.offset + parameter.length);
  }

  #find(name: string) {
    const found = this.#byName.get(name);
    if (!found) throw new FoveaError('unknown-name', `the network has no array "${name}"`);
    return found;
  }

  /**
   * Sets everything to its start: He's normal initialisation over the fan-out (He et al., 2015) for
   * convolutions, ones and zeros for batch norm, with the last batch norm of every branch at zero so that
   * each block begins as its shortcut, small normal values for the classifier and the maskers.
   */
  initialise(seed: number): void {
    const lastNorms = new Set(this.layout.blocks.map(({ branch }) => branch[branch.length - 1]!.norm));
    this.learned.forEach((parameter, stream) => {
      const random = new Random(seed, stream + 1);
      const { name, shape, length } = parameter;
      const values = this.get(name);
      const scatter = (deviation: number) => {
        for (let i = 0; i < length; i++) values[i] = deviation * random.normal();
      };
      if (name.endsWith('.masker.conv2.weight')) scatter(0.01);
      else if (name.endsWith('.masker.conv2.bias')) values.set([activeBias, 0]);
      else if (name === 'fc.weight') scatter(0.01);
      else if (shape.length === 4) scatter(Math.sqrt(2 / (shape[0]! * shape[2]! * shape[3]!)));
      else if (name.endsWith('.weight')) values.fill(lastNorms.has(name.slice(0, -7)) ? 0 : 1);
      else values.fill(0);
    });
    for (const { name } of this.statistics) this.get(name).fill(name.endsWith('var') ? 1 : 0);
  }

  /** Takes another network's values over; the layouts must be the same. */
  copyFrom(other: Parameters): void {
    this.values.set(other.values);
    this.running.set(other.running);
  }

  /** Every array by its name in the state dict. */
  stateDict(): Record<string, NamedTensor> {
    return Object.fromEntries(
      [...this.learned, ...this.statistics].map(({ name, shape }) => [
        name,
        { shape, values: this.get(name) },
      ]),
    );
  }

  /**
   * Reads every array from a file.
   * @throws FoveaError `bad-file` when one is absent or has another shape
   */
  load(file: Safetensors): void {
    for (const { name, shape } of [...this.learned, ...this.statistics]) {
      this.get(name).set(float32Of(file, name, shape));
    }
  }
}
