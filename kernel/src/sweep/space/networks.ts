import { existsSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { blocksOf, FoveaError, type Network } from '@fovea/engine';
import { dataFolder, resolveGranularity, resolveMaskers } from '@fovea/engine/internal';
import { openModel } from '../../cli/options/model.js';
import { findKept, keptMaterial, namesKept, shortName } from '../kept-networks.js';
import { type Material, networkMaterial } from '../material.js';
import type { PlainGranularity } from '../point.js';
import { touch } from '../storage/stored.js';
import type { CheckedSpace } from './check-space.js';

/** A network of a space as its points name it. */
export interface SpaceNetwork {
  readonly name: string;
  /** Only of a file, which workers need to be given. */
  readonly material?: Material;
}

/**
 * Opens a network of a space once, so that a file that is damaged, an S that fits no stage or learned masks of a network
 * that has none are found before anything is queued.
 * @throws FoveaError as `openModel` does; `bad-argument` for a granularity that does not fit; `unsupported`
 */
export async function spaceNetwork(
  model: string,
  { granularities = [], maskers = [] }: Pick<CheckedSpace, 'granularities' | 'maskers'> = {},
): Promise<SpaceNetwork> {
  const kept = namesKept(model) ? findKept(dataFolder(), model) : undefined;
  const network = await openModel(model);
  for (const granularity of granularities) checkFits(network, granularity);
  if (maskers.includes('learned')) resolveMaskers(network, { masker: 'learned' });
  if (kept) {
    await touch(kept.path);
    const material = await keptMaterial(dataFolder(), kept.sha256);
    return { name: shortName(kept.sha256), material };
  }
  if (!existsSync(model)) return { name: model };
  return {
    name: basename(model, extname(model)),
    material: await networkMaterial(model, existsSync),
  };
}

function checkFits(network: Network, granularity: PlainGranularity): void {
  if (blocksOf(network).length === 0)
    throw new FoveaError('bad-argument', `${network.name} has no residual blocks that S could be set for`);
  try {
    resolveGranularity(network, engineGranularity(granularity));
  } catch (error) {
    if (!(error instanceof FoveaError)) throw error;
    throw new FoveaError(
      error.code,
      `granularity ${JSON.stringify(granularity)} for ${network.name}: ${error.message}`,
    );
  }
}

/** S as the engine takes it, where the whole map is `Infinity`. */
export function engineGranularity(granularity: PlainGranularity): number | readonly number[] {
  const one = (S: number | 'whole') => (S === 'whole' ? Number.POSITIVE_INFINITY : S);
  return typeof granularity === 'object' ? granularity.map(one) : one(granularity);
}
