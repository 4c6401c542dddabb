// @module-tag process
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Device } from '@fovea/engine';
import { nativeBackend } from '@fovea/engine/backend';
import { calibrationLock } from '@fovea/engine/internal';
import { calibrationPath, type Validation } from '@fovea/engine/predict';
import { describe, expect, it } from 'vitest';
import { useDataFolder } from '../../../support/data-folder.js';
import { fovea } from '../run-fovea.js';

useDataFolder();

const file = () => calibrationPath();

describe.skipIf(nativeBackend.unavailable !== undefined)('with the native backend', () => {
  it('fovea calibrate prints the device, and with --no-store stores nothing', async () => {
    const { code, stdout } = await fovea('calibrate', '--seconds', '0.5', '--no-store', '--json');
    expect(code).toBe(0);
    const device = JSON.parse(stdout) as Device;
    expect(device).toMatchObject({ name: 'this-machine', kind: 'cpu', nominalBatch: 1 });
    expect(device.memoryBandwidth).toBeGreaterThan(1e8);
    expect(existsSync(file())).toBe(false);
  }, 180_000);

  it('fovea calibrate stores the device, which predict, search and validate then know', async () => {
    const calibrated = await fovea('calibrate', '--seconds', '0.5');
    expect(calibrated.code).toBe(0);
    expect(calibrated.stdout).toContain(`stored in ${file()}`);
    const stored = JSON.parse(await readFile(file(), 'utf8')) as Record<string, unknown>;
    expect(stored).toMatchObject({ format: expect.any(Number), machine: { node: process.version } });

    const predicted = await fovea('predict', 'resnet18', '--device', 'this-machine', '--json');
    expect(JSON.parse(predicted.stdout)).toMatchObject({ device: 'this-machine', source: 'fovea' });
    const searched = await fovea('search', 'resnet18', '--device', 'this-machine', '--json');
    expect(JSON.parse(searched.stdout)).toMatchObject({ device: 'this-machine' });

    const validated = await fovea(
      ...['validate', 'resnet18', '--strategies', 'dense,streamed', '--granularities', '4', '--rates', '0.5'],
      ...['--runs', '2', '--input-size', '64', '--json'],
    );
    expect([validated.code, validated.stderr]).toEqual([0, '']);
    const { rows, summary } = JSON.parse(validated.stdout) as Validation;
    expect(rows.map(({ strategy }) => strategy)).toEqual(['dense', 'streamed']);
    expect(summary).toMatchObject({ plans: 2, blocks: 16 });
    for (const { measuredMs, predictedMs, error } of rows) {
      expect(measuredMs).toBeGreaterThan(0);
      expect(error).toBeCloseTo(predictedMs / measuredMs - 1, 9);
    }
  }, 300_000);
});

it('fovea calibrate is refused while another process calibrates', async () => {
  const lock = calibrationLock();
  await mkdir(dirname(lock), { recursive: true });
  await writeFile(lock, `${process.pid}\n`);
  const refused = await fovea('calibrate', '--seconds', '0.5');
  await rm(lock);
  expect(refused).toMatchObject({
    code: 1,
    stderr: `fovea: a calibration is under way in process ${process.pid}; one at a time is accepted\n`,
  });
});

describe('fovea calibrate and validate refuse in one line, with exit code 1', () => {
  const refused: [name: string, args: string[], message: RegExp][] = [
    ['a measuring time of 0', ['calibrate', '--seconds', '0'], /--seconds 0/],
    ['a measuring time that is no number', ['calibrate', '--seconds', 'long'], /--seconds long/],
    ['no runs', ['validate', 'resnet18', '--runs', '0'], /--runs 0/],
    ['a rate above 1', ['validate', 'resnet18', '--rates', '3'], /3/],
  ];
  for (const [name, args, message] of refused) {
    it(name, async () => {
      const { code, stdout, stderr } = await fovea(...args);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(message);
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    });
  }

  it('a calibration that is corrupt', async () => {
    await mkdir(dirname(file()), { recursive: true });
    await writeFile(file(), '{"format": 1');
    const { code, stderr } = await fovea('predict', 'resnet18', '--device', 'this-machine');
    expect(code).toBe(1);
    expect(stderr).toMatch(/corrupt.*calibrate again/);
  });
});
