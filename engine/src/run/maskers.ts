import { FoveaError } from '../errors.js';
import { learnedMasker } from '../mask/learned.js';
import type { Masker } from '../mask/mask.js';
import { randomMasker } from '../mask/random.js';
import { saliencyMasker } from '../mask/saliency.js';
import { blocksOf, type Network } from '../network/network.js';
import type { NetworkRunOptions } from './options.js';

/** Who decides the masks where nothing is said: `learned` when every adaptive block has a learned masker. */
export function defaultMasker(network: Network): 'learned' | 'saliency' {
  const adaptive = blocksOf(network).filter((block) => block.adaptive);
  return adaptive.length > 0 && adaptive.every((block) => block.masker) ? 'learned' : 'saliency';
}

/**
 * One masker per block from what the options say.
 * @throws FoveaError `unsupported` when `learned` is asked for and a block has none
 */
export function resolveMaskers(
  network: Network,
  { masker, rate = 0.5, seed }: Pick<NetworkRunOptions, 'masker' | 'rate' | 'seed'>,
): Masker[] {
  const blocks = blocksOf(network);
  if (Array.isArray(masker)) {
    if (masker.length !== blocks.length) {
      throw new FoveaError(
        'bad-argument',
        `${masker.length} maskers given; ${blocks.length} (one per block) are accepted`,
      );
    }
    return [...masker];
  }
  const wanted = masker ?? defaultMasker(network);
  if (typeof wanted === 'object') return blocks.map(() => wanted as Masker);
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
        `unknown masker "${String(wanted)}"; learned, saliency, random or a Masker are accepted`,
      );
  }
}
