/**
 * Runs the native core's unit tests, and the fuzzer of the addon's boundary, under the address and undefined-behaviour
 * sanitizers: a call may throw; it must not touch memory that is not its own.
 *
 * node scripts/sanitize.mjs [--rounds 8000] [--seed 1]
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { step } from './steps.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '8000' },
    seed: { type: 'string', default: '1' },
  },
});
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
// The sanitizer's library must be loaded first.
const libraries = ['libasan.so', 'libubsan.so'].map((name) =>
  spawnSync('c++', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim(),
);
const fuzz = ['scripts/fuzz.mjs', 'boundary', values.rounds, values.seed];
step('fuzzing the native boundary', process.execPath, fuzz, {
  env: {
    ...process.env,
    FOVEA_NATIVE_BUILD: 'build-asan',
    LD_PRELOAD: libraries.join(':'),
    ...strict,
    ASAN_OPTIONS: `detect_leaks=0:${strict.ASAN_OPTIONS}`,
  },
});
