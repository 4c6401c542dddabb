import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  builtNetwork,
  FoveaError,
  makePlan,
  type Network,
  predict,
  Random,
  saliencyMasker,
} from '@fovea/engine';
import { calibrationOf } from '@fovea/engine/predict';
import { describe, expect, it } from 'vitest';
import { encodeProgram } from '../../../engine/src/backends/webgpu/encode.js';
import { fusedSteps, fusionsAt } from '../../../engine/src/backends/webgpu/fusions.js';
import { FUSION_TILES } from '../../../engine/src/backends/webgpu/kernels/fusion.js';
import { tuningOf } from '../../../engine/src/backends/webgpu/tuning.js';
import { VARIANTS } from '../../../engine/src/backends/webgpu/variants.js';
import type { Device } from '../../../engine/src/plan/device.js';
import { auto } from '../../../engine/src/predict/auto.js';
import { storeGpuCalibration } from '../../../engine/src/predict/gpu/this-gpu.js';
import type { Convolve } from '../../../engine/src/program/program.js';
import { planRun } from '../../../engine/src/run/prepare.js';
import { programOf } from '../../../engine/src/run/program-of.js';
import { madeUpGpu as gpu } from '../../support/made-up-gpu.js';
import { randomConvolution, smallNetwork } from '../support/small-network.js';

/** One 3x3 convolution from 32 to 64 channels. */
function convolutionAlone(side: number): Network {
  const convolution = randomConvolution(new Random(1), 'conv', 32, 64, { kernel: 3 });
  return {
    ...{ name: 'alone', format: 'built', input: 'x', output: 'y', notes: [] },
    inputShape: { channels: 32, height: side, width: side },
    nodes: [{ kind: 'convolution', name: 'conv', inputs: ['x'], output: 'y', convolution }],
  };
}

describe('prediction on a calibrated GPU', () => {
  it('counts workgroups, their steps, and starts', () => {
    const { ops, totalMs } = predict(convolutionAlone(64), { device: gpu() });
    // 4096 pixels make too few large tiles: 128 x 2 workgroups of 32 x 32, 8 at once; 72 input vectors in slices of 4.
    const computeMs = (256 / 8) * 18 * 0.001;
    expect(ops[0]!.computeMs).toBeCloseTo(computeMs, 9);
    expect(ops[0]!.overheadMs).toBeCloseTo(0.012, 9);
    // The map of 0.5 MiB, that of 1 MiB and the weights come from far away: 1.6 ms, less what computation hides.
    const bytes = 4 * (4096 * 96 + 9 * 32 * 64);
    expect(ops[0]!.dataMs).toBeCloseTo(bytes / 1e6 - computeMs, 9);
    const runMs = 0.5 + 0.003 + (4 * 4096 * 96) / 1e6;
    expect(totalMs).toBeCloseTo(bytes / 1e6 + 0.012 + runMs, 9);
  });

  it('costs the kernel that was the fastest when timed on that GPU, as soon as it was', () => {
    const network = convolutionAlone(40);
    const compute = (device: Device) => predict(network, { device }).ops[0]!.computeMs;
    // 1600 pixels: 50 x 2 workgroups of 32 x 32 by the rule.
    const ruled = (100 / 8) * 18 * 0.001;
    expect(compute(gpu())).toBeCloseTo(ruled, 9);
    const [operation] = programOf(network, { strategy: 'dense' }).steps.flatMap((step) => step.operations);
    const on = { adapter: 'a GPU of round numbers', driver: '1.0', precision: 'f32' } as const;
    tuningOf(on).learn(operation as Convolve, VARIANTS.gemm[1]!);
    // 13 workgroups of 128 x 64.
    expect(compute(gpu())).toBeCloseTo((13 / 8) * 18 * 0.001, 9);
    expect(compute(gpu({ driver: '2.0' }))).toBeCloseTo(ruled, 9);
    // Runs on software drivers time nothing.
    expect(compute(gpu({ software: true }))).toBeCloseTo(ruled, 9);
  });

  it('costs what lies in active cells of a fusion whose workgroups cover the map', () => {
    const network = smallNetwork({ kind: 'basic', strides: [1], height: 64, mapWidth: 64 });
    const settings = { strategy: 'streamed', granularity: 8 } as const;
    const on = { adapter: 'a GPU that fuses', driver: '1.0', precision: 'f32' } as const;
    const { steps } = programOf(network, { ...settings, masker: saliencyMasker(0.5) });
    const [fusion] = steps.flatMap(({ operations }) => fusionsAt(operations, 0));
    const tile = FUSION_TILES.find(({ family }) => family === 'fused 8x8')!;
    tuningOf(on).learnFusion(fusion!, tile);
    const device = gpu({ adapter: on.adapter });
    const compute = (rate: number) =>
      predict(network, { device, ...settings, rate }).ops.find(({ primitives }) =>
        primitives.includes('conv2'),
      )?.computeMs;
    // A half of 64 workgroups, 8 at once.
    const stepMs = (32 / 8) * fusedSteps(fusion!, tile) * 0.001;
    expect(compute(0.5)).toBeCloseTo(stepMs, 9);
    expect(compute(1)).toBeCloseTo(2 * stepMs, 9);
    expect(compute(0)).toBe(0);
  });

  it('takes one workgroup as long as eight', () => {
    const compute = (side: number) => predict(convolutionAlone(side), { device: gpu() }).ops[0]!.computeMs;
    // Two and eight workgroups.
    expect(compute(4)).toBeCloseTo(0.018, 9);
    expect(compute(11)).toBeCloseTo(0.018, 9);
    expect(compute(16)).toBeCloseTo(0.036, 9);
  });

  it('falls with the rate down to what starting costs, and counts every dispatch', () => {
    const network = builtNetwork('resnet18');
    const at = (rate: number) =>
      predict(network, { device: gpu(), strategy: 'streamed', granularity: 2, rate, batch: 8 });
    const compute = (rate: number) => at(rate).blocks.reduce((sum, block) => sum + block.computeMs, 0);
    expect(compute(0.25)).toBeLessThan(0.7 * compute(0.5));
    expect(compute(0.5)).toBeLessThan(0.9 * compute(1));
    // Projections are computed everywhere.
    expect(compute(0)).toBeLessThan(0.2 * compute(1));
    const options = { strategy: 'streamed', granularity: 2 };
    const { passes } = encodeProgram(programOf(network, { ...options, masker: saliencyMasker(0.5) }));
    const dispatches = passes.reduce((sum, { launches }) => sum + launches.length, 0);
    const overhead = predict(network, { device: gpu(), ...options, rate: 0 }).ops.reduce(
      (sum, op) => sum + op.overheadMs,
      0,
    );
    const runMs = 0.5 + 0.003 * passes.length + (4 * (224 * 224 * 3 + 1000)) / 1e6;
    expect(overhead).toBeCloseTo(dispatches * 0.01 + passes.length * 0.002 + runMs, 6);
  });

  it('says when what was calibrated is a software driver', () => {
    const notes = (device: Device) => predict(convolutionAlone(8), { device }).notes.join('\n');
    expect(notes(gpu({ software: true }))).toContain('a software driver: times say nothing about a GPU');
    expect(notes(gpu())).not.toContain('software');
  });

  it('lets auto choose by it, and is no calibration of native kernels', () => {
    const network = builtNetwork('resnet18');
    const plan = makePlan(network, { strategy: 'auto', device: gpu(), rate: 0.1, granularity: 4 });
    expect(plan.blocks.every(({ reason }) => reason?.includes('a GPU of round numbers'))).toBe(true);
    expect(calibrationOf(gpu())).toBeUndefined();
  });

  it('is what auto decides by for the webgpu backend, which otherwise says what to run', () => {
    const network = builtNetwork('resnet18');
    const folder = mkdtempSync(join(tmpdir(), 'fovea-auto-gpu-'));
    const before = process.env.FOVEA_DATA_DIR;
    process.env.FOVEA_DATA_DIR = folder;
    try {
      const planned = (backend: string | undefined) =>
        planRun(
          network,
          [1, 224, 224, 3],
          { masker: saliencyMasker(0.5), ...(backend ? { backend } : {}) },
          auto,
        ).plan.blocks[0]!;
      const uncalibrated = planned('webgpu');
      expect(uncalibrated.reason).toContain('on v100');
      expect(uncalibrated.caution).toMatch(
        /^auto decided for another GPU, v100: no GPU is calibrated: run fovea calibrate --backend webgpu/,
      );
      expect(planned(undefined).caution).toBeUndefined();
      storeGpuCalibration(gpu());
      expect(planned('webgpu').reason).toContain('on a GPU of round numbers');
      expect(planned('webgpu').caution).toBeUndefined();
      expect(planned(undefined).reason).not.toContain('GPU');
    } finally {
      if (before === undefined) delete process.env.FOVEA_DATA_DIR;
      else process.env.FOVEA_DATA_DIR = before;
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses a calibration that lacks a figure, naming it', () => {
    const broken = gpu({ passMs: Number.NaN });
    expect(() => predict(convolutionAlone(8), { device: broken })).toThrow(FoveaError);
    expect(() => predict(convolutionAlone(8), { device: broken })).toThrow(/has passMs NaN.*webgpu again/);
  });
});
