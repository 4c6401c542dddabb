import { join } from 'node:path';
import { FoveaError } from '@fovea/engine/errors';
import { awaitLock, processSpace, type Release } from '@fovea/engine/files';
import { dataFolder } from '@fovea/engine/internal';

/** Of this machine: others that share the user's folder measure themselves. */
const lockPath = () => join(dataFolder(), `measuring-${processSpace}.lock`);

/**
 * Measures while no other process of this user does on this machine, whose measurements would include this one.
 * @param signal gives up waiting for others
 * @throws what `measure` throws, and the signal's reason
 */
export async function measureAlone<Result>(
  measure: () => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  const release = await awaitLock(lockPath(), signal).catch((error: unknown): Release | undefined => {
    // Where no lock can be written, measuring beside others is better than not at all.
    if (error instanceof FoveaError) return undefined;
    throw error;
  });
  try {
    return await measure();
  } finally {
    await release?.();
  }
}
