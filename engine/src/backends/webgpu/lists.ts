import type { Program, ProgramHalo, ProgramMask, ProgramRegion } from '../../program/program.js';
import { listCells } from '../listed-pixels.js';
import { NONE } from './kernel.js';
import { listFields } from './kernels/masks.js';

/** Pixels that a mask determines, listed on the GPU: those of a region, or the mask's cells themselves. */
export interface List {
  /** First word of the list; where each pixel went stands `pixels` words further on. */
  readonly list: number;
  readonly positions: number;
  /** Counts what is in the list; the next counter counts the others. */
  readonly counter: number;
  readonly pixels: number;
}

/** A region whose pixels, or whose mask's cells, are counted; how many there are. */
export interface Counted {
  readonly region: ProgramRegion;
  readonly of: number;
}

/** Lists that one dispatch makes: they only need what was made before. */
export interface ListGroup {
  readonly firstList: number;
  readonly count: number;
  /** Of the largest. */
  readonly pixels: number;
  /** Whether one of them has an order. */
  readonly ordered: boolean;
}

type Row = Readonly<Record<(typeof listFields)[number], number>>;

/** All lists of a program: where they lie and what makes them. */
export class Lists {
  /** Rows of `listFields`, and behind them the orders that some name. */
  readonly table: Uint32Array<ArrayBuffer>;
  /** Words of all lists. */
  readonly words: number;
  /** Two for each list; that of region r at 2r. */
  readonly counters: number;
  /** Where each mask's cells begin, by id; at the end, how many there are. */
  readonly firstCell: readonly number[];
  /** What each list counts, by half its counter. */
  readonly counted: readonly Counted[];
  readonly #regions = new Map<ProgramRegion, List>();
  readonly #cells = new Map<ProgramMask, List>();
  readonly #groups = new Map<ProgramMask, ListGroup[]>();
  /** Where the orders of a mask's own pixels and of its cells stand in the table. */
  readonly #orders = new Map<ProgramMask, { readonly pixels: number; readonly cells: number }>();

  constructor({ masks, regions, halos, steps }: Pick<Program, 'masks' | 'regions' | 'halos' | 'steps'>) {
    const firstCell = [0];
    for (const { batch, rows, columns } of masks) firstCell.push(firstCell.at(-1)! + batch * rows * columns);
    this.firstCell = firstCell;
    let words = 0;
    let counters = 0;
    const counted: Counted[] = [];
    const place = (region: ProgramRegion, pixels: number): List => {
      counted.push({ region, of: pixels });
      const placed = { list: words, positions: words + pixels, counter: counters, pixels };
      words += 2 * pixels;
      counters += 2;
      return placed;
    };
    for (const region of regions) this.#regions.set(region, place(region, region.pixels));
    for (const { region } of halos) {
      const { mask } = region;
      if (!this.#cells.has(mask)) this.#cells.set(mask, place(region, mask.batch * mask.rows * mask.columns));
    }
    this.words = words;
    this.counted = counted;
    this.counters = counters;
    // They stand behind a row for each list.
    const ordered: number[] = [];
    const placeOrder = (listed: Iterable<number>) => {
      const at = (this.#regions.size + this.#cells.size) * listFields.length + ordered.length;
      for (const pixel of listed) ordered.push(pixel);
      return at;
    };
    for (const operation of steps.flatMap(({ operations }) => operations)) {
      if (operation.kind !== 'index' || !operation.order) continue;
      const { mask, order } = operation;
      const all = { ...mask, batch: 1, cells: new Uint8Array(order.length).fill(1) };
      this.#orders.set(mask, { pixels: placeOrder(listCells(all, order)), cells: placeOrder(order) });
    }
    const rows: Row[] = [];
    for (const mask of masks) {
      const groups: ListGroup[] = [];
      const own = regions.filter((region) => region.mask === mask);
      for (let level = 0; ; level++) {
        const made = own
          .filter((region) => levelOf(region) === level)
          .map((region) => this.#regionRow(region));
        if (level === 0 && this.#cells.has(mask)) made.push(this.#cellRow(mask));
        if (made.length === 0) break;
        groups.push({
          firstList: rows.length,
          count: made.length,
          pixels: Math.max(...made.map(({ pixels }) => pixels)),
          ordered: level === 0 && this.#orders.has(mask),
        });
        rows.push(...made);
      }
      this.#groups.set(mask, groups);
    }
    const table = rows.flatMap((row) => listFields.map((field) => row[field]));
    this.table = new Uint32Array(table.length + ordered.length);
    this.table.set(table);
    this.table.set(ordered, table.length);
  }

  of(region: ProgramRegion): List {
    return this.#regions.get(region)!;
  }

  /** The active cells that a halo is made of. */
  cellsOf({ region }: ProgramHalo): List {
    return this.#cells.get(region.mask)!;
  }

  /** What makes a mask's lists, one after the other. */
  groupsOf(mask: ProgramMask): readonly ListGroup[] {
    return this.#groups.get(mask)!;
  }

  #regionRow(region: ProgramRegion): Row {
    const { mask, height, width, reads } = region;
    const row = { ...this.#maskRow(mask), ...this.of(region), height, width };
    if (!reads) return { ...row, order: this.#orders.get(mask)?.pixels ?? NONE };
    const { of, convolution } = reads;
    const { kernel, stride, padding, dilation } = convolution;
    return {
      ...row,
      dilates: 1,
      positions: of.reads ? this.of(of).positions : NONE,
      outHeight: of.height,
      outWidth: of.width,
      kernelHeight: kernel[0],
      kernelWidth: kernel[1],
      strideY: stride[0],
      strideX: stride[1],
      top: padding[0],
      left: padding[1],
      dilationY: dilation[0],
      dilationX: dilation[1],
    };
  }

  #cellRow(mask: ProgramMask): Row {
    const { rows, columns } = mask;
    return {
      ...this.#maskRow(mask),
      ...this.#cells.get(mask)!,
      ...{ height: rows, width: columns, maskHeight: rows, maskWidth: columns },
      order: this.#orders.get(mask)?.cells ?? NONE,
    };
  }

  /** What lists of a mask have in common, and nothing that is dilated. */
  #maskRow({ id, rows, columns, height, width }: ProgramMask): Omit<Row, 'height' | 'width' | keyof List> & {
    positions: number;
  } {
    return {
      cells: this.firstCell[id]!,
      gridRows: rows,
      gridColumns: columns,
      maskHeight: height,
      maskWidth: width,
      ...{ dilates: 0, positions: NONE, outHeight: 0, outWidth: 0, kernelHeight: 0, kernelWidth: 0 },
      ...{ strideY: 1, strideX: 1, top: 0, left: 0, dilationY: 1, dilationX: 1, order: NONE },
    };
  }
}

/** After how many dispatches a region can be listed: what is read of a mask's own pixels follows from its cells. */
function levelOf(region: ProgramRegion): number {
  return region.reads?.of.reads ? levelOf(region.reads.of) + 1 : 0;
}
