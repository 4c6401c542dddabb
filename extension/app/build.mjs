import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fingerprint, isUpToDate, writeStamp } from '../../scripts/fingerprint.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const stamp = join(here, 'dist', '.fingerprint');
const print = fingerprint(
  ['lib', 'package.json', 'compile.mjs', 'bundle.mjs'].map((path) => join(here, path)),
  'extension/app',
);

if (isUpToDate(stamp, print)) process.exit(0);
rmSync(stamp, { force: true });
// The bundler's output matters only when it fails.
const { status, stdout, stderr } = spawnSync(process.execPath, [join(here, 'compile.mjs')], {
  encoding: 'utf8',
});
if (status !== 0) {
  process.stderr.write(`${stdout}${stderr}`);
  process.exit(status ?? 1);
}
writeStamp(stamp, print);
