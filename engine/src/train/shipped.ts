import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expectArgument } from '../arguments/expect.js';
import { aText } from '../arguments/kinds.js';
import { didYouMean } from '../did-you-mean.js';
import { FoveaError } from '../errors.js';
import { loadNetwork } from '../network/load.js';
import type { Network } from '../network/network.js';

/** Name of a trained network that comes with the engine; editors offer those that there are. */
export type ShippedModelName = 'quick-look' | (string & Record<never, never>);

/** Trained networks that come with the engine, by name. */
export const shippedModelNames: readonly string[] = ['quick-look'];

/**
 * Where a shipped model's weights lie; its configuration and the recipe that made it lie beside it.
 * @throws FoveaError `unknown-name` listing what there is, `io` when the installation lacks the file
 */
export function shippedModelPath(name: string): string {
  if (!shippedModelNames.includes(name)) {
    throw new FoveaError(
      'unknown-name',
      `no model "${name}" is shipped; there is ${shippedModelNames.join(', ')}${didYouMean(name, shippedModelNames)}`,
    );
  }
  const path = fileURLToPath(new URL(`../../models/${name}.safetensors`, import.meta.url));
  if (!existsSync(path))
    throw new FoveaError('io', `the shipped model ${path} is missing from this installation`);
  return path;
}

/**
 * Loads a trained network that comes with the engine.
 *
 * @example
 * ```ts
 * import { loadShippedModel } from '@fovea/engine';
 *
 * const { name, labels } = await loadShippedModel('quick-look');
 * console.log(name, labels);
 * ```
 */
export async function loadShippedModel(name: ShippedModelName = 'quick-look'): Promise<Network> {
  expectArgument(name, aText, 'loadShippedModel: name');
  return loadNetwork(shippedModelPath(name));
}
