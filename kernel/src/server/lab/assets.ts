import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { FoveaError } from '@fovea/engine';

/** The built parts that the server hands to the browser. */
export interface LabAssets {
  /** Output of the lab application's build: `static/`, `schemas/`, `themes/`, `entry.json`. */
  readonly app: string;
  /** Folder of prebuilt labextensions, `<name>/package.json` or `@scope/<name>/package.json` inside. */
  readonly labextensions: string;
}

/**
 * Finds the built application and labextension.
 * @throws FoveaError `bad-file` when they are not there
 */
export function findAssets(): LabAssets {
  const folder = labFolder();
  const app = join(folder, 'app', 'dist');
  if (!existsSync(join(app, 'entry.json'))) {
    throw new FoveaError('bad-file', 'The lab application is not built; npm run build builds it');
  }
  return { app, labextensions: join(folder, 'dist') };
}

/** The folder of the package `@fovea/lab`: in its repository or as installed from npm. */
function labFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve('@fovea/lab/package.json'));
  } catch (cause) {
    throw new FoveaError(
      'bad-file',
      'The package @fovea/lab is missing; npm install @fovea/lab installs it',
      {
        cause,
      },
    );
  }
}
