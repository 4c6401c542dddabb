/** Some of the tests on the other versions of Node that Fovea runs on, for CI. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { npm } from './npm.mjs';
import { runTests } from './vitest-run.mjs';

const versions = [22, 24];

/** What differs between versions of Node: the addon, module hooks, interrupts, the inspector, installing. */
const files = [
  'test/engine/backends/native/native.test.ts',
  'test/engine/backends/onnx/backend.test.ts',
  'test/engine/run/workers.test.ts',
  'test/kernel/conformance/cells.test.ts',
  'test/kernel/conformance/interrupt.test.ts',
  'test/kernel/conformance/projects.test.ts',
  'test/kernel/conformance/reload.test.ts',
  'test/kernel/debug/debugger.test.ts',
  'test/kernel/language/service.test.ts',
  'test/kernel/server/kernels.test.ts',
  'test/kernel/cli/commands/doctor.test.ts',
  'test/packages/install.test.ts',
];

/** Runs the files above on each version, one after the other; one that npm cannot install is skipped by name. */
export async function otherNodes() {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-nodes-'));
  try {
    const runs = [];
    for (const version of versions)
      if (!process.version.startsWith(`v${version}.`)) runs.push(await runOn(version, folder));
    return runs;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runOn(version, folder) {
  const node = install(version, folder);
  if (!node) return { ...nothing, skipped: [`the tests of Node ${version} (npm could not install it)`] };
  process.stdout.write(`\nfovea: some of the tests on Node ${version} …\n`);
  const { [pathName]: path } = process.env;
  // `npm`, and whatever tests start by the name `node`, are to be of that version too.
  const env = {
    ...process.env,
    [pathName]: `${dirname(node)}${delimiter}${path}`,
    FOVEA_TEST_NODE: node,
  };
  const run = await runTests([...files, '--no-file-parallelism'], { node, env, reporter: 'dot' });
  return { ...run, node: version, skipped: run.skipped.map((name) => `Node ${version}: ${name}`) };
}

const nothing = { passed: 0, failed: 0, skipped: [], failures: [], broken: [], status: 0 };

const pathName = Object.keys(process.env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH';

/** The program of a version of Node, from npm's packages of its builds; undefined when there is none. */
function install(version, folder) {
  const isWindows = process.platform === 'win32';
  const name = `node-${isWindows ? 'win' : process.platform}-${process.arch}`;
  const place = join(folder, String(version));
  npm(
    [
      'install',
      '--no-save',
      '--no-audit',
      '--no-fund',
      '--ignore-scripts',
      '--prefix',
      place,
      `${name}@${version}`,
    ],
    { stdio: 'ignore' },
  );
  const node = join(place, 'node_modules', name, 'bin', isWindows ? 'node.exe' : 'node');
  const { status, stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  return status === 0 && stdout.startsWith(`v${version}.`) ? node : undefined;
}
