// @module-tag process
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeBackend } from '@fovea/engine/backend';
import { storeCalibration } from '@fovea/engine/predict';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { runningIsa } from '../../../../engine/src/backends/native/addon.js';
import { calibratedDevice } from '../../../engine/support/calibrated-device.js';
import { fovea } from '../run-fovea.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-doctor-'));
const before = process.env.JUPYTER_DATA_DIR;
process.env.JUPYTER_DATA_DIR = folder;
afterAll(() => {
  if (before === undefined) delete process.env.JUPYTER_DATA_DIR;
  else process.env.JUPYTER_DATA_DIR = before;
  rmSync(folder, { recursive: true });
});

interface Finding {
  readonly status: string;
  readonly subject: string;
  readonly detail: string;
}

async function findings(): Promise<{ code: number | null; found: Finding[] }> {
  const { code, stdout, stderr } = await fovea('doctor', '--json');
  // Drivers and WebGPU write there where there is no GPU.
  expect(stderr).toBe('');
  return { code, found: JSON.parse(stdout) as Finding[] };
}

describe('fovea doctor', () => {
  it('warns of folders that cannot be made, and names what moves them', async () => {
    writeFileSync(join(folder, 'file'), '');
    const within = join(folder, 'file', 'fovea');
    vi.stubEnv('FOVEA_DATA_DIR', within);
    vi.stubEnv('FOVEA_STATE_DIR', join(folder, 'state'));
    const { found } = await findings();
    vi.unstubAllEnvs();
    expect(found).toContainEqual({
      status: 'warn',
      subject: 'data folder',
      detail: expect.stringMatching(/^cannot make the folder .*; FOVEA_DATA_DIR names another$/),
    });
    expect(found).toContainEqual({
      status: 'ok',
      subject: 'state folder',
      detail: join(folder, 'state'),
    });
  });

  it.skipIf(nativeBackend.unavailable !== undefined)(
    'warns of a calibration whose kernels are not those that run',
    async () => {
      vi.stubEnv('FOVEA_DATA_DIR', join(folder, 'data'));
      const calibration = async () =>
        (await findings()).found.find(({ subject }) => subject === 'calibration');
      expect(await calibration()).toMatchObject({
        status: 'ok',
        detail: expect.stringMatching(/none: .* run fovea calibrate/),
      });
      const isa = runningIsa()!;
      storeCalibration({ ...calibratedDevice(() => 1e-7), name: 'this-machine' }, isa);
      expect(await calibration()).toMatchObject({ status: 'ok' });
      vi.stubEnv('FOVEA_ISA', 'portable');
      expect(await calibration()).toMatchObject({
        status: 'warn',
        detail: expect.stringContaining(`stale (isa was ${isa}, is portable): run fovea calibrate again`),
      });
      vi.unstubAllEnvs();
    },
  );

  it('looks at Node, sockets, both ways to compute, the lab and the GPU', async () => {
    const { code, found } = await findings();
    expect(found.map(({ subject }) => subject)).toEqual(
      expect.arrayContaining(['Node', 'ZeroMQ', 'native kernels', 'onnxruntime', 'lab application', 'GPU']),
    );
    const detailOf = (subject: string) => found.find((finding) => finding.subject === subject)!.detail;
    expect(detailOf('Node')).toBe(`${process.version} at ${process.execPath}`);
    expect(detailOf('onnxruntime')).toMatch(/^onnx.*, [\d.]+ ms for the shipped model$/);
    expect(detailOf('GPU')).toMatch(
      /^(usable: --backend webgpu: .+; kernels are chosen by|none for --backend webgpu; )/,
    );
    expect(code).toBe(found.some(({ status }) => status === 'FAIL') ? 1 : 0);

    const { stdout } = await fovea('doctor');
    for (const { status, subject } of found) {
      expect(stdout).toMatch(new RegExp(`^${status.padEnd(5)} ${subject}: `, 'm'));
    }
  });

  it('fails where an installed kernel points at a Node that is gone', async () => {
    const kernel = join(folder, 'kernels', 'fovea');
    mkdirSync(kernel, { recursive: true });
    const argv = ['/nowhere/node', '/nowhere/fovea.js', 'kernel', '-f', '{connection_file}'];
    writeFileSync(
      join(kernel, 'kernel.json'),
      JSON.stringify({ argv, display_name: 'Fovea', language: 'typescript', metadata: { fovea: true } }),
    );
    const { code, found } = await findings();
    expect(code).toBe(1);
    expect(found).toContainEqual({
      status: 'FAIL',
      subject: `kernelspec ${kernel}`,
      detail: '/nowhere/node, /nowhere/fovea.js is gone; run fovea install again',
    });
  });
});
