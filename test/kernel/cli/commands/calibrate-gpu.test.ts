// @module-tag process
import { readdirSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Device, Profile } from '@fovea/engine';
import type { Validation } from '@fovea/engine/predict';
import { describe, expect, it } from 'vitest';
import { missingOf } from '../../../engine/support/backends.js';
import { useDataFolder } from '../../../support/data-folder.js';
import { fovea } from '../run-fovea.js';

const folder = useDataFolder();

const there = it.skipIf((await missingOf('webgpu')) !== undefined);
const data = join(folder, 'data');
/** The one file of a GPU that is there. */
const file = () => join(data, readdirSync(data).find((name) => /^this-gpu-[0-9a-f]{12}\.json$/.test(name))!);
const small = [
  ...['validate', 'resnet18', '--backend', 'webgpu', '--strategies', 'dense,streamed'],
  ...['--granularities', '2', '--rates', '0.5', '--runs', '1', '--input-size', '32'],
];

describe('fovea calibrate --backend webgpu', { timeout: 600_000 }, () => {
  there('stores a device that goes by its adapter, which predict and validate then know', async () => {
    const refused = await fovea(...small);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(/no GPU is calibrated: run fovea calibrate --backend webgpu/);

    const calibrated = await fovea('calibrate', '--backend', 'webgpu', '--json');
    expect(calibrated.code).toBe(0);
    const device = JSON.parse(calibrated.stdout) as Device;
    expect(device).toMatchObject({ kind: 'gpu', calibration: { kind: 'webgpu', adapter: device.name } });
    const { software } = device.calibration as unknown as { software: boolean };
    expect(device.source.includes('a software driver')).toBe(software);
    expect(JSON.parse(await readFile(file(), 'utf8'))).toMatchObject({ device });

    for (const name of ['this-gpu', device.name]) {
      const { stdout } = await fovea('predict', 'resnet18', '--device', name, '--json');
      expect((JSON.parse(stdout) as Profile).device).toBe(device.name);
    }

    const validated = await fovea(...small, '--json');
    expect(validated.code).toBe(0);
    const result = JSON.parse(validated.stdout) as Validation;
    expect(result).toMatchObject({ device: device.name, software });
    expect(result.rows.map(({ strategy }) => strategy)).toEqual(['dense', 'streamed']);
    for (const { measuredMs, predictedMs } of result.rows) {
      expect(measuredMs).toBeGreaterThan(0);
      expect(predictedMs).toBeGreaterThan(0);
    }

    // A calibration of another adapter says nothing about this one.
    const stored = JSON.parse(await readFile(file(), 'utf8'));
    stored.device.calibration.adapter = 'another GPU';
    await writeFile(file(), JSON.stringify(stored));
    const other = await fovea(...small);
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(
      /was calibrated on another GPU; runs use .*calibrate --backend webgpu again/,
    );
  });

  it.each([
    ['another backend', ['calibrate', '--backend', 'onnx'], /--backend onnx: native or webgpu is accepted/],
    [
      'a measuring time',
      ['calibrate', '--backend', 'webgpu', '--seconds', '5'],
      /--seconds cannot be set with --backend webgpu/,
    ],
  ])('refuses %s in one line', async (_, args, message) => {
    const { code, stdout, stderr } = await fovea(...args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
  });

  it('refuses a file that is corrupt', async () => {
    await rm(data, { recursive: true, force: true });
    await mkdir(data, { recursive: true });
    await writeFile(join(data, 'this-gpu.json'), '{"format": 1');
    const { code, stderr } = await fovea('predict', 'resnet18', '--device', 'this-gpu');
    expect(code).toBe(1);
    expect(stderr).toMatch(/this-gpu\.json is corrupt.*calibrate --backend webgpu again/);
  });
});
