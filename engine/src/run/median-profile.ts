import { expectArgument } from '../arguments/expect.js';
import { aProfile, listOf } from '../arguments/kinds.js';
import { FoveaError } from '../errors.js';
import type { Profile } from '../profile.js';

/** Of values with a time, the one whose time is in the middle; the earlier of the middle two. */
function middle<T extends { readonly totalMs: number }>(values: readonly T[]): T {
  return [...values].sort((a, b) => a.totalMs - b.totalMs)[(values.length - 1) >> 1]!;
}

/**
 * One profile of several runs of the same program: the whole, every block and every pass each take the run in which
 * their own time was in the middle. A run that was interrupted somewhere then shows nowhere; the middle run alone
 * would still show every pass at the moment it happened to have.
 *
 * @returns a profile whose parts need not add up to its total exactly
 * @throws FoveaError `bad-argument` for no profiles, or profiles of different programs
 *
 * @example
 * ```ts
 * import { builtNetwork, medianProfile, run, Tensor } from '@fovea/engine';
 *
 * const network = builtNetwork('resnet18');
 * const profiles = [];
 * for (let i = 0; i < 5; i++) {
 *   profiles.push((await run(network, Tensor.zeros([1, 64, 64, 3]), { masker: 'random' })).profile);
 * }
 * console.log(medianProfile(profiles).totalMs);
 * ```
 */
export function medianProfile(profiles: readonly Profile[]): Profile {
  expectArgument(profiles, listOf(aProfile, 'profiles, as run and predict give,'), 'medianProfile: profiles');
  const [first] = profiles;
  if (!first) throw new FoveaError('bad-argument', 'no profiles: at least one is needed');
  for (const { ops, blocks } of profiles) {
    if (ops.length !== first.ops.length || blocks.length !== first.blocks.length) {
      throw new FoveaError(
        'bad-argument',
        `profiles of ${first.ops.length} and ${ops.length} passes: runs of one program are accepted`,
      );
    }
  }
  return {
    ...middle(profiles),
    ops: first.ops.map((_, index) => middle(profiles.map(({ ops }) => ops[index]!))),
    blocks: first.blocks.map((_, index) => middle(profiles.map(({ blocks }) => blocks[index]!))),
  };
}
