import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/temporary-folder.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Tarball {
  readonly name: string;
  readonly path: string;
}

/** Packs the three packages into a folder of their own, as `npm run pack` does; it is gone after the tests of the file. */
export function packAll(): { folder: string; tarballs: Tarball[] } {
  const folder = temporaryFolder('fovea-pack-');
  const { status, stderr } = spawnSync(process.execPath, ['scripts/pack.mjs', folder], {
    cwd: root,
    encoding: 'utf8',
    env: plainEnvironment(),
  });
  if (status !== 0) throw new Error(stderr);
  const tarballs = readdirSync(folder)
    .filter((file) => file.endsWith('.tgz'))
    .map((file) => ({
      name: file.replace(/-\d.*$/, '').replace('fovea-', '@fovea/'),
      path: join(folder, file),
    }));
  return { folder, tarballs };
}

/** The environment without what npm put into it when it started the tests: its settings would reach `npm install`. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
}

export const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
