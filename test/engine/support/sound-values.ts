import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as engine from '@fovea/engine';
import * as training from '@fovea/engine/train';
import { layoutOf } from '../../../engine/src/train/architecture.js';
import { Parameters } from '../../../engine/src/train/parameters.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import type { SoundCall } from '../../support/wrong-values.js';
import { smallNetwork } from './small-network.js';

/** Numbers that are no slip where any integer is a seed, any size above zero a granularity, and so on. */
export const ANY_INTEGER = '-1 1e300 2**53';
export const ANY_SIZE = '1e300 2**53 Infinity';
export const HALF = '0.5';

export const network = smallNetwork({ height: 32, mapWidth: 32, excite: true });
export const folder = temporaryFolder('fovea-sound-calls-');
export const { height, width } = network.inputShape;
export const input = engine.Tensor.zeros([1, height, width, 3]);
export const image = { width: 8, height: 8, data: new Uint8Array(192) };
export const onProgress = () => undefined;
export const { signal } = new AbortController();
export const parameters = new Parameters(
  layoutOf({ kind: 'basic', layers: [1, 1], width: 8, size: 32, classes: 10, granularity: [2, 1] }),
);
export const aborted = AbortSignal.abort();

export const recipe = {
  ...{ name: 'small', seed: 1, batch: 2 },
  architecture: { kind: 'basic', layers: [1, 1], width: 8, size: 32, classes: 10, granularity: [2, 1] },
  data: { kind: 'generated', train: 4, test: 4 },
  dense: { epochs: 1, rate: 0.1, decay: 0 },
} as unknown as training.Recipe;
export const safetensors = training.writeSafetensors({ a: { shape: [2], values: new Float32Array(2) } });
writeFileSync(join(folder, 'a.safetensors'), safetensors);
writeFileSync(join(folder, 'recipe.json'), JSON.stringify(recipe));

export const running = { backend: 'reference', threads: 1, signal };
export const runAlso = (at: string) => ({
  [`${at}.granularity`]: ANY_SIZE,
  [`${at}.rate`]: HALF,
  [`${at}.seed`]: ANY_INTEGER,
});
export const sizes = { batch: 1, height, width };

/** A call, and what else would be sound in it. */
export const call = (given: readonly unknown[], also: SoundCall['also'] = {}): SoundCall => ({
  arguments: given,
  also,
});
