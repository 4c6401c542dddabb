// @module-tag process
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fovea } from '../run-fovea.js';

const prefix = mkdtempSync(join(tmpdir(), 'fovea-prefix-'));
afterAll(() => rmSync(prefix, { recursive: true }));

describe('fovea list', () => {
  it('shows what is installed in an environment, and nothing once it is removed', async () => {
    const data = join(prefix, 'share', 'jupyter');
    const installed = await fovea('install', '--prefix', prefix);
    expect([installed.code, installed.stderr]).toEqual([0, '']);
    const { stdout } = await fovea('list', '--prefix', prefix);
    expect(stdout.split('\n')).toEqual([
      `labextension  ${join(data, 'labextensions', '@fovea', 'lab')}`,
      `kernelspec    ${join(data, 'kernels', 'fovea')}`,
      '',
    ]);
    await fovea('uninstall', '--prefix', prefix);
    expect((await fovea('list', '--prefix', prefix)).stdout).toBe(`Nothing of Fovea is in ${data}.\n`);
  });
});
