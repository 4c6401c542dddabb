import { expectArgument } from '../arguments/expect.js';
import { aNumberOrNumbers } from '../arguments/kinds.js';
import { said } from '../arguments/said.js';
import { FoveaError } from '../errors.js';
import type { Masker } from './mask.js';

/** @throws FoveaError `bad-argument` when `rate` is not a number from 0 to 1 */
export function checkRate(rate: number): number {
  if (typeof rate !== 'number' || !(rate >= 0 && rate <= 1)) {
    throw new FoveaError('bad-argument', `activation rate ${said(rate)}: a number from 0 to 1 is accepted`);
  }
  return rate;
}

/**
 * The rates to assume for a network: those given, or else those that its maskers keep to.
 * @param maskers one per block
 */
export function assumedRates(
  rate: number | readonly number[] | undefined,
  maskers: readonly Masker[] | undefined,
  blocks: number,
): number[] {
  const rates = resolveRates(rate, blocks);
  return rate === undefined && maskers ? rates.map((usual, i) => maskers[i]?.rate ?? usual) : rates;
}

/**
 * The activation rate of every block.
 * @param rate one for all, or a list of one per block; 0.5 when left out
 * @param blocks how many blocks there are
 * @throws FoveaError `bad-argument` for a rate outside 0…1 or a list of another length
 */
export function resolveRates(rate: number | readonly number[] = 0.5, blocks: number): number[] {
  expectArgument(rate, aNumberOrNumbers, 'activation rate');
  const given = typeof rate === 'number' ? [rate] : rate;
  if (given.length !== 1 && given.length !== blocks) {
    throw new FoveaError(
      'bad-argument',
      `${given.length} rates given; 1 or ${blocks} (one per block) are accepted`,
    );
  }
  given.forEach(checkRate);
  return given.length === blocks ? [...given] : new Array<number>(blocks).fill(given[0]!);
}
