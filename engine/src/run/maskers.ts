import { expectArgument, expectFields } from '../arguments/expect.js';
import { aNetwork, aNumber, anInteger, later } from '../arguments/kinds.js';
import { said } from '../arguments/said.js';
import { didYouMean } from '../did-you-mean.js';
import { FoveaError } from '../errors.js';
import { learnedMasker } from '../mask/learned.js';
import type { Masker } from '../mask/mask.js';
import { randomMasker } from '../mask/random-masker.js';
import { checkRate } from '../mask/rate.js';
import { saliencyMasker } from '../mask/saliency.js';
import { blocksOf, type Network } from '../network/network.js';
import type { NetworkRunOptions } from './options.js';

/** Maskers that have a name. */
export const maskerNames = ['learned', 'saliency', 'random'] as const;

/** Who decides the masks where nothing is said: `learned` when every adaptive block has a learned masker. */
export function defaultMasker(network: Network): 'learned' | 'saliency' {
  const adaptive = blocksOf(network).filter((block) => block.adaptive);
  return adaptive.length > 0 && adaptive.every((block) => block.masker) ? 'learned' : 'saliency';
}

/** What of a run's options says who decides the masks. */
type MaskOptions = Pick<NetworkRunOptions, 'masker' | 'rate' | 'seed'>;

/**
 * One masker per block from what the options say.
 * @throws FoveaError `unsupported` when `learned` is asked for and a block has none, `bad-argument` for a rate or a
 *   seed that these masks would not follow
 */
export function resolveMaskers(network: Network, options: MaskOptions): Masker[] {
  expectArgument(network, aNetwork, 'resolveMaskers: network');
  expectFields(options, { masker: later, rate: aNumber, seed: anInteger }, 'resolveMaskers');
  checkFollowed(network, options);
  const { masker, rate = 0.5, seed } = options;
  const blocks = blocksOf(network);
  if (Array.isArray(masker)) {
    if (masker.length !== blocks.length) {
      throw new FoveaError(
        'bad-argument',
        `${masker.length} maskers given; ${blocks.length} (one per block) are accepted`,
      );
    }
    return masker.map((one, i) => checkMasker(one, `masker of block ${i}`));
  }
  const wanted = masker ?? defaultMasker(network);
  if (typeof wanted === 'object') {
    const one = checkMasker(wanted as Masker, 'masker');
    return blocks.map(() => one);
  }
  switch (wanted) {
    case 'learned': {
      const without = blocks.find((block) => block.adaptive && !block.masker);
      if (without) {
        throw new FoveaError(
          'unsupported',
          `masker "learned": block ${without.index} (${without.name}) of ${network.name} has none; ` +
            'choose saliency, random or fixed, or fit maskers first',
        );
      }
      return blocks.map(() => learnedMasker());
    }
    case 'saliency':
      return blocks.map(() => saliencyMasker(rate));
    case 'random':
      return blocks.map(() => randomMasker(rate, seed));
    default:
      throw new FoveaError(
        'unknown-name',
        `unknown masker ${said(wanted)}; ${maskerNames.join(', ')} or a Masker are accepted${didYouMean(wanted, maskerNames)}`,
      );
  }
}

/** @throws FoveaError `bad-argument` for anything that cannot decide masks */
function checkMasker(masker: Masker, what: string): Masker {
  if (typeof masker?.decide !== 'function') {
    throw new FoveaError(
      'bad-argument',
      `${what} without a function "decide"; customMasker makes one from a function`,
    );
  }
  if (masker.rate !== undefined) checkRate(masker.rate);
  return masker;
}

/**
 * @throws FoveaError `bad-argument` when a rate or a seed would be passed over in silence: learned and fixed masks have rates
 *   of their own, maskers given by value have drawn theirs already
 */
function checkFollowed(network: Network, { masker, rate, seed }: MaskOptions): void {
  const wanted = masker ?? defaultMasker(network);
  const all: readonly (string | Masker)[] = Array.isArray(wanted) ? wanted : [wanted as string | Masker];
  for (const one of all) {
    const kind = typeof one === 'string' ? one : one?.kind;
    if (rate !== undefined && (kind === 'learned' || kind === 'fixed')) {
      throw new FoveaError(
        'bad-argument',
        `rate ${rate}: ${kind} masks have rates of their own; masker saliency or random takes one`,
      );
    }
    if (rate !== undefined && typeof one === 'object' && one?.rate !== undefined && one.rate !== rate) {
      throw new FoveaError(
        'bad-argument',
        `rate ${rate}: the masker given (${one.description}) keeps to ${one.rate}; leave the rate out`,
      );
    }
    if (seed !== undefined && one !== 'random') {
      const drawn =
        typeof one === 'object' ? 'a masker given by value takes no other' : `${kind} masks draw nothing`;
      throw new FoveaError('bad-argument', `seed ${seed}: ${drawn}; masker random takes one`);
    }
  }
}
