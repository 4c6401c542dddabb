import {
  blocksOf,
  type Device,
  type Network,
  type Profile,
  predict,
  Random,
  randomMasker,
  releaseNetwork,
  run,
  type Tensor,
} from '@fovea/engine';
import { searchGranularity } from '@fovea/engine/predict';
import type { Case } from './case.js';
import { networkOf, picturesOf } from './network.js';

const RATES = [0, 1e-9, 1e-3, 0.1, 0.3, 0.5, 0.8, 1];
const STRATEGIES = ['dense', 'unfused', 'lasnet', 'streamed'];

/**
 * Predicts a case's network on each device, and searches it: every figure is a number of at least 0, a run counts the
 * FLOPs that are predicted for its masks, and what a search takes is never worse than what else it tried.
 * @returns what does not hold; undefined when all does
 */
export async function checkPredictions(test: Case, devices: readonly Device[]): Promise<string | undefined> {
  const network = networkOf(test);
  const random = new Random(test.seed, 4);
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const plan = {
    strategy: pick(STRATEGIES),
    granularity: pick([1, 2, 3, 7, Number.POSITIVE_INFINITY]),
    excitation: pick(['exact', 'active'] as const),
  };
  const size = { batch: test.pictures, height: test.height, width: test.width };
  try {
    for (const device of devices) {
      const threads = device.kind === 'gpu' ? {} : { threads: pick([1, 2, 3, 7]) };
      for (const rate of RATES) {
        const problem = notANumber(predict(network, { ...plan, ...size, ...threads, device, rate }));
        if (problem) return `${device.name}, ${plan.strategy} at rate ${rate}: ${problem}`;
      }
      const problem = searchProblem(network, device, { ...size, ...threads, rate: pick(RATES) });
      if (problem) return `${device.name}: ${problem}`;
    }
    return await flopsProblem(network, devices[0]!, picturesOf(test), plan, pick(RATES));
  } finally {
    await releaseNetwork(network);
  }
}

function notANumber(profile: Profile): string | undefined {
  for (const { name, totalMs, computeMs, dataMs, overheadMs, flops, bytes } of profile.ops) {
    const figures = { totalMs, computeMs, dataMs, overheadMs, flops, bytes };
    for (const [figure, value] of Object.entries(figures)) {
      if (!(Number.isFinite(value) && value >= 0)) return `${figure} of ${name} is ${value}`;
    }
  }
  return Number.isFinite(profile.totalMs) ? undefined : `totalMs is ${profile.totalMs}`;
}

function searchProblem(
  network: Network,
  device: Device,
  options: Parameters<typeof searchGranularity>[2],
): string | undefined {
  const { blocks, stages, totalMs, denseMs } = searchGranularity(network, device, options);
  for (const { best, candidates } of [...blocks, ...stages]) {
    const least = Math.min(...candidates.map((candidate) => candidate.totalMs));
    if (!(best.totalMs <= least)) return `a search takes ${best.totalMs} ms where ${least} ms was found`;
  }
  return totalMs <= denseMs ? undefined : `a search takes ${totalMs} ms, dense ${denseMs} ms`;
}

async function flopsProblem(
  network: Network,
  device: Device,
  input: Tensor,
  plan: { readonly strategy: string; readonly granularity: number; readonly excitation: 'exact' | 'active' },
  rate: number,
): Promise<string | undefined> {
  const maskers = blocksOf(network).map(() => randomMasker(rate, 1));
  const { masks, profile } = await run(network, input, { ...plan, masker: maskers });
  const [batch, height, width] = input.shape;
  const predicted = predict(network, { ...plan, device, maskers, masks, batch, height, width });
  for (const figure of ['flops', 'flopsAvoided'] as const) {
    const apart = Math.abs(predicted[figure] - profile[figure]);
    if (!(apart <= 1e-9 * (profile.flops + Math.abs(profile.flopsAvoided))))
      return `${plan.strategy} at rate ${rate}: ${figure} is ${profile[figure]}, predicted ${predicted[figure]}`;
  }
  return undefined;
}
