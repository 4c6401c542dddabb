import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { npmProgram } from './npm.mjs';

/** The repository's root folder. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs one command in the root with its output shown; a failure ends the script with the same code. */
export function step(title, command, args, options = {}) {
  const started = performance.now();
  process.stderr.write(`fovea: ${title} …\n`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error || status !== 0) {
    process.stderr.write(`fovea: ${title} failed${error ? `: ${error.message}` : ''}\n`);
    process.exit(status || 1);
  }
  process.stderr.write(`fovea: ${title} took ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
}

/** Installs dependencies when they are missing. */
export function ensureInstalled() {
  if (existsSync(`${root}/node_modules/.package-lock.json`)) return;
  const [program, ...first] = npmProgram();
  step('installing dependencies', program, [...first, 'ci']);
}

/** Builds native kernels, TypeScript, the labextension and the lab application, each only when out of date. */
export function build() {
  step('building native kernels', process.execPath, ['engine/native/build.mjs', '--optional']);
  step('compiling TypeScript', process.execPath, ['node_modules/typescript/bin/tsc', '-b']);
  for (const [title, script] of [
    ['building the labextension', 'extension/build.mjs'],
    ['building the lab application', 'extension/app/build.mjs'],
  ]) {
    if (existsSync(`${root}/${script}`)) step(title, process.execPath, [script]);
  }
}
