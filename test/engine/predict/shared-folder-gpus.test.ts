import { readdirSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  readGpuCalibration,
  readOwnGpuCalibration,
  storeGpuCalibration,
} from '../../../engine/src/predict/gpu/this-gpu.js';
import { useDataFolder } from '../../support/data-folder.js';
import { madeUpGpu } from '../../support/made-up-gpu.js';

/** The adapter that runs have opened. */
let opened: string | undefined;
vi.mock(import('../../../engine/src/backends/webgpu/device.js'), async (original) => ({
  ...(await original()),
  openedAdapter: () => opened,
}));

const folder = join(useDataFolder(), 'data');
beforeEach(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  opened = undefined;
  vi.restoreAllMocks();
});

/** Calibrates a GPU as another machine that shares the folder does. */
function storeOn(host: string, adapter: string): string {
  const spy = vi.spyOn(os, 'hostname').mockReturnValue(host);
  const path = storeGpuCalibration(madeUpGpu({ adapter }));
  spy.mockRestore();
  return path;
}

const nameRead = () => readGpuCalibration().device?.name;

describe('calibrated GPUs of machines that share a folder', () => {
  it('are kept beside each other, and that of the adapter in use is taken', () => {
    storeOn('one', 'GPU A');
    storeOn('two', 'GPU B');
    expect(readdirSync(folder)).toHaveLength(2);
    for (const adapter of ['GPU A', 'GPU B']) {
      opened = adapter;
      expect(readOwnGpuCalibration().device?.name).toBe(adapter);
    }
    opened = 'GPU C';
    expect(readOwnGpuCalibration().problem).toMatch(/was calibrated on GPU [AB]; runs use GPU C/);
  });

  it('before an adapter is in use, that of this machine is taken, whichever was measured last', () => {
    storeOn('another machine', 'GPU A');
    storeOn(os.hostname(), 'GPU B');
    storeOn('a third one', 'GPU C');
    expect(nameRead()).toBe('GPU B');
    // A second measurement of the same one takes the place of the first.
    storeOn(os.hostname(), 'GPU B');
    expect(readdirSync(folder)).toHaveLength(3);
  });

  it('go on with the one file that earlier versions kept', () => {
    renameSync(storeOn('one', 'GPU A'), join(folder, 'this-gpu.json'));
    expect(nameRead()).toBe('GPU A');
    opened = 'GPU A';
    expect(readOwnGpuCalibration().device?.name).toBe('GPU A');
    storeOn('one', 'GPU A');
    expect(readdirSync(folder)).toHaveLength(2);
    expect(nameRead()).toBe('GPU A');
  });
});
