import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { nativeBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';

const native = fileURLToPath(new URL('../../../../engine/native/', import.meta.url));
const files = readdirSync(`${native}test`).filter((name) => name.endsWith('_test.cc'));
const named = files.sort().flatMap((file) => {
  const source = readFileSync(`${native}test/${file}`, 'utf8');
  return [...source.matchAll(/^TEST\("(.*)"\)/gm)].map(([, name]) => name!);
});

const runs = (command: string) => spawnSync(command, ['--version']).status === 0;
const emulator = ['qemu-aarch64-static', 'qemu-aarch64'].find(runs);
const isArm64Emulated = emulator !== undefined && runs('aarch64-linux-gnu-g++');

/** Builds and runs the unit tests. @returns a line for each */
function results(folder: string, options: readonly string[], ...command: readonly string[]): string[] {
  const built = spawnSync(process.execPath, [`${native}build.mjs`, '--test', ...options], {
    encoding: 'utf8',
  });
  expect(built.stderr + built.stdout).toBe('');
  const [program, ...before] = [...command, `${native}${folder}/unit-tests`];
  const { stdout } = spawnSync(program!, before, { encoding: 'utf8' });
  return stdout.trim().split('\n');
}

const allRight = named.map((name) => `ok   ${name}`);

// Where the addon was built there is a compiler.
describe.skipIf(nativeBackend.unavailable !== undefined)(
  'the parts of the native core (skipped where no addon was built)',
  () => {
    it('compute what plain loops compute', { timeout: 300_000 }, () => {
      expect(results('build', [])).toEqual(allRight);
    });

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
