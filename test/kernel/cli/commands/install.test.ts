// @module-tag process
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
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

describe('fovea uninstall', () => {
  const installAndRemove = async (...target: string[]) => {
    for (const command of ['install', 'uninstall']) {
      const { code, stderr } = await fovea(command, '--prefix', prefix, ...target);
      expect([code, stderr]).toEqual([0, '']);
    }
  };

  it('leaves no empty folders behind', async () => {
    await installAndRemove();
    expect(readdirSync(prefix)).toEqual([]);
    await installAndRemove('--gateway', 'eg');
    expect(readdirSync(prefix)).toEqual([]);
  });

  it('leaves the folders of others where they are', async () => {
    const other = join(prefix, 'share', 'jupyter', 'kernels', 'other');
    mkdirSync(other, { recursive: true });
    await installAndRemove();
    expect(readdirSync(prefix, { recursive: true }).sort()).toEqual([
      'share',
      join('share', 'jupyter'),
      join('share', 'jupyter', 'kernels'),
      join('share', 'jupyter', 'kernels', 'other'),
    ]);
  });
});
