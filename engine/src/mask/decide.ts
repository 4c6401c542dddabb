import { expectArgument, expectFields } from '../arguments/expect.js';
import {
  aBlock,
  aBlockShape,
  aCount,
  aFunction,
  aMasker,
  aNumber,
  aSignal,
  floats,
} from '../arguments/kinds.js';
import { said } from '../arguments/said.js';
import { FoveaError } from '../errors.js';
import type { Block } from '../network/network.js';
import type { BlockShape } from '../network/shapes.js';
import { type Asking, ask } from './ask.js';
import { maskGrid } from './geometry.js';
import type { Mask, MaskDecision, Masker } from './mask.js';

/**
 * Checks what a masker answered: one cell of 0 or 1 for each of the grid's, and for margins one number each.
 * @param wanted how many cells there are
 * @returns the cells as given, which the masker may change later, and a copy of the margins
 * @throws FoveaError `bad-shape` for another number of cells or margins, `bad-argument` for a cell that is neither or a
 *   margin that is no number
 */
export function checkDecision(
  decision: MaskDecision,
  masker: Masker,
  block: Block,
  wanted: number,
): MaskDecision {
  const said = nameOf(masker);
  const { cells, margins }: Partial<MaskDecision> = decision ?? {};
  if (cells?.length !== wanted || (margins != null && margins.length !== wanted)) {
    const [what, count] =
      cells?.length === wanted ? ['margins', margins!.length] : ['cells', cells?.length ?? 'no'];
    throw new FoveaError(
      'bad-shape',
      `${said} answered ${String(count)} ${what} for block ${block.index}; ${wanted} are needed`,
    );
  }
  for (let i = 0; i < wanted; i++)
    if (cells[i] !== 0 && cells[i] !== 1) refuse(masker, block.index, cells[i], `cell ${i}`, '0 or 1');
  if (margins == null) return { cells };
  const copy = new Float32Array(wanted);
  for (let i = 0; i < wanted; i++) {
    if (typeof margins[i] !== 'number')
      refuse(masker, block.index, margins[i], `the margin of cell ${i}`, 'a number');
    copy[i] = margins[i]!;
  }
  checkMargins(copy, masker, block.index);
  return { cells, margins: copy };
}

/**
 * Checks margins, whoever computed them: by one that is no number nothing was decided. Values that overflow single
 * precision in front of a masker make such margins.
 * @throws FoveaError `bad-argument` naming the first cell whose margin is no number
 */
export function checkMargins(margins: Float32Array, masker: Masker, block: number): void {
  // A loop: every run of a few milliseconds checks thousands.
  for (let cell = 0; cell < margins.length; cell++)
    if (Number.isNaN(margins[cell]))
      refuse(masker, block, Number.NaN, `the margin of cell ${cell}`, 'a number');
}

const nameOf = ({ description }: Masker): string => `masker ${said(description)}`;

function refuse(masker: Masker, block: number, value: unknown, what: string, accepted: string): never {
  throw new FoveaError(
    'bad-argument',
    `${nameOf(masker)} answered ${String(value)} for ${what} of block ${block}; ${accepted} is accepted`,
  );
}

/**
 * Asks `masker` for a block's mask and checks the answer.
 * @param pool called only when the masker reads the pooled input
 * @throws FoveaError as `ask` and `checkDecision` do
 */
export async function decideMask(
  masker: Masker,
  block: Block,
  shape: BlockShape,
  batch: number,
  granularity: number,
  pool: (grid: { rows: number; columns: number }) => Float32Array,
  asking: Asking = {},
): Promise<Mask> {
  expectArgument(masker, aMasker, 'decideMask: masker');
  expectArgument(block, aBlock, 'decideMask: block');
  expectArgument(shape, aBlockShape, 'decideMask: shape');
  expectArgument(batch, aCount, 'decideMask: batch');
  expectArgument(granularity, aNumber, 'decideMask: granularity');
  expectArgument(pool, aFunction, 'decideMask: pool');
  expectFields(asking, { signal: aSignal, onWait: aFunction }, 'decideMask: asking');
  const grid = maskGrid(shape.outHeight, shape.outWidth, granularity);
  const pooled = masker.needsPool
    ? expectArgument(pool(grid), floats, 'decideMask: the result of pool,')
    : new Float32Array(0);
  const answer = await ask(masker, { block, shape, granularity, batch, ...grid, pooled }, asking);
  const { cells, margins } = checkDecision(answer, masker, block, batch * grid.rows * grid.columns);
  return {
    block: block.index,
    granularity,
    batch,
    ...grid,
    height: shape.outHeight,
    width: shape.outWidth,
    cells: Uint8Array.from(cells),
    ...(margins ? { margins } : {}),
  };
}
