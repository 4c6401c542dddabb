/**
 * npm run pack [-- FOLDER]: builds everything and packs the three packages into FOLDER, `dist` when left out. The
 * engine's tarball holds the native addon as prebuilt for this platform and, where a compiler for it is installed, for
 * 64-bit Arm Linux, and its sources for others. Declarations that no entry reaches are left out
 * (packed-declarations.mjs), and so are comments of JavaScript and C++ (packed-code.mjs).
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { npm } from './npm.mjs';
import { packedCopy } from './packed-code.mjs';
import { packAllDeclarations, packReachedDeclarations } from './packed-declarations.mjs';
import { pruneOutputs } from './prune.mjs';
import { build, ensureInstalled, root, step } from './steps.mjs';

ensureInstalled();
build();
const prebuild = (title, ...options) =>
  step(title, process.execPath, ['engine/native/build.mjs', '--optional', '--prebuilt', ...options]);
prebuild('linking the prebuilt addon');
if (process.arch !== 'arm64') prebuild('building the addon for 64-bit Arm Linux', '--arm64');

/** Folders, and the names that npm knows them by: a path would also mean the workspaces below it. */
const packages = { engine: '@fovea/engine', kernel: '@fovea/kernel', extension: '@fovea/lab' };
const withDeclarations = ['engine', 'kernel'];
for (const folder of Object.keys(packages)) pruneOutputs(folder);
const destination = resolve(process.argv[2] ?? join(root, 'dist'));
mkdirSync(destination, { recursive: true });
const copies = withDeclarations.map((folder) => {
  try {
    packReachedDeclarations(folder);
    return packedCopy(folder, packages[folder]);
  } finally {
    packAllDeclarations(folder);
  }
});
const { status, stdout, stderr } = npm(
  ['pack', '--json', '--pack-destination', destination, ...copies, join(root, 'extension')],
  { cwd: destination, encoding: 'utf8' },
);
for (const copy of copies) rmSync(copy, { recursive: true });
if (status !== 0) {
  process.stderr.write(stderr);
  process.exit(status ?? 1);
}
for (const { filename, size, unpackedSize } of Object.values(JSON.parse(stdout))) {
  const kB = (bytes) => `${Math.round(bytes / 1000)} kB`;
  process.stdout.write(`${join(destination, filename)} (${kB(size)}, unpacked ${kB(unpackedSize)})\n`);
}
