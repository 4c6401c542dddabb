#!/usr/bin/env node
/**
 * Builds the native addon with the machine's own C++ compiler and Node-API's headers from npm; nothing is
 * downloaded. Every `.cc` below this folder is compiled; a name that ends in `-avx2`, `-avx512` or `-neon`
 * gets that instruction set and is left out on processors of another family, where the run-time dispatch
 * never selects it.
 *
 * node engine/native/build.mjs [--optional] [--prebuilt] [--sanitize | --sanitize-threads] [--coverage] [--arm64] [--test]
 *     [--commands]
 *   --commands  write compile_commands.json into the root folder, for clangd, and build nothing
 *   --optional  without a compiler: print one line on what is missing and succeed
 *   --prebuilt  for the package: without symbols, into prebuilds/PLATFORM-ARCHITECTURE/, where node-gyp-build
 *               finds it; built with GCC 12 and glibc 2.36 it runs on RHEL 9 (glibc 2.34, GCC 11's libraries)
 *   --sanitize  address sanitizer build, into build-asan/, without AVX-512 kernels where they cannot run
 *   --sanitize-threads  thread sanitizer build, into build-tsan/; with --test, of the tests of what threads share
 *   --coverage  counts executed lines for gcov, into build-coverage/
 *   --arm64     for 64-bit Arm Linux, into build-arm64/, with aarch64-linux-gnu-g++ on a machine of another family
 *   --test      build the unit tests of test/ as a program, build/unit-tests, instead of the addon
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const optional = process.argv.includes('--optional');
const sanitize = process.argv.includes('--sanitize');
const sanitizeThreads = process.argv.includes('--sanitize-threads');
const coverage = process.argv.includes('--coverage');
const forTest = process.argv.includes('--test');
const prebuilt = process.argv.includes('--prebuilt');
const architecture = process.argv.includes('--arm64') ? 'arm64' : process.arch;
const isCrossing = architecture !== process.arch;
const platform = isCrossing ? 'linux' : process.platform;
const output = path.join(here, outputFolder());
const release = path.join(output, 'Release');
const prebuilds = path.join(here, 'prebuilds', `${platform}-${architecture}`);

function outputFolder() {
  if (sanitize) return 'build-asan';
  if (sanitizeThreads) return 'build-tsan';
  if (coverage) return 'build-coverage';
  return isCrossing ? `build-${architecture}` : 'build';
}

function addonFile() {
  if (forTest) return path.join(output, 'unit-tests');
  if (!prebuilt) return path.join(release, 'fovea.node');
  const hasGlibc = isCrossing || process.report.getReport().header.glibcVersionRuntime !== undefined;
  const library = platform !== 'linux' ? '' : hasGlibc ? '.glibc' : '.musl';
  return path.join(prebuilds, `fovea${library}.node`);
}
const addon = addonFile();

const instructionSets = {
  avx2: { architecture: 'x64', flags: ['-mavx2', '-mfma', '-mprfchw'] },
  avx512: {
    architecture: 'x64',
    flags: ['-mavx512f', '-mavx512vl', '-mavx512dq', '-mavx512bw', '-mfma', '-mprfchw'],
  },
  neon: { architecture: 'arm64', flags: [] },
};

function findCompiler() {
  const own = [process.env.CXX, 'c++', 'g++', 'clang++'];
  for (const candidate of isCrossing ? ['aarch64-linux-gnu-g++'] : own) {
    if (candidate && spawnSync(candidate, ['--version'], { stdio: 'ignore' }).status === 0) return candidate;
  }
  return undefined;
}

function giveUp(reason) {
  const consequence = isCrossing
    ? `no addon is built for ${platform}-${architecture}`
    : 'the native backend is left out, networks run in onnxruntime (slower when sparse)';
  process.stderr.write(`fovea: ${reason}; ${consequence}\n`);
  process.exit(optional ? 0 : 1);
}

function headers() {
  try {
    return createRequire(import.meta.url)('node-api-headers').include_dir;
  } catch {
    return giveUp('node-api-headers is not installed');
  }
}

const listFiles = (folder, ending) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) return /^build(-\w+)?$/.test(entry.name) ? [] : listFiles(full, ending);
    return entry.name.endsWith(ending) ? [full] : [];
  });

const compiler =
  findCompiler() ??
  giveUp(`no C++ compiler found (${isCrossing ? 'aarch64-linux-gnu-g++' : 'c++, g++ or clang++'})`);
const common = [
  '-std=c++17',
  '-O3',
  '-fPIC',
  '-fvisibility=hidden',
  '-pthread',
  '-Wall',
  '-Wextra',
  '-DNAPI_VERSION=8',
  `-I${headers()}`,
  `-I${here}`,
];
// With sanitizers these kernels take longer to compile than all others together, so they are left out where they
// cannot run.
const withoutAvx512 =
  sanitize &&
  process.platform === 'linux' &&
  process.arch === 'x64' &&
  !readFileSync('/proc/cpuinfo', 'utf8').includes(' avx512f ');
if (withoutAvx512) common.push('-DFOVEA_WITHOUT_AVX512');
if (coverage) common.push('-O1', '--coverage');
const sanitizers = sanitize ? ['-fsanitize=address,undefined'] : sanitizeThreads ? ['-fsanitize=thread'] : [];
if (sanitizers.length > 0) common.push('-O1', ...sanitizers, '-fno-omit-frame-pointer', '-g');

const headerDigest = createHash('sha256');
for (const file of listFiles(here, '.h')) headerDigest.update(readFileSync(file));
headerDigest.update(common.join(' ')).update(compiler);
const digest = headerDigest.digest('hex').slice(0, 16);

for (const folder of [output, path.dirname(addon)]) mkdirSync(folder, { recursive: true });
/** The sources that the unit tests link: files that do not call Node. */
const tested =
  /^(test\/|common\/|train\/team\.cc|infer\/(kernels\/|(handover|copied_rows)\.cc|pack\.cc|region\.cc|tiling\.cc))/;
/** Those of what threads share. */
const shared =
  /^(test\/(main|aligned_test|handover_test|pages_test|runner_test|team_test|thread_pool_test)\.cc|common\/|train\/team\.cc|infer\/handover\.cc)/;
const unitSources = sanitizeThreads ? shared : tested;
/** What checks arguments and programs, and computes nothing: there the size of the code matters, not its speed. */
const checking = /^(module|train\/register|infer\/(register|packing|descriptions|check\w*|session))\.cc$/;
const units = listFiles(here, '.cc').flatMap((source) => {
  const place = path.relative(here, source).replaceAll('\\', '/');
  if (forTest ? !unitSources.test(place) : place.startsWith('test/')) return [];
  const setName = /-(avx2|avx512|neon)\.cc$/.exec(source)?.[1];
  const set = instructionSets[setName];
  if (set && set.architecture !== architecture) return [];
  if (setName === 'avx512' && withoutAvx512) return [];
  const name = path.relative(here, source).replace(/[\\/]/g, '-').replace(/\.cc$/, '');
  const flags = [...(set?.flags ?? []), ...(checking.test(place) ? ['-Os'] : [])];
  const key = createHash('sha256')
    .update(`${digest} ${flags.join(' ')}`)
    .update(readFileSync(source))
    .digest('hex')
    .slice(0, 16);
  return [{ source, object: path.join(output, `${name}.${key}.o`), flags }];
});

if (process.argv.includes('--commands')) {
  const root = path.join(here, '..', '..');
  const entries = units.map(({ source, flags }) => ({
    directory: root,
    file: source,
    arguments: [compiler, ...common, ...flags, '-c', source],
  }));
  writeFileSync(path.join(root, 'compile_commands.json'), `${JSON.stringify(entries, null, 2)}\n`);
  process.exit(0);
}

const stale = units.filter((unit) => !existsSync(unit.object));
const compile = ({ source, object, flags }) =>
  new Promise((resolve) => {
    const partial = `${object}.${process.pid}`;
    const child = spawn(compiler, [...common, ...flags, '-c', source, '-o', partial], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.on('close', (code) => {
      if (code === 0) renameSync(partial, object);
      resolve(code === 0);
    });
  });
const queue = [...stale];
const workers = Array.from({ length: Math.min(cpus().length, queue.length) }, async () => {
  let good = true;
  for (let unit = queue.shift(); unit; unit = queue.shift()) good = (await compile(unit)) && good;
  return good;
});
if (!(await Promise.all(workers)).every(Boolean)) giveUp('compiling the native kernels failed');

const manifest = units.map((unit) => path.basename(unit.object)).join('\n');
const manifestFile = path.join(output, `linked-${path.basename(path.dirname(addon))}.txt`);
const linked = existsSync(manifestFile) ? readFileSync(manifestFile, 'utf8') : '';
if (linked !== manifest || !existsSync(addon) || statSync(addon).size === 0) {
  const bundle = platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared'];
  const shared = forTest ? [] : bundle;
  const stripped = prebuilt && platform === 'linux' ? ['-s'] : [];
  const partial = `${addon}.${process.pid}`;
  const link = spawnSync(
    compiler,
    [
      ...shared,
      ...stripped,
      '-pthread',
      ...(coverage ? ['--coverage'] : []),
      ...sanitizers,
      '-o',
      partial,
      ...units.map((unit) => unit.object),
    ],
    { stdio: 'inherit' },
  );
  if (link.status !== 0) giveUp('linking the native kernels failed');
  // Rename over the old file: a running process keeps the one that it has mapped.
  renameSync(partial, addon);
  writeFileSync(manifestFile, manifest);
}
