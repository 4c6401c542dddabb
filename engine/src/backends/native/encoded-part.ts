import { assignBuffers } from '../../program/buffers.js';
import type { Dtype } from '../../program/dtype.js';
import type { ProgramTables } from './addon.js';

/** What a word of a table may be the number of. */
export type Referred = 'map' | 'mask' | 'region' | 'halo' | 'convolution' | 'decider' | 'bias' | 'order';

/** The words of a table that are numbers of something of the program: their positions, and of what each is. */
export interface References {
  readonly at: readonly number[];
  readonly to: readonly Referred[];
}

/** In the place of a number: nothing is referred to. */
export const NONE = -1;
export const INSTRUCTION_WORDS = 25;
/** What JavaScript does to a map, or to a mask, before an instruction. */
export const access = { read: 0, write: 1, decide: 2 } as const;

/** In the place of a step: none touches the map. */
export const UNTOUCHED = -1;
const SHAPE_WORDS = 4;
const MASK_WORDS = 5;
const regionWords = ['mask', 'region', 'convolution', undefined, undefined, undefined] as const;
const haloWords = ['region', 'convolution'] as const;

/**
 * Steps in the numbers that the addon takes, with ids of their own, so that they can stand anywhere in a program. Their
 * first maps and masks are given to them: those are another part's.
 */
export interface EncodedPart {
  readonly givenMaps: number;
  readonly givenMasks: number;
  /** How many steps there are. */
  readonly steps: number;
  /** `INSTRUCTION_WORDS` for each instruction. */
  readonly words: Int32Array;
  /** The words that refer to something. */
  readonly references: References;
  /** The step of each instruction. */
  readonly stepOf: readonly number[];
  /** `[N, H, W, C]` of each map that is not given. */
  readonly shapes: readonly number[];
  readonly dtypes: readonly Dtype[];
  /** The steps that first and last touch each map, given ones included; −1 for both where none does. */
  readonly first: readonly number[];
  readonly last: readonly number[];
  /** Batch, rows, columns, height and width of each mask that is not given. */
  readonly masks: readonly number[];
  /** Mask, parent, convolution, height, width and whether the others are listed. */
  readonly regions: readonly number[];
  readonly regionReferences: References;
  /** Region and convolution. */
  readonly halos: readonly number[];
  readonly haloReferences: References;
  /** Masks, not given ones, that the caller decides before the first step. */
  readonly decided: readonly number[];
  /** Before which instruction JavaScript accesses which map or mask, and how. */
  readonly accesses: readonly number[];
  /** Orders of the cells of masks, one behind the other; one is referred to by where it begins. */
  readonly orders: readonly number[];
}

/** Where a part's own numbers begin in a program. */
interface Counts {
  readonly maps: number;
  readonly masks: number;
  readonly regions: number;
  readonly halos: number;
  readonly orders: number;
}

/** A part in its place in a program. */
export interface PlacedPart {
  readonly part: EncodedPart;
  /** Numbers in the program of the part's maps and masks, by their ids. */
  readonly maps: Int32Array;
  readonly masks: Int32Array;
  readonly firstRegion: number;
  readonly firstHalo: number;
  readonly firstOrder: number;
}

/** Puts parts one behind the other. */
export class PartPlacer {
  #next: Counts = { maps: 0, masks: 0, regions: 0, halos: 0, orders: 0 };

  /**
   * Places the next part.
   * @param maps numbers of the maps that it is given
   * @param masks numbers of the masks that it is given
   */
  place(part: EncodedPart, maps: readonly number[] = [], masks: readonly number[] = []): PlacedPart {
    const { maps: firstMap, masks: firstMask, regions: firstRegion } = this.#next;
    const { halos: firstHalo, orders: firstOrder } = this.#next;
    const numbered = (given: readonly number[], own: number, first: number) => {
      const numbers = new Int32Array(given.length + own);
      numbers.set(given);
      for (let i = 0; i < own; i++) numbers[given.length + i] = first + i;
      return numbers;
    };
    const ownMaps = part.shapes.length / SHAPE_WORDS;
    const ownMasks = part.masks.length / MASK_WORDS;
    const placed: PlacedPart = {
      part,
      maps: numbered(maps, ownMaps, firstMap),
      masks: numbered(masks, ownMasks, firstMask),
      firstRegion,
      firstHalo,
      firstOrder,
    };
    this.#next = {
      maps: firstMap + ownMaps,
      masks: firstMask + ownMasks,
      regions: firstRegion + part.regions.length / regionWords.length,
      halos: firstHalo + part.halos.length / haloWords.length,
      orders: firstOrder + part.orders.length,
    };
    return placed;
  }
}

/** A session's numbers of what a part names, by the part's own numbers. */
export interface SessionNumbers {
  readonly convolutions: ArrayLike<number>;
  readonly deciders: ArrayLike<number>;
  readonly biases: ArrayLike<number>;
}

/**
 * The tables of the program that parts make up, its maps assigned to buffers.
 * @param input number of the map that the caller writes first
 * @param output number of the map that the caller reads last
 */
export function joinParts(
  placed: readonly { readonly at: PlacedPart; readonly numbers: SessionNumbers }[],
  input: number,
  output: number | undefined,
): ProgramTables {
  const total = (list: (part: EncodedPart) => ArrayLike<unknown>) =>
    placed.reduce((sum, { at }) => sum + list(at.part).length, 0);
  const mapCount = total(({ shapes }) => shapes) / SHAPE_WORDS;
  const [maps, masks] = [new Int32Array(mapCount * (SHAPE_WORDS + 1)), new Int32Array(total((p) => p.masks))];
  const [regions, halos] = [new Int32Array(total((p) => p.regions)), new Int32Array(total((p) => p.halos))];
  const words = new Int32Array(total((part) => part.words));
  const [values, first, last] = [
    new Float64Array(mapCount),
    new Int32Array(mapCount),
    new Int32Array(mapCount),
  ];
  const touched = new Uint8Array(mapCount);
  const touch = (map: number, from: number, to: number) => {
    if (!touched[map]) first[map] = from;
    last[map] = to;
    touched[map] = 1;
  };
  first.fill(UNTOUCHED);
  last.fill(UNTOUCHED);
  touch(input, -1, -1);
  const dtypes: Dtype[] = [];
  const before: number[] = [0, input, access.write];
  const during: number[] = [];
  let [mask, region, halo, word, step] = [0, 0, 0, 0, 0];
  for (const { at, numbers: session } of placed) {
    const { part } = at;
    const { shapes } = part;
    for (let i = 0; i < shapes.length; i += SHAPE_WORDS) {
      const id = dtypes.length;
      values[id] = 1;
      for (let k = 0; k < SHAPE_WORDS; k++) {
        maps[id * (SHAPE_WORDS + 1) + 1 + k] = shapes[i + k]!;
        values[id]! *= shapes[i + k]!;
      }
      dtypes.push(part.dtypes[i / SHAPE_WORDS]!);
    }
    at.maps.forEach((id, own) => {
      if (part.first[own] !== UNTOUCHED) touch(id, step + part.first[own]!, step + part.last[own]!);
    });
    masks.set(part.masks, mask);
    const numberOf = numbersIn(at, session);
    copyReferring(part.regions, part.regionReferences, numberOf, regions, region);
    copyReferring(part.halos, part.haloReferences, numberOf, halos, halo);
    copyReferring(part.words, part.references, numberOf, words, word);
    for (const own of part.decided) before.push(0, at.masks[own]!, access.decide);
    for (let i = 0; i < part.accesses.length; i += 3) {
      const [instruction, own, how] = part.accesses.slice(i, i + 3) as [number, number, number];
      const ids = how === access.decide ? at.masks : at.maps;
      during.push(word / INSTRUCTION_WORDS + instruction, ids[own]!, how);
    }
    mask += part.masks.length;
    region += part.regions.length;
    halo += part.halos.length;
    word += part.words.length;
    step += part.steps;
  }
  if (output !== undefined) {
    touch(output, step, step);
    during.push(word / INSTRUCTION_WORDS, output, access.read);
  }
  const { sizes, bufferOf } = assignBuffers({ values, dtypes, first, last });
  for (let id = 0; id < mapCount; id++) maps[id * (SHAPE_WORDS + 1)] = bufferOf[id]!;
  const accesses = Int32Array.from([...before, ...during]);
  const orders = Int32Array.from(placed.flatMap(({ at }) => at.part.orders));
  return [Float64Array.from(sizes), maps, masks, regions, halos, words, accesses, orders];
}

/** The program's number of something that a part refers to. */
function numbersIn(
  { maps, masks, firstRegion, firstHalo, firstOrder }: PlacedPart,
  { convolutions, deciders, biases }: SessionNumbers,
): (to: Referred, own: number) => number {
  return (to, own) => {
    switch (to) {
      case 'map':
        return maps[own]!;
      case 'mask':
        return masks[own]!;
      case 'region':
        return firstRegion + own;
      case 'halo':
        return firstHalo + own;
      case 'convolution':
        return convolutions[own]!;
      case 'decider':
        return deciders[own]!;
      case 'bias':
        return biases[own]!;
      case 'order':
        return firstOrder + own;
    }
  };
}

function copyReferring(
  from: ArrayLike<number>,
  { at, to }: References,
  numberOf: (to: Referred, own: number) => number,
  into: Int32Array,
  first: number,
): void {
  into.set(from, first);
  for (let i = 0; i < at.length; i++) into[first + at[i]!] = numberOf(to[i]!, from[at[i]!]!);
}

/** What a table with such rows refers to. */
function referencesIn(table: readonly number[], row: readonly (Referred | undefined)[]): References {
  const at: number[] = [];
  const to: Referred[] = [];
  table.forEach((own, position) => {
    const referred = row[position % row.length];
    if (!referred || own === NONE) return;
    at.push(position);
    to.push(referred);
  });
  return { at, to };
}

/** Tables of regions and halos, with what they refer to. */
export function regionTables(
  regions: readonly number[],
  halos: readonly number[],
): Pick<EncodedPart, 'regions' | 'regionReferences' | 'halos' | 'haloReferences'> {
  return {
    ...{ regions, regionReferences: referencesIn(regions, regionWords) },
    ...{ halos, haloReferences: referencesIn(halos, haloWords) },
  };
}
