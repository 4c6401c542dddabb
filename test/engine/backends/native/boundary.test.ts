// @module-tag process
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { nativeBackend } from '@fovea/engine/backend';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

// `scripts/sanitize.mjs` calls more often, and sees what does not crash.
it.skipIf(nativeBackend.unavailable !== undefined)(
  'every function of the addon refuses damaged arguments with a code (skipped where no addon was built)',
  { timeout: 300_000 },
  () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['scripts/fuzz.mjs', 'boundary', '600', '11'],
      {
        cwd: root,
        encoding: 'utf8',
      },
    );
    expect(stdout + stderr).toMatch(/functions, \d+ calls refused/);
    expect(status).toBe(0);
  },
);
