import { pathToFileURL } from 'node:url';
import { root, step } from '../steps.mjs';

/** Compiles the differential tests' own modules and loads some of them. @returns all that these export */
export async function loadDifferential(...names) {
  step('compiling the differential tests', process.execPath, [
    'node_modules/typescript/bin/tsc',
    '-p',
    'scripts/fuzz',
  ]);
  const folder = pathToFileURL(`${root}/node_modules/.cache/fovea/differential/test/engine/differential/`);
  const loaded = await Promise.all(names.map((name) => import(new URL(`${name}.js`, folder))));
  return Object.assign({}, ...loaded);
}
