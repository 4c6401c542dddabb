import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rspack } from '@rspack/core';
import { bundle } from './bundle.mjs';

/** Runs the bundler once; the exit code says how it went. `build.mjs` calls this when something has changed. */
const compiler = rspack(bundle(join(fileURLToPath(new URL('.', import.meta.url)), 'dist')));
compiler.run((error, stats) => {
  const errors = error
    ? [error.stack ?? String(error)]
    : stats.toJson({ all: false, errors: true }).children.flatMap((child) => child.errors);
  for (const each of errors.slice(0, 20)) process.stderr.write(`${each.message ?? each}\n`);
  compiler.close(() => process.exit(errors.length > 0 ? 1 : 0));
});
