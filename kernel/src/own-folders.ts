import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folders of the kernel's package and of the engine's, each with a separator at its end. */
export const ownFolders: readonly string[] = [
  fileURLToPath(new URL('../', import.meta.url)),
  `${dirname(createRequire(import.meta.url).resolve('@fovea/engine/package.json'))}${sep}`,
];
