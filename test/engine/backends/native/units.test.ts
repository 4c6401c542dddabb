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

// Where the addon was built there is a compiler.
describe.skipIf(nativeBackend.unavailable !== undefined)(
  'the parts of the native core (skipped where no addon was built)',
  () => {
    it('compute what plain loops compute', { timeout: 300_000 }, () => {
      const built = spawnSync(process.execPath, [`${native}build.mjs`, '--test'], { encoding: 'utf8' });
      expect(built.stderr + built.stdout).toBe('');
      const { stdout } = spawnSync(`${native}build/unit-tests`, { encoding: 'utf8' });
      expect(stdout.trim().split('\n')).toEqual(named.map((name) => `ok   ${name}`));
    });
  },
);
