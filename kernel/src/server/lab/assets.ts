import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FoveaError } from '@fovea/engine';

/** The built parts that the server hands to the browser. */
export interface LabAssets {
  /** Output of the lab application's build: `static/`, `schemas/`, `themes/`, `entry.json`. */
  readonly app: string;
  /** Folder of prebuilt labextensions, `<name>/package.json` or `@scope/<name>/package.json` inside. */
  readonly labextensions: string;
}

const fromHere = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Places in which the parts are found: beside this package in its repository, or packed into it. */
const PLACES: readonly LabAssets[] = [
  {
    app: fromHere('../../../../extension/app/dist'),
    labextensions: fromHere('../../../../extension/dist'),
  },
  { app: fromHere('../../../resources/app'), labextensions: fromHere('../../../resources/labextensions') },
];

/**
 * Finds the built application and labextension.
 * @throws FoveaError `bad-file` when they have not been built
 */
export function findAssets(): LabAssets {
  const found = PLACES.find(({ app }) => existsSync(`${app}/entry.json`));
  if (!found) throw new FoveaError('bad-file', 'The lab application is not built; npm run build builds it');
  return found;
}
