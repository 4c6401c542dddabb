import { loadAddon } from '../../backends/addon.js';
import {
  type InferAddon,
  inferAddon,
  type NativeAmount,
  type SessionHandle,
} from '../../backends/native/addon.js';
import { joinParts, type SessionNumbers } from '../../backends/native/encoded-part.js';
import type { CostedPart } from './costed-part.js';
import type { CostedProgram, RegionCounts } from './costed-program.js';

/** Sizes of the second-level cache of a core and of the last level, bytes. */
export interface Caches {
  readonly nearBytes: number;
  readonly farBytes: number;
}

/** What convolutions of an instruction do: bands, items that threads take, register tiles, pixels or squares. */
export const tallyNames = ['bands', 'items', 'tiles', 'units'] as const;

/** Values of one instruction in a description: its tally, whether there is another way, the amounts of both. */
export interface RowLayout {
  readonly values: number;
  readonly hasOther: number;
  readonly amounts: number;
  readonly other: number;
}

/** A program in a describer's session. */
interface Described {
  readonly number: number;
  readonly passOf: Int32Array;
}

let amountsKnown: readonly NativeAmount[] | undefined;

/** All amounts in order; undefined where there is no native addon. */
export function nativeAmounts(): readonly NativeAmount[] | undefined {
  if (!amountsKnown && loadAddon().addon) amountsKnown = inferAddon().inferAmounts();
  return amountsKnown;
}

/** Asks the native addon what programs would do, with the kernels of one instruction set. */
export class Describer {
  readonly layout: RowLayout;
  readonly #addon: InferAddon = inferAddon();
  readonly #session: SessionHandle;
  readonly #outlines = new Map<string, number>();
  readonly #biases = new Map<number, number>();
  readonly #masker: number;
  readonly #counts = new Room();
  readonly #rows = new Room();
  readonly #numbers = new WeakMap<CostedPart, SessionNumbers>();
  readonly #programs = new WeakMap<CostedProgram, Described>();
  readonly #forgotten = new FinalizationRegistry<number>((number) =>
    this.#addon.inferDropProgram(this.#session, number),
  );

  /** @throws FoveaError `bad-argument` for an instruction set that the addon does not know */
  constructor(
    readonly isa: string,
    readonly amounts: readonly NativeAmount[],
  ) {
    this.#session = this.#addon.inferOutlines(isa);
    this.#masker = this.#addon.inferMasker(this.#session, 1, new Float32Array(0), 0, 0.5);
    const first = tallyNames.length + 1;
    this.layout = {
      values: first + 2 * amounts.length,
      hasOther: tallyNames.length,
      amounts: first,
      other: first + amounts.length,
    };
  }

  /**
   * Describes every instruction of a program, for `threads` threads.
   *
   * @param weightBytes of the network that the program computes, or is a part of
   * @returns rows of `layout.values`, which the next call overwrites, and the pass of each
   */
  describe(
    program: CostedProgram,
    { pixels, squares, expected }: RegionCounts,
    threads: number,
    { nearBytes, farBytes }: Caches,
    weightBytes: number,
  ): { readonly rows: Float64Array; readonly passOf: Int32Array } {
    const { number, passOf } = this.#describedOf(program);
    const counts = this.#counts.of(2 * pixels.length + expected.length);
    const rows = this.#rows.of(passOf.length * this.layout.values);
    counts.set(pixels);
    counts.set(squares, pixels.length);
    counts.set(expected, 2 * pixels.length);
    this.#addon.inferDescribe(this.#session, number, threads, nearBytes, farBytes, weightBytes, counts, rows);
    return { rows, passOf };
  }

  #describedOf(program: CostedProgram): Described {
    let described = this.#programs.get(program);
    if (!described) {
      const { parts, input, output } = program.placed;
      const numbered = parts.map(({ part, at }) => ({ at, numbers: this.#numbersOf(part) }));
      const tables = joinParts(numbered, input, output);
      const passOf = program.passesOfInstructions();
      described = {
        number: this.#addon.inferProgram(this.#session, ...tables),
        passOf,
      };
      this.#programs.set(program, described);
      this.#forgotten.register(program, described.number);
    }
    return described;
  }

  #numbersOf(part: CostedPart): SessionNumbers {
    let numbers = this.#numbers.get(part);
    if (!numbers) {
      numbers = {
        convolutions: part.convolutions.map((geometry) => this.#outline(geometry)),
        // Any rule takes the same time.
        deciders: new Int32Array(part.deciders).fill(this.#masker),
        biases: part.biases.map((count) => this.#bias(count)),
      };
      this.#numbers.set(part, numbers);
    }
    return numbers;
  }

  /** Of a bias only the number of values matters. */
  #bias(count: number): number {
    let number = this.#biases.get(count);
    if (number === undefined) {
      number = this.#addon.inferBias(this.#session, new Float32Array(count));
      this.#biases.set(count, number);
    }
    return number;
  }

  /** Convolutions of one geometry are packed alike. */
  #outline(geometry: Int32Array): number {
    const key = geometry.join();
    let number = this.#outlines.get(key);
    if (number === undefined) {
      number = this.#addon.inferOutline(this.#session, geometry);
      this.#outlines.set(key, number);
    }
    return number;
  }
}

/** Memory for numbers that are gone at the next call. */
class Room {
  #values = new Float64Array(0);

  of(count: number): Float64Array {
    if (this.#values.length < count) this.#values = new Float64Array(2 * count);
    return this.#values.subarray(0, count);
  }
}

const describers = new Map<string, Describer>();

/** The describer for an instruction set; undefined where there is no native addon, or one that does not know it. */
export function describerFor(isa: string): Describer | undefined {
  let describer = describers.get(isa);
  if (!describer) {
    const amounts = nativeAmounts();
    if (!amounts || inferAddon().inferLanes(isa) === undefined) return undefined;
    describer = new Describer(isa, amounts);
    describers.set(isa, describer);
  }
  return describer;
}
