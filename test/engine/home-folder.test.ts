import { parse } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { dataFolder } from '../../engine/src/data-folder.js';
import { homeFolder } from '../../engine/src/home-folder.js';

vi.mock('node:os', async (original) => {
  const os = await original<typeof import('node:os')>();
  const homedir = () => {
    throw new Error('A system error occurred: uv_os_homedir returned ENOENT (no such file or directory)');
  };
  return { ...os, homedir, default: { ...os, homedir } };
});

afterEach(() => vi.unstubAllEnvs());

describe('a user that the system does not list, without HOME', () => {
  it('is at home in the root, and has a data folder there or where it is named', () => {
    for (const name of ['FOVEA_DATA_DIR', 'XDG_DATA_HOME', 'APPDATA']) vi.stubEnv(name, '');
    const { root } = parse(process.execPath);
    expect(homeFolder()).toBe(root);
    expect(dataFolder().startsWith(root)).toBe(true);
    vi.stubEnv('FOVEA_DATA_DIR', '/given');
    expect(dataFolder()).toBe('/given');
  });
});
