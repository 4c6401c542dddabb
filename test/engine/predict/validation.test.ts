import { getDevice } from '@fovea/engine';
import { nativeBackend, referenceBackend } from '@fovea/engine/backend';
import { readCalibration, validatePredictions } from '@fovea/engine/predict';
import { describe, expect, it, vi } from 'vitest';
import { builtResNet } from '../../../engine/src/network/built/resnet.js';
import { paceOf } from '../../../engine/src/predict/calibrate/pace.js';
import {
  type Comparison,
  type PlanComparison,
  resolutionMs,
  summarise,
} from '../../../engine/src/predict/validation-summary.js';

vi.mock('../../../engine/src/predict/calibrate/pace.js', async (original) => {
  const module = await original<{ paceOf: typeof paceOf }>();
  return { ...module, paceOf: vi.fn(module.paceOf) };
});

const comparison = (predictedMs: number, measuredMs: number): Comparison => ({
  predictedMs,
  measuredMs,
  unadjustedMs: 2 * measuredMs,
  error: predictedMs / measuredMs - 1,
  unadjustedError: predictedMs / (2 * measuredMs) - 1,
  repeat: 0,
});

const row = (
  strategy: string,
  predictedMs: number,
  measuredMs: number,
  blocks: Comparison[],
): PlanComparison => ({
  strategy,
  granularity: 4,
  rate: 0.5,
  threads: 1,
  ...comparison(predictedMs, measuredMs),
  blocks: blocks.map((block, i) => ({ ...block, block: i, name: `block ${i}` })),
});

describe('the summary of a validation', () => {
  it('counts blocks within a tenth and plans within a twentieth', () => {
    const { blocksWithin10, plansWithin5, unadjusted } = summarise([
      row('lasnet', 10.4, 10, [comparison(1.09, 1), comparison(1.11, 1)]),
      row('streamed', 10.6, 10, [comparison(0.91, 1), comparison(0.89, 1)]),
    ]);
    expect(blocksWithin10).toBe(0.5);
    expect(plansWithin5).toBe(0.5);
    expect(unadjusted).toMatchObject({ blocksWithin10: 0, plansWithin5: 0 });
  });

  it('holds nothing against a skipped block that is off by less than a clock resolves', () => {
    const skipped = comparison(0.001 + 0.9 * resolutionMs, 0.001);
    const wrong = comparison(0.001 + 1.1 * resolutionMs, 0.001);
    expect(summarise([row('lasnet', 10, 10, [skipped])]).blocksWithin10).toBe(1);
    expect(summarise([row('lasnet', 10, 10, [wrong])]).blocksWithin10).toBe(0);
  });

  it('says what choosing by prediction loses', () => {
    const { worstChoiceLoss } = summarise([row('lasnet', 9, 12, []), row('streamed', 10, 10, [])]);
    expect(worstChoiceLoss).toBeCloseTo(0.2, 12);
  });
});

describe('a validation', () => {
  it.skipIf(nativeBackend.unavailable !== undefined)(
    'predicts and measures the same plans (skipped where no addon was built)',
    async () => {
      const network = builtResNet({ depth: 18 });
      const { rows, slowdown, handover, summary } = await validatePredictions(network, {
        device: getDevice('cpu-avx2'),
        granularities: [4],
        rates: [0.5],
        strategies: ['dense', 'lasnet'],
        threads: [1, 2],
        runs: 2,
        height: 64,
        width: 64,
      });
      expect(rows.map(({ strategy, threads }) => `${strategy} ${threads}`)).toEqual([
        'dense 1',
        'lasnet 1',
        'dense 2',
        'lasnet 2',
      ]);
      // A device that was not calibrated here has no pace of its own: times are given at the measurement's own.
      expect(slowdown).toEqual({ 1: 1, 2: 1 });
      expect(handover[1]).toBeUndefined();
      // Not known where no run found two cores at once.
      expect(handover[2]?.measuredMs ?? 1).toBeGreaterThan(0);
      expect(handover[2]?.calibratedMs).toBeUndefined();
      expect(handover[2]?.moved ?? false).toBe(false);
      for (const { measuredMs, unadjustedMs, predictedMs, error, blocks } of rows) {
        expect(measuredMs).toBeGreaterThan(0);
        expect(unadjustedMs).toBeGreaterThan(0);
        expect(error).toBeCloseTo(predictedMs / measuredMs - 1, 12);
        expect(blocks).toHaveLength(8);
      }
      expect(summary.plans).toBe(4);
    },
    240_000,
  );

  it.skipIf(nativeBackend.unavailable !== undefined)(
    'calibrates in turns with the measurement, and leaves the stored calibration alone (skipped where no addon was built)',
    async () => {
      const before = readCalibration();
      // Each a pace of its own: measured ones are now and then the same to the nanosecond.
      let paces = 0;
      const measured = vi.mocked(paceOf).getMockImplementation()!;
      vi.mocked(paceOf).mockImplementation((profiles) => {
        const pace = measured(profiles);
        return pace && { ...pace, medianMs: 0.01 * ++paces };
      });
      const { device, rows, slowdown } = await validatePredictions(builtResNet({ depth: 18 }), {
        calibrateSeconds: 0.1,
        granularities: [4],
        rates: [0.5],
        strategies: ['dense', 'lasnet', 'auto'],
        runs: 3,
        height: 64,
        width: 64,
      });
      expect(device).toBe('this-machine');
      expect(rows).toHaveLength(3);
      for (const { predictedMs } of rows) expect(predictedMs).toBeGreaterThan(0);
      // A pace of its own, which another device would not have.
      expect(slowdown[1]).toBeGreaterThan(0);
      expect(slowdown[1]).not.toBe(1);
      expect(paces).toBeGreaterThan(1);
      expect(readCalibration()).toEqual(before);
      vi.mocked(paceOf).mockImplementation(measured);
    },
    240_000,
  );

  it('refuses to calibrate for no time, beside a device, or another backend than native', async () => {
    const network = builtResNet({ depth: 18 });
    for (const [options, message] of [
      [{ calibrateSeconds: 0 }, /calibrateSeconds 0: a number above 0/],
      [{ calibrateSeconds: Number.NaN }, /calibrateSeconds NaN/],
      [{ calibrateSeconds: 1, device: 'v100' }, /a device beside calibrateSeconds/],
      [{ calibrateSeconds: 1, backend: referenceBackend }, /'reference': only native/],
    ] as const) {
      await expect(validatePredictions(network, options)).rejects.toThrow(message);
    }
  });

  it('refuses numbers of runs that are none', async () => {
    await expect(validatePredictions(builtResNet({ depth: 18 }), { runs: 0 })).rejects.toThrow(/runs 0/);
  });
});
