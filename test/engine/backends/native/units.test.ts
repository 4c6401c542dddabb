import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nativeBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';

const native = fileURLToPath(new URL('../../../../engine/native/', import.meta.url));
/** Names of the tests in a file of engine/native/test. */
function namesIn(file: string): string[] {
  const source = readFileSync(`${native}test/${file}`, 'utf8');
  return [...source.matchAll(/^TEST\("(.*)"\)/gm)].map(([, name]) => name!);
}

const files = readdirSync(`${native}test`).filter((name) => name.endsWith('_test.cc'));
const named = files.sort().flatMap(namesIn);

const runs = (command: string) => spawnSync(command, ['--version']).status === 0;
const emulator = ['qemu-aarch64-static', 'qemu-aarch64'].find(runs);
/** Whether programs that are compiled with the thread sanitizer run here: some layouts of memory are too much for it. */
function hasThreadSanitizer(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-tsan-'));
  try {
    const program = join(folder, 'program');
    const options = ['-fsanitize=thread', '-x', 'c++', '-o', program, '-'];
    return (
      spawnSync('c++', options, { input: 'int main() {}' }).status === 0 && spawnSync(program).status === 0
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const isArm64Emulated = emulator !== undefined && runs('aarch64-linux-gnu-g++');

/** Builds and runs the unit tests. @returns a line for each, and what a sanitizer reports */
function results(folder: string, options: readonly string[], ...command: readonly string[]): string[] {
  const built = spawnSync(process.execPath, [`${native}build.mjs`, '--test', ...options], {
    encoding: 'utf8',
  });
  expect(built.stderr + built.stdout).toBe('');
  const [program, ...before] = [...command, `${native}${folder}/unit-tests`];
  const { stdout, stderr } = spawnSync(program!, before, { encoding: 'utf8' });
  return (stdout + stderr).trim().split('\n');
}

const allRight = named.map((name) => `ok   ${name}`);

// Where the addon was built there is a compiler.
describe.skipIf(nativeBackend.unavailable !== undefined)(
  'the parts of the native core (skipped where no addon was built)',
  () => {
    it('compute what plain loops compute', { timeout: 300_000 }, () => {
      expect(results('build', [])).toEqual(allRight);
    });

    it.skipIf(!hasThreadSanitizer())(
      'share memory between threads without races (skipped without the thread sanitizer)',
      { timeout: 300_000 },
      () => {
        const lines = results('build-tsan', ['--sanitize-threads']);
        const threaded = ['handover', 'runner', 'team', 'thread_pool'].flatMap((name) =>
          namesIn(`${name}_test.cc`),
        );
        expect(lines).toEqual(expect.arrayContaining(threaded.map((name) => `ok   ${name}`)));
        expect(lines.filter((line) => !allRight.includes(line))).toEqual([]);
      },
    );

    it.skipIf(process.arch === 'arm64' || !isArm64Emulated)(
      'compute it on 64-bit Arm too (skipped without aarch64-linux-gnu-g++ and QEMU)',
      { timeout: 600_000 },
      () => {
        const libraries = ['-L', '/usr/aarch64-linux-gnu'];
        expect(results('build-arm64', ['--arm64'], emulator!, ...libraries)).toEqual(allRight);
      },
    );
  },
);
