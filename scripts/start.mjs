import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build, ensureInstalled, root } from './steps.mjs';

ensureInstalled();
build();

/** `npm start` opens the first example; `npm start -- PATH` opens something else, options go to `fovea lab`. */
const given = process.argv.slice(2);
const first = join(root, 'notebooks', '01-quick-look.ipynb');
const takesValue = new Set([
  '--port',
  '--ip',
  '--token',
  '--allow-host',
  '--labextensions',
  '--base-url',
  '--trust-proxy',
]);
const hasPath = given.some((word, at) => !word.startsWith('-') && !takesValue.has(given[at - 1]));
const target = hasPath ? [] : [existsSync(first) ? first : root];
process.argv = [process.execPath, 'fovea', 'lab', ...target, ...given];
await import('../kernel/lib/cli/main.js');
