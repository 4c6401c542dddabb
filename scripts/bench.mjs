/**
 * Measurements on this machine: `npm run bench [engine | kernel | …] [-- options]`, one script a subject
 * under bench/; `engine` when none is named.
 */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [first, ...rest] = process.argv.slice(2);
const named = first !== undefined && !first.startsWith('-');
const subject = named ? first : 'engine';
const script = new URL(`bench/${subject}.mjs`, import.meta.url);
if (!/^[a-z-]+$/.test(subject) || !existsSync(fileURLToPath(script))) {
  const known = readdirSync(new URL('bench', import.meta.url)).map((name) => name.replace(/\.mjs$/, ''));
  process.stderr.write(`fovea: nothing to measure is called "${subject}"; known are ${known.join(', ')}\n`);
  process.exit(1);
}
const { bench } = await import(script.href);
try {
  await bench(named ? rest : process.argv.slice(2));
} catch (error) {
  // What is refused says so in its message; anything else is a mistake, to be found by its stack.
  if (error.code === undefined) throw error;
  process.stderr.write(`fovea: ${error.message}\n`);
  process.exit(1);
}
