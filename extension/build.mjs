import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fingerprint, isUpToDate, writeStamp } from '../scripts/fingerprint.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const { outputDir } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')).jupyterlab;
const output = join(here, outputDir);
/** Beside the output, not in it: everything inside is copied to where Jupyter looks. */
const stamp = join(here, 'dist', '.fingerprint');
const print = fingerprint(
  ['lib', 'style', 'schema', 'package.json', 'build.mjs'].map((path) => join(here, path)),
  'extension',
);

if (isUpToDate(stamp, print)) process.exit(0);
rmSync(stamp, { force: true });
rmSync(output, { recursive: true, force: true });
const require = createRequire(import.meta.url);
const builder = join(dirname(require.resolve('@jupyter/builder')), 'build-labextension.js');
const coreMeta = require.resolve('@jupyterlab/core-meta/core.package.json');
const { status, stdout, stderr } = spawnSync(
  process.execPath,
  [builder, '--core-package-file', coreMeta, here],
  { encoding: 'utf8' },
);
if (status !== 0) {
  process.stderr.write(`${stdout}${stderr}`);
  process.exit(status ?? 1);
}
writeStamp(stamp, print);
