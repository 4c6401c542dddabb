import { said } from '../arguments/said.js';
import { FoveaError } from '../errors.js';
import { blocksOf, type Network } from '../network/network.js';

/** S for a network: one for all blocks, or a list per stage, or a list per block. `Infinity` is the whole map. */
export type Granularity = number | readonly number[];

/** Number of stages of a network's blocks. */
export function stageCount(network: Network): number {
  return blocksOf(network).reduce((count, block) => Math.max(count, block.stage + 1), 0);
}

/**
 * @param source what asks for it, for the message
 * @throws FoveaError `bad-argument` for anything but integers of at least 1 and `Infinity`
 */
export function checkGranularity(value: number, source: string): void {
  if (
    typeof value !== 'number' ||
    !(value >= 1) ||
    !(Number.isInteger(value) || value === Number.POSITIVE_INFINITY)
  ) {
    throw new FoveaError(
      'bad-argument',
      `${source}: granularity S = ${said(value)}; an integer of at least 1 is accepted, or "whole"`,
    );
  }
}

/**
 * S of every block.
 * @param granularity left out, each block's own (as trained), or 1
 * @throws FoveaError `bad-argument` when a value is below 1 or the list fits neither stages nor blocks
 */
export function resolveGranularity(network: Network, granularity?: Granularity): number[] {
  const blocks = blocksOf(network);
  if (granularity === undefined) return blocks.map((block) => block.granularity ?? 1);
  const values = typeof granularity === 'number' ? [granularity] : granularity;
  if (!Array.isArray(values) && !ArrayBuffer.isView(values)) {
    throw new FoveaError(
      'bad-argument',
      `${network.name}: granularity S = ${said(granularity)}; a number is accepted, or a list of them`,
    );
  }
  for (const value of values) checkGranularity(value, network.name);
  const stages = stageCount(network);
  if (typeof granularity === 'number') return blocks.map(() => granularity);
  if (values.length === stages) return blocks.map((block) => values[block.stage]!);
  if (values.length === blocks.length) return [...values];
  if (values.length === 1) return blocks.map(() => values[0]!);
  throw new FoveaError(
    'bad-argument',
    `${values.length} granularities given; 1, ${stages} (one per stage) or ${blocks.length} (one per block) are accepted`,
  );
}

/** S as tables and JSON write it, which has no `Infinity`: a number, or `whole`. */
export function plainGranularity(S: number): number | 'whole' {
  return S === Number.POSITIVE_INFINITY ? 'whole' : S;
}

/**
 * Reads `8,4,7,1` or `4` or `whole,2,2,1`, as the command line writes granularities.
 * @throws FoveaError `bad-argument` naming the part that is not a granularity
 */
export function parseGranularity(text: string): number[] {
  return text.split(',').map((part) => {
    if (part.trim() === 'whole') return Number.POSITIVE_INFINITY;
    const value = Number(part);
    if (!Number.isInteger(value) || value < 1) {
      throw new FoveaError(
        'bad-argument',
        `granularity "${part}" in "${text}": integers of at least 1, or "whole", separated by commas are accepted`,
      );
    }
    return value;
  });
}
