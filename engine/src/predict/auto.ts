import type { Device } from '../plan/device.js';
import { dense, lasnet, registerShipped, streamed, unfused } from '../plan/strategies.js';
import type { Strategy, StrategyContext } from '../plan/strategy.js';
import { costCandidate } from './candidate.js';
import { checkDevice } from './check-device.js';
import { statisticsCoverage } from './coverage.js';
import { getDevice } from './devices.js';
import { readOwnGpuCalibration } from './gpu/this-gpu.js';
import { readCalibration } from './this-machine.js';

const alternatives: readonly Strategy[] = [dense, streamed, lasnet, unfused];

/** The GPU to decide for where none is calibrated: the one that the literature measures. */
const ORDINARY_GPU = 'v100';

/** The device to decide for when none is named: what is calibrated here of the kind that computes, or an ordinary one. */
function defaultDevice(target: Device['kind'] | undefined): { device: Device; caution?: string } {
  if (target !== 'gpu') return { device: readCalibration().device ?? getDevice('cpu-avx2') };
  const { device, problem } = readOwnGpuCalibration();
  if (device) return { device };
  return {
    device: getDevice(ORDINARY_GPU),
    caution: `auto decided for another GPU, ${ORDINARY_GPU}: ${problem}`,
  };
}

function fastest(context: StrategyContext): { strategy: Strategy; reason: string; caution?: string } {
  const { block, shape, granularity, excitation, statistics, batch, threads, weightBytes, needsPool } =
    context;
  const { device, ...cautions } = context.device
    ? { device: checkDevice(context.device) }
    : defaultDevice(context.target);
  const setting = { device, batch, threads, weightBytes };
  const coverage = statisticsCoverage(block, shape, granularity, statistics, batch);
  const costs = (block.adaptive ? alternatives : [dense]).map((strategy) => ({
    strategy,
    totalMs: costCandidate({ block, shape, needsPool, excitation }, strategy, granularity, coverage, setting)
      .totalMs,
  }));
  const best = costs.reduce((a, b) => (b.totalMs < a.totalMs ? b : a));
  const figures = costs
    .map(({ strategy, totalMs }) => `${strategy.name} ${totalMs.toPrecision(3)}`)
    .join(', ');
  return {
    strategy: best.strategy,
    reason: `${best.strategy.name} predicted fastest on ${device.name} (ms: ${figures})`,
    ...cautions,
  };
}

/**
 * Picks for every block the strategy that is predicted to be fastest at its granularity and rate: dense where
 * being adaptive does not pay.
 */
export const auto: Strategy = {
  name: 'auto',
  description: 'per block the strategy that the predictor finds fastest',
  plan: (context) => {
    const { strategy, ...why } = fastest(context);
    return { ...strategy.plan(context), ...why };
  },
};

registerShipped(auto);
