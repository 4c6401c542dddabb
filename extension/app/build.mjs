import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rspack } from '@rspack/core';
import { fingerprint, isUpToDate, writeStamp } from '../../scripts/fingerprint.mjs';
import { bundle } from './bundle.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const output = join(here, 'dist');
const stamp = join(output, '.fingerprint');
const print = fingerprint(
  ['lib', 'package.json', 'build.mjs', 'bundle.mjs'].map((path) => join(here, path)),
  'extension/app',
);

/** Runs the bundler; resolves to its error messages. */
function compile() {
  return new Promise((resolve, reject) => {
    const compiler = rspack(bundle(output));
    compiler.run((error, stats) => {
      if (error) return reject(error);
      const { children } = stats.toJson({ all: false, errors: true });
      compiler.close(() => resolve(children.flatMap((child) => child.errors.map(({ message }) => message))));
    });
  });
}

if (isUpToDate(stamp, print)) process.exit(0);
rmSync(stamp, { force: true });
const errors = await compile();
if (errors.length > 0) {
  for (const message of errors.slice(0, 20)) process.stderr.write(`${message}\n`);
  process.exit(1);
}
writeStamp(stamp, print);
process.exit(0);
