import type { Device } from '../plan/device.js';
import { dense, lasnet, registerStrategy, streamed, unfused } from '../plan/strategies.js';
import type { Strategy, StrategyContext } from '../plan/strategy.js';
import { costCandidate } from './candidate.js';
import { statisticsCoverage } from './coverage.js';
import { getDevice } from './devices.js';
import { readCalibration } from './this-machine.js';

const alternatives: readonly Strategy[] = [dense, streamed, lasnet, unfused];

/** The device to decide for when none is named: this machine, as calibrated, or else a generic CPU. */
function defaultDevice(): Device {
  return readCalibration().device ?? getDevice('cpu-avx2');
}

function fastest(context: StrategyContext): { strategy: Strategy; reason: string } {
  const { block, shape, granularity, excitation, statistics, batch, threads, needsPool } = context;
  const device = context.device ?? defaultDevice();
  const setting = { device, batch, threads };
  const coverage = statisticsCoverage(block, shape, granularity, statistics, batch);
  const costs = (block.adaptive ? alternatives : [dense]).map((strategy) => ({
    strategy,
    totalMs: costCandidate(
      { block, shape, needsPool, excitation },
      strategy,
      granularity,
      statistics.rate,
      setting,
      coverage,
    ).totalMs,
  }));
  const best = costs.reduce((a, b) => (b.totalMs < a.totalMs ? b : a));
  const figures = costs
    .map(({ strategy, totalMs }) => `${strategy.name} ${totalMs.toPrecision(3)}`)
    .join(', ');
  return {
    strategy: best.strategy,
    reason: `${best.strategy.name} predicted fastest on ${device.name} (ms: ${figures})`,
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
    const { strategy, reason } = fastest(context);
    return { ...strategy.plan(context), reason };
  },
};

registerStrategy(auto);
