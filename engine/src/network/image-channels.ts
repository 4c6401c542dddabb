import { FoveaError } from '../errors.js';
import type { Network } from './network.js';

/**
 * Channels of the images that a network takes: 3 in colour, 1 where they are grey.
 * @throws FoveaError `bad-argument` for a network of other inputs
 */
export function imageChannels({ name, inputShape: { channels } }: Network): 1 | 3 {
  if (channels === 1 || channels === 3) return channels;
  throw new FoveaError(
    'bad-argument',
    `${name} takes ${channels} channels; images have 3, or 1 where they are grey`,
  );
}
