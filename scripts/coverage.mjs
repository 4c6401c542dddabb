/**
 * Runs tests and prints which part of the lines they have executed, folder by folder, and the files of which it is
 * least: TypeScript counted by V8, C++ by gcov in an addon built for it. What tests start as separate processes is not
 * counted.
 *
 * node scripts/coverage.mjs [vitest arguments; default: --project engine --project kernel --project extension]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root, step } from './steps.mjs';

const NATIVE = join(root, 'engine/native');
const COUNTED = join(NATIVE, 'build-coverage');
const SUMMARY = join(root, 'coverage/coverage-summary.json');

const filesBelow = (folder, ending) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending))
    .map((file) => join(folder, file));

/** gcov's counts are written when a process exits by itself, and vitest ends its workers by a signal. */
const EXIT_BY_ITSELF = [
  'const { reallyExit } = process;',
  "if (process.argv[1]?.includes('/vitest/dist/workers/'))",
  "process.on('SIGTERM', () => reallyExit.call(process, 143));",
].join(' ');

/** Why C++ cannot be counted here, or undefined where it can. */
function missingForNative() {
  const isGnu = (command) =>
    spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout?.includes('Free Software Foundation') ??
    false;
  if (!isGnu(process.env.CXX ?? 'c++')) return 'the compiler is not GCC, whose counts gcov reads';
  if (!isGnu('gcov')) return 'there is no gcov';
  return undefined;
}

/** Builds the addon and the unit tests with counters, all at zero, and runs the unit tests. */
function prepareNative() {
  const build = (...options) =>
    step('building C++ with counters', process.execPath, [
      'engine/native/build.mjs',
      '--coverage',
      ...options,
    ]);
  build();
  build('--test');
  for (const file of filesBelow(COUNTED, '.gcda')) rmSync(file);
  step('running the C++ unit tests', join(COUNTED, 'unit-tests'), []);
}

/** Lines of every C++ source: a line counts once, however many units include it. */
function nativeLines() {
  const files = new Map();
  for (const counts of filesBelow(COUNTED, '.gcda')) {
    const { stdout, status, stderr } = spawnSync('gcov', ['--json-format', '--stdout', counts], {
      cwd: COUNTED,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    if (status !== 0) throw new Error(`gcov could not read ${counts}: ${stderr}`);
    for (const text of stdout.split('\n').filter(Boolean)) {
      for (const { file, lines } of JSON.parse(text).files) {
        if (!file.startsWith(`${NATIVE}/`) || file.startsWith(join(NATIVE, 'test/'))) continue;
        const executed = files.get(file) ?? new Map();
        files.set(file, executed);
        for (const { line_number: line, count } of lines) {
          executed.set(line, executed.get(line) === true || count > 0);
        }
      }
    }
  }
  return [...files].map(([file, lines]) => ({
    file,
    total: lines.size,
    covered: [...lines.values()].filter(Boolean).length,
  }));
}

const scriptLines = () =>
  Object.entries(JSON.parse(readFileSync(SUMMARY, 'utf8')))
    .filter(([file]) => file !== 'total')
    .map(([file, { lines }]) => ({ file, total: lines.total, covered: lines.covered }));

const percent = ({ total, covered }) => (total === 0 ? '' : `${((100 * covered) / total).toFixed(1)} %`);
const line = (name, row) => `${name.padEnd(56)} ${String(row.total).padStart(6)} ${percent(row).padStart(8)}`;

/** Files of which less than 60 % of the lines were executed, the least first; without those of a few lines. */
const leastExecuted = (files) =>
  files
    .filter(({ total, covered }) => total >= 10 && covered < 0.6 * total)
    .sort((a, b) => a.covered / a.total - b.covered / b.total)
    .map((row) => line(relative(root, row.file), row));

/** A row per folder of a package's sources, and one for all of each language. */
function table(files) {
  const rows = new Map();
  for (const { file, total, covered } of files) {
    const place = relative(root, file).split('/');
    const isNative = place[1] === 'native';
    const folder = place.slice(0, Math.min(place.length - 1, isNative ? 4 : 3)).join('/');
    for (const name of [folder, isNative ? 'all C++' : 'all TypeScript']) {
      const row = rows.get(name) ?? { total: 0, covered: 0 };
      rows.set(name, { total: row.total + total, covered: row.covered + covered });
    }
  }
  const isSum = (name) => name.startsWith('all ');
  return [...rows]
    .sort(([a], [b]) => Number(isSum(a)) - Number(isSum(b)) || (a < b ? -1 : 1))
    .map(([name, row]) => line(name, row));
}

const reason = missingForNative();
if (reason === undefined) prepareNative();
// That of an earlier run must not be taken for this one's.
rmSync(SUMMARY, { force: true });
const wanted = process.argv.slice(2);
const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    ...(wanted.length > 0
      ? wanted
      : ['engine', 'kernel', 'extension'].flatMap((name) => ['--project', name])),
    '--coverage.enabled',
    '--coverage.provider=v8',
    '--coverage.reporter=json-summary',
    '--coverage.reporter=html',
    '--coverage.reportsDirectory=coverage',
    '--coverage.reportOnFailure',
    ...['engine', 'kernel', 'extension'].map((name) => `--coverage.include=${name}/src/**/*.ts`),
    '--coverage.exclude=**/generated/**',
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      FOVEA_TEST_PATIENCE: '4',
      ...(reason === undefined && {
        FOVEA_NATIVE_BUILD: 'build-coverage',
        NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=data:text/javascript,${encodeURIComponent(EXIT_BY_ITSELF)}`,
      }),
    },
  },
);

if (!existsSync(SUMMARY)) {
  process.stderr.write('fovea: vitest was interrupted before it wrote its counts\n');
  process.exit(status || 1);
}
const files = [...scriptLines(), ...(reason === undefined ? nativeLines() : [])];
const title = (name) => `\n${name.padEnd(56)}  lines executed\n`;
process.stdout.write(`${title('folder')}${table(files).join('\n')}\n`);
const least = leastExecuted(files);
if (least.length > 0) process.stdout.write(`${title('files below 60 %')}${least.join('\n')}\n`);
if (reason !== undefined) process.stdout.write(`C++ is not counted: ${reason}\n`);
process.stdout.write('line by line: coverage/index.html\n');
process.exit(status ?? 1);
