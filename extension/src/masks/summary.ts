import { counted, formatPercent } from '@fovea/kernel/presentation';
import type { MasksBlock, MasksDocument } from '../documents/types';
import type { Cell } from './geometry';
import type { Heat } from './heat';

type MasksImage = MasksDocument['images'][number];

/** Blocks in order, gathered by stage. */
export interface StageBlocks {
  readonly stage: number;
  readonly blocks: readonly { readonly block: MasksBlock; readonly position: number }[];
}

/** Gathers consecutive blocks of the same stage; stages count from 0 in documents and from 1 on the page. */
export function byStage(blocks: readonly MasksBlock[]): StageBlocks[] {
  const stages: { stage: number; blocks: { block: MasksBlock; position: number }[] }[] = [];
  blocks.forEach((block, position) => {
    const last = stages[stages.length - 1];
    if (last?.stage === block.stage) last.blocks.push({ block, position });
    else stages.push({ stage: block.stage, blocks: [{ block, position }] });
  });
  return stages;
}

/** Places a side at which masks of different grids are compared. */
const PLACES = 28;

/**
 * Where to begin: the block whose mask says most, its rate near the middle and its cells where the other blocks compute
 * too. Of equals the first.
 */
export function firstTelling(blocks: readonly MasksBlock[]): number {
  const maps = blocks.map(({ cells, rows, columns }) =>
    Array.from({ length: PLACES * PLACES }, (_, i) => {
      const row = Math.floor((Math.floor(i / PLACES) * rows) / PLACES);
      const column = Math.floor(((i % PLACES) * columns) / PLACES);
      return cells[row * columns + column] === '1' ? 1 : 0;
    }),
  );
  const heat = Array.from({ length: PLACES * PLACES }, (_, i) => maps.reduce((sum, map) => sum + map[i]!, 0));
  const scores = blocks.map(({ rate }, at) => {
    const others = heat.map((count, i) => count - maps[at]![i]!);
    // Even a mask that follows no other has a shape to see, one without a shape has none.
    return rate * (1 - rate) * (0.25 + Math.max(0, correlation(maps[at]!, others)));
  });
  return blocks.length === 0 ? 0 : scores.indexOf(Math.max(...scores));
}

/** Pearson's correlation; 0 where one of both never changes. */
function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  const of = (x: readonly number[], meanX: number, y: readonly number[], meanY: number) =>
    x.reduce((sum, value, i) => sum + (value - meanX) * (y[i]! - meanY), 0);
  const scale = Math.sqrt(of(a, meanA, a, meanA) * of(b, meanB, b, meanB));
  return scale > 0 ? of(a, meanA, b, meanB) / scale : 0;
}

/** What a mask without a shape means; undefined for all others. */
export function wholeBlockSentence({ rate }: MasksBlock): string | undefined {
  if (rate === 0) return 'Skipped completely: the output is the shortcut alone.';
  if (rate === 1) return 'Computed everywhere: this image needs the whole block.';
  return undefined;
}

/** `2 of 9 blocks skipped as a whole`, or nothing where none is. */
export function skippedSentence(blocks: readonly MasksBlock[]): string | undefined {
  const skipped = blocks.filter(({ rate }) => rate === 0).length;
  return skipped === 0 ? undefined : `${skipped} of ${counted(blocks.length, 'block')} skipped as a whole`;
}

/** Mean activation rate over blocks; 0 when there are none. */
export function meanRate(blocks: readonly MasksBlock[]): number {
  return blocks.length === 0 ? 0 : blocks.reduce((sum, block) => sum + block.rate, 0) / blocks.length;
}

/** `Block 5 of 16, layer2.1: stage 2, granularity 4, 38 % active.` */
export function blockSentence(blocks: readonly MasksBlock[], position: number): string {
  const block = blocks[position];
  if (!block) return 'No blocks with masks.';
  return (
    `Block ${position + 1} of ${blocks.length}, ${block.name}: stage ${block.stage + 1}, ` +
    `granularity ${block.granularity}, ${formatPercent(block.rate)} active.`
  );
}

/** What a person who does not see the picture should know of it. */
export function imageSentence(document: MasksDocument, image: MasksImage): string {
  const best = image.top?.[0];
  const seen = best ? `, seen as ${best.label} with ${formatPercent(best.probability)}` : '';
  return (
    `Masks of ${document.network} over ${image.name}${seen}: ${counted(image.blocks.length, 'block')}, ` +
    `${formatPercent(meanRate(image.blocks))} active on average.`
  );
}

/** `Row 3, column 5 runs · margin +1.24 · map y 12–15, x 20–23 · 38 % of its block active` */
export function cellSentence(cell: Cell, rate: number): string {
  const span = ([first, last]: readonly [number, number]) =>
    first === last ? `${first}` : `${first}–${last}`;
  const margin =
    cell.margin === undefined
      ? ''
      : ` · margin ${cell.margin < 0 ? '−' : '+'}${Math.abs(cell.margin).toFixed(2)}`;
  return (
    `Row ${cell.row + 1}, column ${cell.column + 1} ${cell.active ? 'runs' : 'is skipped'}${margin}` +
    ` · map y ${span(cell.y)}, x ${span(cell.x)} · ${formatPercent(rate)} of its block active`
  );
}

/** `On average 6.2 of 16 blocks run at a pixel; 2 at the least, 14 at the most.` */
export function heatSentence(heat: Heat): string {
  let least = heat.blocks;
  let most = 0;
  for (const count of heat.counts) {
    if (count < least) least = count;
    if (count > most) most = count;
  }
  return (
    `On average ${Number(heat.mean.toFixed(1))} of ${counted(heat.blocks, 'block')} run at a pixel; ` +
    `${least} at the least, ${most} at the most.`
  );
}
