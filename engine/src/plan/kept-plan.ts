import { LRUCache } from 'lru-cache';
import type { Network } from '../network/network.js';
import { makePlan, type PlanOptions } from './make-plan.js';
import type { Plan } from './plan.js';
import { dense, lasnet, resolveStrategy, streamed, unfused } from './strategies.js';
import type { Strategy } from './strategy.js';

/** Strategies whose plans depend on neither rates nor devices, so that one plan serves every run. */
const steady: ReadonlySet<Strategy> = new Set([dense, unfused, lasnet, streamed]);

/** Whether a strategy always plans the same for the same shapes. */
export function isSteady(strategy: Strategy): boolean {
  return steady.has(strategy);
}

/** Plans kept for one network: a person compares a few strategies and granularities. */
const KEPT_PLANS = 64;

const kept = new WeakMap<Network, LRUCache<string, Plan>>();

/**
 * `makePlan`, with the plans of the built-in strategies remembered: making one takes as long as computing a
 * small block. A custom strategy is called every time, because its answer may change.
 *
 * @returns a plan that others hold as well, and frozen for that reason, unless the strategy is not built in
 * @throws FoveaError as `makePlan` does; rates are checked only when the strategy is called
 */
export function keptPlan(network: Network, options: PlanOptions): Plan {
  const { strategy, granularity, excitation, batch, height, width, maskers, masks } = options;
  const resolved = resolveStrategy(strategy);
  if (masks || !steady.has(resolved)) return makePlan(network, options);
  let plans = kept.get(network);
  if (!plans) {
    plans = new LRUCache({ max: KEPT_PLANS });
    kept.set(network, plans);
  }
  let pools = '';
  for (const masker of maskers ?? []) pools += masker.needsPool ? 'p' : '-';
  const key = `${resolved.name} ${granularity} ${excitation} ${batch} ${height} ${width} ${pools}`;
  let plan = plans.get(key);
  if (!plan) {
    plan = frozen(makePlan(network, options));
    plans.set(key, plan);
  }
  return plan;
}

function frozen<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.values(value).forEach(frozen);
    Object.freeze(value);
  }
  return value;
}
