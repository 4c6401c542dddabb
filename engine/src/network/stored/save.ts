import { expectArgument } from '../../arguments/expect.js';
import { aNetwork, aText } from '../../arguments/kinds.js';
import { FoveaError } from '../../errors.js';
import { replaceFile } from '../../replace-file.js';
import type { Network } from '../network.js';
import { storeNetwork } from './write.js';

/**
 * Saves a network with its maskers as one file, which `loadNetwork` and every command take.
 * @param path ends in `.safetensors`
 * @throws FoveaError `bad-argument` for another ending, `io`; an older file is then kept
 *
 * @example
 * ```ts
 * import { loadNetwork, loadShippedModel } from '@fovea/engine';
 * import { saveNetwork } from '@fovea/engine/train';
 * import { mkdtemp, rm } from 'node:fs/promises';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 *
 * const folder = await mkdtemp(join(tmpdir(), 'fovea-'));
 * await saveNetwork(join(folder, 'network.safetensors'), await loadShippedModel());
 * console.log((await loadNetwork(join(folder, 'network.safetensors'))).name);
 * await rm(folder, { recursive: true });
 * ```
 */
export async function saveNetwork(path: string, network: Network): Promise<void> {
  expectArgument(network, aNetwork, 'saveNetwork: network');
  await replaceFile(checkModelPath(path), storeNetwork(network));
}

/** @throws FoveaError `bad-argument` for a path that says it is no safetensors file */
export function checkModelPath(path: string): string {
  expectArgument(path, aText, 'path');
  if (path.endsWith('.safetensors')) return path;
  throw new FoveaError(
    'bad-argument',
    `cannot save a model as ${path}: a name that ends in .safetensors is accepted`,
  );
}
