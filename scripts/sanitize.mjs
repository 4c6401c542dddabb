/**
 * Runs the native core's unit tests under the address and undefined-behaviour sanitizers, and fuzzes the addon's
 * boundary: every function with values of the wrong type, number and size, and programs with words changed at
 * random. A call may throw; it must not touch memory that is not its own.
 *
 * node scripts/sanitize.mjs [--rounds 4000] [--seed 1]
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { joined } from './fuzz/joined.mjs';
import { root, step } from './steps.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '4000' },
    seed: { type: 'string', default: '1' },
    inside: { type: 'boolean', default: false },
  },
});
if (values.inside) await fuzz(Number(values.rounds), Number(values.seed));
else start();

/** Builds, then runs this script again with the sanitizer's library loaded first, as it must be. */
function start() {
  const build = (...options) =>
    step('building with sanitizers', process.execPath, ['engine/native/build.mjs', '--sanitize', ...options]);
  // Requests for more memory than there is have to be refused as they are without the sanitizer.
  const strict = {
    ASAN_OPTIONS: 'allocator_may_return_null=1',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  };
  build('--test');
  step('running the unit tests', 'engine/native/build-asan/unit-tests', [], {
    env: { ...process.env, ...strict },
  });
  build();
  step('compiling TypeScript', process.execPath, ['node_modules/typescript/bin/tsc', '-b', 'engine']);
  const libraries = ['libasan.so', 'libubsan.so'].map((name) =>
    spawnSync('c++', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim(),
  );
  const script = fileURLToPath(import.meta.url);
  step('fuzzing the native boundary', process.execPath, [script, '--inside', ...process.argv.slice(2)], {
    env: {
      ...process.env,
      FOVEA_NATIVE_BUILD: 'build-asan',
      LD_PRELOAD: libraries.join(':'),
      ...strict,
      ASAN_OPTIONS: `detect_leaks=0:${strict.ASAN_OPTIONS}`,
    },
  });
}

async function fuzz(rounds, seed) {
  const addon = createRequire(import.meta.url)(`${root}/engine/native/build-asan/Release/fovea.node`);
  const { builtNetwork, Random, randomMasker, run, saliencyMasker, Tensor } = await import('@fovea/engine');
  const { nativeBackendWith } = await import('@fovea/engine/backend');
  const random = new Random(seed, 0);
  const below = (n) => Math.floor(random.next() * n);
  const pick = (list) => list[below(list.length)];

  // Programs as the engine makes them, caught on their way in.
  const programs = [];
  const handles = new Set();
  const { inferAddon } = await import('../engine/lib/backends/native/addon.js');
  const wrapped = inferAddon();
  const { inferProgram } = wrapped;
  wrapped.inferProgram = (handle, ...tables) => {
    handles.add(handle);
    programs.push({ handle, tables });
    return inferProgram(handle, ...tables);
  };
  for (const network of [
    builtNetwork('resnet18', { maskers: { granularity: [4, 2, 2, 1] } }),
    builtNetwork('resnet50'),
    builtNetwork('regnet_y_400mf'),
    builtNetwork('mobilenet_v2'),
    // Before the pool and the classifier.
    joined(builtNetwork('resnet18'), 2),
  ]) {
    const image = Tensor.zeros([2, 48, 40, 3]);
    for (let i = 0; i < image.data.length; i++) image.data[i] = random.next() - 0.5;
    for (const strategy of ['dense', 'unfused', 'lasnet', 'streamed']) {
      for (const masker of [randomMasker(0.4), saliencyMasker(0.6)]) {
        for (const excitation of ['exact', 'active']) {
          await run(network, image, {
            strategy,
            masker,
            granularity: 2,
            threads: 2,
            excitation,
            backend: 'native',
          });
        }
      }
    }
    // Maps large enough for streams of several bands, and bands as small as can be.
    const large = Tensor.zeros([1, 200, 232, 3]);
    for (let i = 0; i < large.data.length; i++) large.data[i] = random.next() - 0.5;
    for (const masker of [randomMasker(0.3), saliencyMasker(0.3), randomMasker(1)]) {
      for (const backend of ['native', nativeBackendWith({ bandPixels: 7 })]) {
        await run(network, large, { strategy: 'streamed', masker, granularity: 2, threads: 2, backend });
      }
    }
  }

  const oddities = () =>
    pick([
      undefined,
      null,
      -1,
      0,
      1,
      1e9,
      2 ** 53,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      'text',
      {},
      [],
      () => 1,
      Symbol('odd'),
      10n,
      new Float32Array(below(64)),
      new Float64Array(below(8)),
      new Int32Array(below(40)).map(() => below(9) - 2),
      new Uint8Array(below(64)),
      new Float32Array(new SharedArrayBuffer(64)),
      new DataView(new ArrayBuffer(8)),
      pick([...handles]),
    ]);
  const names = Object.keys(addon).filter((name) => name.startsWith('infer'));
  const counts = { refused: 0, accepted: 0 };
  const attempt = async (call) => {
    try {
      await call();
      counts.accepted++;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      counts.refused++;
    }
  };
  // The handles that matter must survive: a closed one would refuse everything.
  const harmless = names.filter((name) => name !== 'inferClose' && name !== 'inferDropProgram');
  for (let round = 0; round < rounds; round++) {
    const name = pick(harmless);
    const first = below(3) ? [pick([...handles])] : [];
    await attempt(() => addon[name](...first, ...Array.from({ length: below(8) }, oddities)));
  }
  for (let round = 0; round < rounds / 4; round++) {
    const { handle, tables } = pick(programs);
    const changed = tables.map((table) => table.slice());
    for (let change = below(4) + 1; change > 0; change--) {
      const table = pick(changed);
      if (table.length === 0) continue;
      const at = below(table.length);
      table[at] =
        table instanceof Float64Array
          ? pick([0, -1, 1, 2.5, 1e12, table[at] / 2, table[at] + 1])
          : pick([-1, 0, 1, 2, 3, table[at] + 1, table[at] - 1, 2 ** 31 - 1, -(2 ** 31), below(64)]);
    }
    if (below(8) === 0) changed[below(7)] = new Int32Array(below(30));
    await attempt(async () => {
      const number = addon.inferProgram(handle, ...changed);
      const instructions = changed[5].length / 16;
      const first = below(instructions + 1);
      const running = addon.inferRun(
        handle,
        number,
        below(2) ? 0 : first,
        instructions,
        1 + below(3),
        below(2),
        undefined,
      );
      if (below(4) === 0) addon.inferAbort(handle);
      await running;
      addon.inferDropProgram(handle, number);
    });
  }
  process.stdout.write(`${counts.refused} calls refused, ${counts.accepted} accepted, none out of bounds\n`);
}
