import { changeTuning, readTuning } from '#kept-tuning';
import type { Convolve } from '../../program/program.js';
import { type Fusion, fusionTileOf } from './fusions.js';
import type { Precision } from './kernel.js';
import type { FusionTile } from './kernels/fusion.js';
import { type MatrixUnit, nameOfUnit } from './kernels/matrices.js';
import { type Choice, isWinograd, ruled, type Variant, variantsOf } from './variants.js';

/** What decides how fast a kernel is, besides what it computes. */
export interface TunedOn {
  readonly adapter: string;
  readonly driver: string;
  readonly precision: Precision;
  /** The matrices that its subgroups multiply, where it offers those. */
  readonly matrices?: MatrixUnit | undefined;
}

/** How many GPUs, and shapes of each, are kept: the oldest make room. */
const MOST_GPUS = 8;
const MOST_SHAPES = 2048;

/** Shapes with the family that was fastest, by GPU. */
type Kept = Record<string, Record<string, string>>;

// What was timed without matrices says nothing about them.
const nameOf = ({ adapter, driver, precision, matrices }: TunedOn) =>
  [adapter, driver, precision, ...(matrices ? [`matrices ${nameOfUnit(matrices)}`] : [])].join(' | ');

/** What of a convolution its time depends on. How many rows are listed is not known beforehand. */
export function shapeKey(operation: Convolve): string {
  const { convolution, destination, region } = operation;
  const mask = region?.mask;
  const { kernel, stride, dilation, inChannels, outChannels, groups } = convolution;
  const [N, H, W] = destination.shape;
  const numbers = [kernel, stride, dilation].map((pair) => pair.join('x'));
  return [
    ...numbers,
    `${inChannels}-${outChannels}`,
    `g${groups}`,
    `${N * H * W}${region ? ' listed' : ''}`,
    ...(isWinograd(operation) ? [mask ? `squares ${mask.rows}x${mask.columns}` : 'squares'] : []),
  ].join(' ');
}

/** The same of several convolutions that could be one dispatch; with a head, also of the cells that it is computed in. */
function fusionKey({ operations: [first, ...others], head, core, tail }: Fusion): string {
  const rest = others.map((one) => (one === tail ? `${one.convolution.outChannels}` : shapeKey(one)));
  const mask = head && core.region?.mask;
  return [shapeKey(first!), ...rest, ...(mask ? [`cells ${mask.rows}x${mask.columns}`] : [])].join(' > ');
}

/** Kept of a fusion that is slower than its parts. */
const APART = 'apart';

/** How convolutions are computed on one GPU: as was the fastest for their shapes, or by the rule where that was not timed. */
export class Tuning implements Choice {
  /** Grows with what is known. */
  revision = 0;
  readonly #families: Map<string, string>;

  constructor(readonly on: TunedOn) {
    this.#families = new Map(Object.entries(keptOf(readTuning())[nameOf(on)] ?? {}));
  }

  /** Shapes that were timed. */
  get shapes(): number {
    return this.#families.size;
  }

  /** The variants of a convolution on this GPU. */
  variantsOf(operation: Convolve): readonly Variant[] {
    return variantsOf(operation, this.on.matrices);
  }

  /** The fastest variant of those that this version has; undefined when that was not timed. */
  find(operation: Convolve): Variant | undefined {
    const family = this.#families.get(shapeKey(operation));
    return this.variantsOf(operation).find((variant) => variant.family === family);
  }

  one(operation: Convolve): Variant {
    return this.find(operation) ?? ruled.one(operation);
  }

  byRule(operation: Convolve): boolean {
    return this.variantsOf(operation).length > 1 && !this.find(operation);
  }

  fused(fusion: Fusion): FusionTile | undefined {
    return fusionTileOf(this.#families.get(fusionKey(fusion)));
  }

  /** True when a fusion was timed as one dispatch and as several. */
  knows(fusion: Fusion): boolean {
    return this.#families.get(fusionKey(fusion)) === APART || this.fused(fusion) !== undefined;
  }

  learn(operation: Convolve, { family }: Variant): void {
    this.#learn(shapeKey(operation), family);
  }

  /** @param tile undefined: several dispatches are faster, or the only way */
  learnFusion(fusion: Fusion, tile: FusionTile | undefined): void {
    this.#learn(fusionKey(fusion), tile?.family ?? APART);
  }

  #learn(key: string, family: string): void {
    this.#families.delete(key);
    this.#families.set(key, family);
    for (const oldest of this.#families.keys()) {
      if (this.#families.size <= MOST_SHAPES) break;
      this.#families.delete(oldest);
    }
    this.revision++;
  }

  /** Learns what other processes have kept meanwhile. */
  readAgain(): void {
    for (const [key, family] of Object.entries(keptOf(readTuning())[nameOf(this.on)] ?? {}))
      if (!this.#families.has(key)) this.#learn(key, family);
  }

  /** Keeps what is known for other processes, beside what those have kept meanwhile. */
  keep(): Promise<void> {
    const name = nameOf(this.on);
    return changeTuning((kept) => {
      const { [name]: before, ...others } = keptOf(kept);
      const own = Object.entries({ ...before, ...Object.fromEntries(this.#families) }).slice(-MOST_SHAPES);
      const latest = Object.entries(others).slice(0, MOST_GPUS - 1);
      return { [name]: Object.fromEntries(own), ...Object.fromEntries(latest) };
    });
  }
}

/** What is of use in what was read: texts by texts by texts. */
function keptOf(content: unknown): Kept {
  const kept: Kept = {};
  for (const [gpu, shapes] of entriesOf(content)) {
    const families = entriesOf(shapes).filter(([, family]) => typeof family === 'string');
    kept[gpu] = Object.fromEntries(families) as Record<string, string>;
  }
  return kept;
}

const entriesOf = (value: unknown): [string, unknown][] =>
  typeof value === 'object' && value !== null ? Object.entries(value) : [];

const tunings = new Map<string, Tuning>();

/** What is known of a GPU, in this process and of earlier ones. */
export function tuningOf(on: TunedOn): Tuning {
  const name = nameOf(on);
  let tuning = tunings.get(name);
  if (!tuning) {
    tuning = new Tuning(on);
    tunings.set(name, tuning);
  }
  return tuning;
}
