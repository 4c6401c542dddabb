import { readTuning, writeTuning } from '#kept-tuning';
import type { Precision } from './kernel.js';
import type { PairTile } from './kernels/pair.js';
import { pairTileOf } from './pairs.js';
import { type Choice, type Convolve, type Pair, ruled, VARIANTS, type Variant } from './variants.js';
import { methodOf } from './weights.js';

/** What decides how fast a kernel is, besides what it computes. */
export interface TunedOn {
  readonly adapter: string;
  readonly driver: string;
  readonly precision: Precision;
}

/** How many GPUs, and shapes of each, are kept: the oldest make room. */
const MOST_GPUS = 8;
const MOST_SHAPES = 2048;

/** Shapes with the family that was fastest, by GPU. */
type Kept = Record<string, Record<string, string>>;

const nameOf = ({ adapter, driver, precision }: TunedOn) => `${adapter} | ${driver} | ${precision}`;

/** What of a convolution its time depends on. Of listed rows, nobody knows beforehand how many there are. */
export function shapeKey({ convolution, destination, region }: Convolve): string {
  const { kernel, stride, dilation, inChannels, outChannels, groups } = convolution;
  const [N, H, W] = destination.shape;
  const numbers = [kernel, stride, dilation].map((pair) => pair.join('x'));
  return [
    ...numbers,
    `${inChannels}-${outChannels}`,
    `g${groups}`,
    `${N * H * W}${region ? ' listed' : ''}`,
  ].join(' ');
}

/** The same of two convolutions that could be one dispatch. */
const pairKey = ({ first, second }: Pair) => `${shapeKey(first)} > ${second.convolution.outChannels}`;

/** Kept of a pair that is faster as two dispatches. */
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

  /** The fastest variant of those that this version has; undefined when that was not timed. */
  find(operation: Convolve): Variant | undefined {
    const family = this.#families.get(shapeKey(operation));
    return VARIANTS[methodOf(operation.convolution)].find((variant) => variant.family === family);
  }

  one(operation: Convolve): Variant {
    return this.find(operation) ?? ruled.one(operation);
  }

  both(pair: Pair): PairTile | undefined {
    return pairTileOf(this.#families.get(pairKey(pair)));
  }

  /** True when a pair was timed in one dispatch and in two. */
  knows(pair: Pair): boolean {
    return this.#families.get(pairKey(pair)) === APART || this.both(pair) !== undefined;
  }

  learn(operation: Convolve, { family }: Variant): void {
    this.#learn(shapeKey(operation), family);
  }

  /** @param tile undefined: two dispatches are faster, or the only way */
  learnPair(pair: Pair, tile: PairTile | undefined): void {
    this.#learn(pairKey(pair), tile?.family ?? APART);
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

  /** Keeps what is known for other processes, beside what those have kept meanwhile. */
  keep(): void {
    const name = nameOf(this.on);
    const { [name]: before, ...others } = keptOf(readTuning());
    const own = Object.entries({ ...before, ...Object.fromEntries(this.#families) }).slice(-MOST_SHAPES);
    const latest = Object.entries(others).slice(0, MOST_GPUS - 1);
    writeTuning({ [name]: Object.fromEntries(own), ...Object.fromEntries(latest) });
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
