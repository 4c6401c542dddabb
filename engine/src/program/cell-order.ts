import { expectArgument } from '../arguments/expect.js';
import { aCount, aFunction, oneOf } from '../arguments/kinds.js';
import { FoveaError } from '../errors.js';
import type { Convolve, Operation, ProgramMask, Step } from './program.js';
import { expectSteps, splitStep } from './steps.js';

/** Orders of the cells of a grid that `cellOrder` makes. */
export const CELL_ORDERS = ['rows', 'columns', 'snake', 'morton'] as const;

/** Name of an order of cells. */
export type CellOrder = (typeof CELL_ORDERS)[number];

/** As many as a map of 4096 x 4096 pixels has; a list of more would take gigabytes. */
const MOST_CELLS = 2 ** 24;

/**
 * The cells of a grid in some order, each once, numbered row by row.
 *
 * @param order `rows`: row by row; `columns`: column by column; `snake`: row by row, every other row from right to left;
 *   `morton`: in squares of squares, by the interleaved bits of row and column (Z-order)
 * @throws FoveaError `bad-argument` for another order, or a grid of no cells or of more than 2^24
 */
export function cellOrder(order: CellOrder, rows: number, columns: number): number[] {
  expectArgument(order, oneOf(CELL_ORDERS), 'cellOrder: order');
  expectArgument(rows, aCount, 'cellOrder: rows');
  expectArgument(columns, aCount, 'cellOrder: columns');
  if (rows * columns > MOST_CELLS)
    throw new FoveaError(
      'bad-argument',
      `cellOrder: a grid of ${rows} x ${columns} cells; at most ${MOST_CELLS} cells are accepted`,
    );
  const key = keys[order](rows, columns);
  return Array.from({ length: rows * columns }, (_, cell) => cell)
    .map((cell) => [key(Math.floor(cell / columns), cell % columns), cell] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, cell]) => cell);
}

/** What the cells of a grid are sorted by. */
const keys: Record<CellOrder, (rows: number, columns: number) => (row: number, column: number) => number> = {
  rows: (_, columns) => (row, column) => row * columns + column,
  columns: (rows) => (row, column) => column * rows + row,
  snake: (_, columns) => (row, column) => row * columns + (row % 2 === 0 ? column : columns - 1 - column),
  morton: () => interleaved,
};

/** The bits of two numbers in turn, those of `low` first; beyond 32 bits, hence no shifts. */
function interleaved(high: number, low: number): number {
  let key = 0;
  for (let place = 1, [y, x] = [high, low]; y > 0 || x > 0; place *= 4) {
    key += place * ((x % 2) + 2 * (y % 2));
    [y, x] = [Math.floor(y / 2), Math.floor(x / 2)];
  }
  return key;
}

/**
 * Steps whose masks go through their active cells in an order of their own: for rewrites. Packed rows, gathered cells and
 * convolutions at a mask's own pixels then go cell by cell, the pixels of each cell in raster order. Streams are cut
 * before a convolution that reads around its pixels, because it would read of the next cells what is not there yet.
 *
 * @param order answers with the cells of a grid of so many rows and columns, each once, numbered row by row
 * @returns a new list
 * @throws FoveaError `bad-argument` for something that is no list of steps or no function
 */
export function orderCells(
  steps: readonly Step[],
  order: (rows: number, columns: number) => readonly number[],
): Step[] {
  expectSteps(steps, 'orderCells: steps');
  expectArgument(order, aFunction, 'orderCells: order');
  const ordered = new Set<ProgramMask>();
  let listed: readonly Step[] = steps.map((step) => ({
    ...step,
    operations: step.operations.map((operation) => {
      if (operation.kind !== 'index') return operation;
      const { mask } = operation;
      ordered.add(mask);
      return { ...operation, order: order(mask.rows, mask.columns) };
    }),
  }));
  for (let at = 0; at < listed.length; at++) {
    const cut = cutOf(listed[at]!.operations, (mask) => ordered.has(mask));
    if (cut) listed = splitStep(listed, listed[at]!, cut.at);
  }
  return [...listed];
}

/** Why a list is no order of a mask's cells; undefined when it is one. */
export function orderProblem(order: readonly number[], { rows, columns }: ProgramMask): string | undefined {
  const accepted = `each of ${rows} x ${columns} cells is accepted once, from 0 to ${rows * columns - 1}`;
  const seen = new Set<number>();
  for (const cell of order) {
    if (!Number.isInteger(cell) || cell < 0 || cell >= rows * columns)
      return `an order of cells with ${cell}; ${accepted}`;
    if (seen.has(cell)) return `an order of cells with ${cell} twice; ${accepted}`;
    seen.add(cell);
  }
  return seen.size === rows * columns ? undefined : `an order of ${seen.size} cells; ${accepted}`;
}

/**
 * Why operations do not run interleaved once some masks go through their cells in an order of their own; undefined when
 * they do.
 */
export function orderedStreamProblem(
  operations: readonly Operation[],
  isOrdered: (mask: ProgramMask) => boolean,
): string | undefined {
  return cutOf(operations, isOrdered)?.because;
}

/** Where a stream has to be cut, before which of its operations; undefined when it need not be. */
function cutOf(
  operations: readonly Operation[],
  isOrdered: (mask: ProgramMask) => boolean,
): { readonly at: number; readonly because: string } | undefined {
  const writers = operations.filter((operation): operation is Convolve => operation.kind === 'convolve');
  const ordered = writers.filter(({ region }) => region && !region.reads && isOrdered(region.mask));
  const [first] = writers;
  for (const writer of ordered) {
    const { convolution, source, region } = writer;
    const { layout } = source;
    if (writer === first || (layout.kind === 'packed' && layout.region === region)) continue;
    return {
      at: operations.indexOf(writer),
      because: `${convolution.name} goes through cells in an order of their own, and would read around them what is not there yet: only what reads packed rows follows in such a stream`,
    };
  }
  const last = writers.at(-1);
  if (ordered.length === 0 || first === last || first!.source !== last!.destination) return undefined;
  return {
    at: operations.indexOf(last!),
    because: `map ${last!.destination.id} is written over cell by cell while ${first!.convolution.name} still reads it`,
  };
}
