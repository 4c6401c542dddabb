import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os, { tmpdir } from 'node:os';
import path from 'node:path';
import { builtNetwork, type Device, predict } from '@fovea/engine';
import { getBackend, nativeBackend } from '@fovea/engine/backend';
import {
  calibrate,
  calibrationOf,
  calibrationPath,
  readCalibration,
  storeCalibration,
} from '@fovea/engine/predict';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { runningIsa } from '../../../engine/src/backends/native/addon.js';
import { readCaches } from '../../../engine/src/predict/calibrate/caches.js';
import { expectedCosts } from '../../../engine/src/predict/calibrate/expected-costs.js';
import {
  evaluate,
  nonNegativeLeastSquares,
  robustFit,
} from '../../../engine/src/predict/calibrate/least-squares.js';
import { describerFor, nativeAmounts } from '../../../engine/src/predict/program-cost/describer.js';
import { calibratedDevice } from '../support/calibrated-device.js';

let folder = '';
const before = process.env.FOVEA_DATA_DIR;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fovea-data-'));
  process.env.FOVEA_DATA_DIR = folder;
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  if (before === undefined) delete process.env.FOVEA_DATA_DIR;
  else process.env.FOVEA_DATA_DIR = before;
});

/** A calibrated device of made-up but plausible costs, ms a unit. */
function calibrated(change: (costs: Record<string, number>) => void = () => undefined): Device {
  const costs: Record<string, number> = {
    multiplyAdds: 1.5e-7,
    passes: 2e-3,
    convolutions: 3e-4,
    tileCalls: 3e-5,
  };
  for (const { name } of nativeAmounts() ?? []) costs[name] ??= 3e-8;
  change(costs);
  return { ...calibratedDevice((name) => costs[name]!), name: 'this-machine' };
}

describe('non-negative least squares', () => {
  it('finds the costs that made the times', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 3, maxLength: 3 }),
        (costs) => {
          const samples = Array.from({ length: 12 }, (_, i) => {
            const amounts = Float64Array.of(1, i % 4, (i * i) % 7);
            return { amounts, time: evaluate(amounts, Float64Array.from(costs)), weight: 1 };
          });
          nonNegativeLeastSquares(samples, 3).forEach((cost, i) => {
            expect(cost).toBeCloseTo(costs[i]!, 4);
          });
        },
      ),
      { seed: 4, numRuns: 50 },
    );
  });

  it('never answers with a negative cost, where plain least squares would', () => {
    const samples = [
      { amounts: Float64Array.of(1, 0), time: 1, weight: 1 },
      { amounts: Float64Array.of(1, 1), time: 0.5, weight: 1 },
    ];
    const [a, b] = nonNegativeLeastSquares(samples, 2);
    expect(a).toBeCloseTo(0.75, 6);
    expect(b).toBe(0);
  });

  it('is not led astray by a few disturbed measurements', () => {
    const samples = Array.from({ length: 40 }, (_, i) => ({
      amounts: Float64Array.of(1 + (i % 5)),
      time: (1 + (i % 5)) * (i % 10 === 0 ? 30 : 2),
      weight: 1 / (2 + 2 * (i % 5)) ** 2,
    }));
    expect(robustFit(samples, 1, { rounds: 30 })[0]).toBeCloseTo(2, 0);
  });

  it('expects costs of bytes by their bandwidth, which a few odd samples do not change, and many samples do', () => {
    const names = [
      { name: 'multiplyAdds', share: 'compute' },
      { name: 'readFar', share: 'data', place: 'far', unit: 'bytes' },
      { name: 'readMemory', share: 'data', place: 'memory', unit: 'bytes' },
    ] as const;
    // 20 and 10 bytes a ms.
    const expected = expectedCosts(names, { cacheBandwidth: 20e3, memoryBandwidth: 10e3 });
    const sample = (time: number, ...amounts: number[]) => ({
      amounts: Float64Array.from(amounts),
      time,
      weight: 1 / time ** 2,
    });
    const common = Array.from({ length: 500 }, () => sample(2, 1, 0, 0));
    const odd = Array.from({ length: 3 }, () => sample(4, 1, 0.1, 0));
    expect(robustFit([...common, ...odd], 3)[1]).toBeGreaterThan(5);
    const [compute, far, memory] = robustFit([...common, ...odd, ...expected], 3);
    expect(compute).toBeCloseTo(2, 2);
    expect(far).toBeCloseTo(1 / 20, 2);
    expect(memory).toBeCloseTo(1 / 10, 6);
    const evidence = Array.from({ length: 500 }, () => sample(5, 1, 30, 0));
    expect(robustFit([...common, ...evidence, ...expected], 3)[1]).toBeCloseTo(1 / 10, 2);
  });
});

describe('a calibrated device', () => {
  const network = builtNetwork('resnet18');
  const device = calibrated();

  it('is predicted for with its own costs, start and end of the run included', () => {
    const profile = predict(network, { device, threads: 1, granularity: 4 });
    expect(profile.device).toBe('this-machine');
    const ends = profile.ops.at(-1)!;
    expect(ends.block).toBe(-1);
    // 0.1 ms, a hundredth of the passes' time, and 0.1 ns for each byte of the image and of the 1000 logits.
    const exchangedMs = 1e-7 * 4 * (3 * 224 * 224 + 1000);
    expect(ends.overheadMs).toBeCloseTo(0.1 + 0.01 * (profile.totalMs - ends.totalMs) + exchangedMs, 9);
    const slower = calibrated((costs) => {
      for (const name of Object.keys(costs)) if (/^(multiplyAdds|arrivals)/.test(name)) costs[name]! *= 2;
    });
    expect(predict(network, { device: slower, threads: 1, granularity: 4 }).totalMs).toBeGreaterThan(
      1.4 * profile.totalMs,
    );
  });

  it('takes less time on more threads, between the numbers that were timed', () => {
    const times = [1, 2, 3, 4].map(
      (threads) => predict(network, { device, threads, granularity: 4 }).totalMs,
    );
    for (let i = 1; i < times.length; i++) expect(times[i]).toBeLessThan(times[i - 1]!);
  });

  it('never takes more time for a lower rate, nor less than dense for a rate of 1', () => {
    const resnet = builtNetwork('resnet50');
    fc.assert(
      fc.property(
        fc.constantFrom('unfused', 'lasnet', 'streamed'),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 4 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (strategy, granularity, threads, a, b) => {
          const cost = (rate: number, by: string = strategy) =>
            predict(resnet, { device, strategy: by, granularity, threads, rate });
          const [low, high] = [cost(Math.min(a, b)), cost(Math.max(a, b))];
          low.blocks.forEach(({ totalMs }, i) => {
            expect(totalMs).toBeLessThanOrEqual(high.blocks[i]!.totalMs * (1 + 1e-9));
          });
          const dense = cost(1, 'dense');
          cost(1).blocks.forEach(({ totalMs }, i) => {
            expect(totalMs).toBeGreaterThanOrEqual(dense.blocks[i]!.totalMs * (1 - 1e-9));
          });
        },
      ),
      { seed: 6, numRuns: 200 },
    );
  });

  it('is refused when its calibration is not one', () => {
    const broken = { ...device, calibration: { ...device.calibration, kind: 'astrology' } };
    expect(() => predict(network, { device: broken })).toThrow(/'astrology'.*calibrate again/);
    const negative = calibrated((costs) => {
      costs.passes = -1;
    });
    expect(() => predict(network, { device: negative })).toThrow(/passes -1/);
  });
});

describe('the stored calibration', () => {
  beforeEach(() => {
    for (const name of readdirSync(folder)) rmSync(path.join(folder, name), { recursive: true });
  });
  const device = calibrated();
  const isa = runningIsa() ?? 'portable';
  const edit = (change: (content: Record<string, unknown>) => void) => {
    const content = JSON.parse(readFileSync(calibrationPath(), 'utf8')) as Record<string, unknown>;
    change(content);
    writeFileSync(calibrationPath(), JSON.stringify(content));
  };

  it('is this machine from then on', () => {
    const stored = storeCalibration(device, isa);
    expect(path.relative(folder, stored)).toMatch(/^this-machine-[0-9a-f]{12}\.json$/);
    expect(calibrationPath()).toBe(stored);
    expect(readCalibration().device).toEqual(device);
    const profile = predict(builtNetwork('resnet18'), { device: 'this-machine' });
    expect(profile.device).toBe('this-machine');
  });

  it('when missing is asked for in one sentence', () => {
    expect(() => predict(builtNetwork('resnet18'), { device: 'this-machine' })).toThrow(
      /not calibrated: run fovea calibrate/,
    );
  });

  it('when of another machine or engine is stale: reported, not used', () => {
    for (const [field, value] of [
      ['cpu', 'Zilog Z80'],
      ['cores', 3000],
      ['engine', '0.0.0'],
      ...(nativeBackend.unavailable === undefined ? [['isa', 'abacus'] as const] : []),
    ] as const) {
      storeCalibration(device, isa);
      edit((content) => {
        (content.machine as Record<string, unknown>)[field] = value;
      });
      expect(readCalibration()).toMatchObject({
        problem: expect.stringMatching(new RegExp(`stale \\(${field} was ${value}.*calibrate again`)),
      });
    }
  });

  it.skipIf(nativeBackend.unavailable !== undefined)(
    'is used only while its kernels run: FOVEA_ISA chooses others',
    () => {
      storeCalibration(device, isa);
      vi.stubEnv('FOVEA_ISA', 'portable');
      try {
        expect(readCalibration().problem).toMatch(
          new RegExp(`stale \\(isa was ${isa}, is portable\\): run fovea calibrate again`),
        );
        expect(() => predict(builtNetwork('resnet18'), { device: 'this-machine' })).toThrow(/stale/);
      } finally {
        vi.unstubAllEnvs();
      }
      expect(readCalibration().device).toEqual(device);
    },
  );

  const cpus = (model: string) => os.cpus().map((cpu) => ({ ...cpu, model }));
  /** As another machine that shares the folder would do it. */
  const elsewhere = async <Result>(
    { cpu, cores = os.availableParallelism() }: { cpu: string; cores?: number },
    work: (engine: typeof import('../../../engine/src/predict/this-machine.js')) => Result,
  ): Promise<Result> => {
    vi.resetModules();
    const spies = [
      vi.spyOn(os, 'cpus').mockReturnValue(cpus(cpu)),
      vi.spyOn(os, 'availableParallelism').mockReturnValue(cores),
    ];
    try {
      return work(await import('../../../engine/src/predict/this-machine.js'));
    } finally {
      for (const spy of spies) spy.mockRestore();
      vi.resetModules();
    }
  };

  it('of one machine stays when others that share the folder are calibrated', async () => {
    storeCalibration(device, isa);
    const others = [{ cpu: 'Zilog Z80' }, { cpu: 'Zilog Z80', cores: 3000 }];
    for (const other of others) {
      expect(await elsewhere(other, (engine) => engine.readCalibration().device)).toBeUndefined();
      await elsewhere(other, (engine) => engine.storeCalibration({ ...device, source: other.cpu }, isa));
    }
    expect(readCalibration().device).toEqual(device);
    for (const other of others) {
      const read = await elsewhere(other, (engine) => engine.readCalibration());
      expect(read.device?.source).toBe('Zilog Z80');
    }
    expect(readdirSync(folder)).toHaveLength(3);
  });

  it('that earlier versions kept in one file is that of the machine that it was measured on', async () => {
    const shared = path.join(folder, 'this-machine.json');
    renameSync(storeCalibration(device, isa), shared);
    expect([calibrationPath(), readCalibration().device]).toEqual([shared, device]);
    expect(await elsewhere({ cpu: 'Zilog Z80' }, (engine) => engine.readCalibration().problem)).toMatch(
      /^this machine is not calibrated: run fovea calibrate \(no .*this-machine-[0-9a-f]{12}\.json\)$/,
    );
    const again = { ...device, source: 'measured again' };
    storeCalibration(again, isa);
    expect(readCalibration().device).toEqual(again);
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it('of the same processor with other cores is reported, not used', async () => {
    storeCalibration(device, isa);
    const cpu = os.cpus()[0]!.model;
    const read = await elsewhere({ cpu, cores: 3000 }, (engine) => engine.readCalibration());
    expect(read.problem).toMatch(/stale \(cores was \d+, is 3000\): run fovea calibrate again/);
  });

  it('when corrupt is reported, not used', () => {
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '{"format":1}',
      '{"format":1,"device":{"name":"x"}}',
      '\0\0',
    ]) {
      writeFileSync(calibrationPath(), text);
      const { problem } = readCalibration();
      expect(problem, text).toMatch(/calibrate again/);
    }
    storeCalibration(device, isa);
    edit((content) => {
      content.format = 99;
    });
    expect(readCalibration().problem).toMatch(/format 99/);
    const { calibration } = device;
    const [fit] = calibrationOf(device)!.fits;
    const wrong: [object, RegExp][] = [
      [{ fits: [] }, /has no fits/],
      [{ fits: [null] }, /a fit for undefined threads/],
      [{ fits: [{ ...fit, runMs: 'x' }] }, /has runMs x, expected 0 or more/],
      [{ fits: [{ ...fit, runShare: -1 }] }, /has runShare -1, expected 0 or more/],
      [{ fits: [{ ...fit, runByteMs: null }] }, /has runByteMs null, expected 0 or more/],
      [{ machine: { nearBytes: true, farBytes: 1e6 } }, /machine.nearBytes true, expected 1 or more/],
      [
        { machine: { nearBytes: 1e6, farBytes: 1e5 } },
        /machine.farBytes 100000, expected .* 1000000, or more/,
      ],
    ];
    for (const [change, problem] of wrong) {
      storeCalibration({ ...device, calibration: { ...calibration!, ...change } }, isa);
      expect(readCalibration().problem).toMatch(problem);
      expect(readCalibration().problem).toMatch(/calibrate again/);
    }
  });

  it('cannot be stored where nothing can be written', () => {
    process.env.FOVEA_DATA_DIR = '/dev/null/fovea';
    try {
      expect(() => storeCalibration(device, isa)).toThrow(/cannot be stored at .*dev.null/);
    } finally {
      process.env.FOVEA_DATA_DIR = folder;
    }
  });
});

describe('measuring', () => {
  it('reads cache sizes, or falls back where the system does not say', () => {
    const { nearBytes, farBytes } = readCaches('/nowhere');
    expect(nearBytes).toBeGreaterThan(0);
    expect(farBytes).toBeGreaterThanOrEqual(nearBytes);
  });

  it.skipIf(nativeBackend.unavailable !== undefined)(
    'calibrates this machine with the native backend, with progress, and stores nothing when asked to',
    async () => {
      const seen: number[] = [];
      const { device, path: stored } = await calibrate({
        seconds: 0.5,
        store: false,
        backend: getBackend('native'),
        onProgress: (fraction) => seen.push(fraction),
      });
      expect(stored).toBeUndefined();
      expect(seen.at(-1)).toBe(1);
      for (let i = 1; i < seen.length; i++) expect(seen[i]).toBeGreaterThanOrEqual(seen[i - 1]!);
      const { fits, isa } = calibrationOf(device)!;
      expect(fits[0]!.threads).toBe(1);
      const { costs } = fits[0]!;
      expect(Object.keys(costs)).toEqual(describerFor(isa)!.amounts.map(({ name }) => name));
      // Which of them are above 0 depends, in half a second, on what else the machine does.
      for (const cost of Object.values(costs)) expect(cost).toBeGreaterThanOrEqual(0);
      expect(predict(builtNetwork('resnet18'), { device, threads: 1 }).totalMs).toBeGreaterThan(0);
    },
    120_000,
  );

  it.skipIf(nativeBackend.unavailable !== undefined)('can be aborted', async () => {
    const controller = new AbortController();
    const running = calibrate({
      signal: controller.signal,
      store: false,
      onProgress: () => controller.abort(),
    });
    await expect(running).rejects.toMatchObject({ name: 'FoveaError', code: 'aborted' });
  });

  it('refuses a measuring time that is none', async () => {
    await expect(calibrate({ seconds: 0 })).rejects.toThrow(/seconds 0/);
  });
});
