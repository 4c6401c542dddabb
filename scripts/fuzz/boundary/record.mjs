import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../../engine/native/', import.meta.url));
/** Calls kept of each function. */
const most = 48;

/**
 * Puts an addon that keeps the arguments of its calls in the place of the real one; the engine must not be loaded yet.
 * Sessions and programs stay open, so that the calls can be repeated.
 * @param {import('@fovea/engine').Random} random chooses the calls that are kept where there are more than enough
 * @returns the real addon, and the kept calls of each function
 */
export function recordCalls(random) {
  const require = createRequire(import.meta.url);
  const build = process.env.FOVEA_NATIVE_BUILD;
  const file =
    build === undefined
      ? require('node-gyp-build').path(folder)
      : join(folder, build, 'Release', 'fovea.node');
  const addon = require(file);
  const calls = new Map();
  const recording = { ...addon };
  for (const name of Object.keys(addon).filter((key) => typeof addon[key] === 'function')) {
    const kept = [];
    let count = 0;
    calls.set(name, kept);
    recording[name] = (...values) => {
      const place = count < most ? count : random.below(count + 1);
      count++;
      if (place < most) kept[place] = values;
      return name === 'inferClose' || name === 'inferDropProgram' ? undefined : addon[name](...values);
    };
  }
  require.cache[file].exports = recording;
  return { addon, calls };
}
