import { expectArgument, expectOptions, type Kinds } from '../arguments/expect.js';
import {
  aFlag,
  aNetwork,
  aNumber,
  aNumberOrNumbers,
  anObject,
  type Kind,
  later,
  listOf,
  numbers,
  oneOf,
} from '../arguments/kinds.js';
import { said } from '../arguments/said.js';
import { FoveaError } from '../errors.js';
import { checkExcitation, type Excitation } from '../mask/excitation.js';
import { checkRate, resolveRates } from '../mask/rate.js';
import { exchangedBytes } from '../network/exchanged-bytes.js';
import { shapesOf } from '../network/kept-shapes.js';
import { blocksOf, type Network } from '../network/network.js';
import type { NetworkShapes } from '../network/walk.js';
import type { Device } from '../plan/device.js';
import { keptPlan } from '../plan/kept-plan.js';
import { makePlan } from '../plan/make-plan.js';
import type { Plan } from '../plan/plan.js';
import { dense, resolveStrategy } from '../plan/strategies.js';
import type { Strategy, StrategyName } from '../plan/strategy.js';
import { advise } from './advice.js';
import { besidePassesMs, calibrationOf } from './calibration.js';
import {
  type Candidate,
  costCandidate,
  costDense,
  distinctGranularities,
  findBreakEven,
  type PlacedBlock,
} from './candidate.js';
import { expectedCoverage, fullCoverage } from './coverage.js';
import type { DeviceName } from './devices.js';
import { resolveSetting, type Setting } from './options.js';
import { type ParetoPoint, paretoFront } from './pareto.js';
import { blockKind } from './program-cost/block-kind.js';
import { programOfPlan } from './program-cost/costed-program.js';
import { passCosts } from './program-cost/pass-costs.js';
import { timeOfPasses, totalOf } from './program-cost/pass-times.js';
import {
  type BlockChoice,
  type Chooser,
  chooseForStages,
  chooser,
  type StageChoice,
  stageOptions,
} from './search-stages.js';

/** What to search, and under which assumptions. */
export interface SearchOptions {
  /** Activation rate assumed at every S, uniform or per block, 0…1; 0.5 when nothing is said. */
  readonly rate?: number | readonly number[];
  /** Rate by S, where it depends on it; not beside `rate`. S missing here are not searched. */
  readonly ratePerGranularity?: Readonly<Record<number, number>>;
  /** Strategies to try, by name or by value; `unfused`, `lasnet` and `streamed` when left out. Dense is always tried. */
  readonly strategies?: readonly (StrategyName | Strategy)[];
  /** S to try; all that give different grids when left out. `Infinity` is the whole map. */
  readonly granularities?: readonly number[];
  /**
   * `latency` takes the fastest; `finest` the smallest S whose time is within `tolerance` of the fastest, since
   * fine masks cost least accuracy.
   */
  readonly objective?: 'latency' | 'finest';
  /** For `finest`: 0.02 is two percent. */
  readonly tolerance?: number;
  /** Accuracy or agreement by S, any scale where more is better: adds the Pareto front. */
  readonly scores?: Readonly<Record<number, number>>;
  readonly batch?: number;
  readonly threads?: number;
  readonly height?: number;
  readonly width?: number;
  /** False when masks come without reading the input (fixed, random): their pool is then not charged. */
  readonly needsPool?: boolean;
  /** How attention pools; `exact` when left out. */
  readonly excitation?: Excitation;
}

/** Resolving says what is wrong with it; undefined would be the default strategy. */
const given: Kind = { accepted: 'a strategy', holds: (value) => value !== undefined && later.holds(value) };
const searchOptionKinds: Kinds<SearchOptions> = {
  rate: aNumberOrNumbers,
  ratePerGranularity: anObject,
  strategies: listOf(given, 'strategies'),
  granularities: numbers,
  objective: later,
  tolerance: aNumber,
  scores: anObject,
  batch: aNumber,
  threads: aNumber,
  height: aNumber,
  width: aNumber,
  needsPool: aFlag,
  excitation: oneOf(['exact', 'active']),
};

/** What `searchGranularity` found. */
export interface SearchResult {
  readonly network: string;
  readonly device: string;
  readonly batch: number;
  readonly threads: number;
  readonly objective: 'latency' | 'finest';
  readonly blocks: readonly BlockChoice[];
  readonly stages: readonly StageChoice[];
  /** The whole network with the best choice for every block, ms. */
  readonly totalMs: number;
  /** The whole network densely, ms. */
  readonly denseMs: number;
  /** The best choice of every block as a plan that can be run. */
  readonly plan: Plan;
  /** Where `scores` were given. */
  readonly pareto?: readonly ParetoPoint[];
}

/**
 * Tries every S and strategy on every block by prediction, and says which is best and why.
 *
 * @param device name or device
 * @throws FoveaError `unknown-name`, `bad-argument` for rates, S or an objective out of range
 *
 * @example
 * ```ts
 * import { builtNetwork, predict } from '@fovea/engine';
 * import { searchGranularity } from '@fovea/engine/predict';
 *
 * const network = builtNetwork('resnet50');
 * const { plan, totalMs, denseMs, blocks } = searchGranularity(network, 'tx2', { rate: 0.4 });
 * console.log(denseMs / totalMs, blocks[0]!.advice.sentence);
 * console.log(predict(network, { device: 'tx2', plan, rate: 0.4 }).totalMs);
 * ```
 */
export function searchGranularity(
  network: Network,
  device: Device | DeviceName,
  options: SearchOptions = {},
): SearchResult {
  expectArgument(network, aNetwork, 'searchGranularity: network');
  checkSearch(options);
  const { objective = 'latency', tolerance = 0.02, strategies, scores } = options;
  const excitation = checkExcitation(options.excitation ?? 'exact', network.name);
  const setting = resolveSetting(network, { ...options, device });
  const shapes = shapesOf(network, { ...options, batch: setting.batch });
  const tried = (strategies ?? ['unfused', 'lasnet', 'streamed']).map(resolveStrategy);
  const pick = chooser(objective, tolerance);
  const choices = chooseForBlocks(network, shapes, tried, { ...options, excitation }, setting, pick);
  const stages = chooseForStages(choices, pick);
  const outsideMs = outside(network, options, setting);
  const exchanged = exchangedBytes(network, shapes);
  const run = (passesMs: number) => passesMs + besideMs(passesMs, exchanged, setting);
  const sum = (figures: readonly number[]) =>
    run(figures.reduce((total, figure) => total + figure, outsideMs));
  return {
    network: network.name,
    device: setting.device.name,
    batch: setting.batch,
    threads: setting.threads,
    objective,
    blocks: choices,
    stages,
    totalMs: sum(choices.map(({ best }) => best.totalMs)),
    denseMs: sum(choices.map((choice) => choice.dense.totalMs)),
    plan: planOf(network, choices, tried, options, setting),
    ...(scores
      ? {
          pareto: paretoFront(stageOptions(choices, scores), choices.length, outsideMs).map((point) => ({
            ...point,
            totalMs: run(point.totalMs),
          })),
        }
      : {}),
  };
}

/** @throws FoveaError `bad-argument` for options of another kind or out of range, or that exclude each other */
function checkSearch(options: SearchOptions): void {
  expectOptions(options, searchOptionKinds, 'searchGranularity');
  const { objective = 'latency', tolerance = 0, rate, ratePerGranularity } = options;
  if (objective !== 'latency' && objective !== 'finest') {
    throw new FoveaError('bad-argument', `objective ${said(objective)}: latency or finest is accepted`);
  }
  if (!(tolerance >= 0)) {
    throw new FoveaError('bad-argument', `tolerance ${tolerance}: a number of at least 0 is accepted`);
  }
  if (rate !== undefined && ratePerGranularity !== undefined) {
    throw new FoveaError(
      'bad-argument',
      `rate ${String(rate)}: ratePerGranularity says the rate of every S; give one of the two`,
    );
  }
}

/** What is best for each block, and why. */
function chooseForBlocks(
  network: Network,
  shapes: NetworkShapes,
  strategies: readonly Strategy[],
  options: SearchOptions & { readonly excitation: Excitation },
  setting: Setting,
  pick: Chooser,
): BlockChoice[] {
  const { needsPool = true, excitation } = options;
  // Most blocks of a network are alike: each kind is searched once.
  const found = new Map<string, BlockFinding>();
  const blocks = blocksOf(network);
  const assumedRates = resolveRates(options.rate, blocks.length);
  return blocks.map((block) => {
    const placed = { block, shape: shapes.blocks[block.index]!, needsPool, excitation };
    const rate = assumedRates[block.index]!;
    const kind = `${block.adaptive} ${rate} ${blockKind(block, placed.shape)}`;
    let finding = found.get(kind);
    if (!finding) {
      finding = chooseForBlock(placed, strategies, { ...options, rate }, setting, pick);
      found.set(kind, finding);
    }
    const { best, dense, candidates, bestAdaptive, limit } = finding;
    return {
      block: block.index,
      name: block.name,
      stage: block.stage,
      best,
      dense,
      candidates,
      advice: advise(block.name, best, dense, bestAdaptive, limit),
    };
  });
}

/** The search of one block: its own rate. */
type BlockSearch = Omit<SearchOptions, 'rate'> & { readonly rate: number };

/** `[S, rate]` pairs to try on a block. */
function settingsOf({ shape }: PlacedBlock, options: BlockSearch): [number, number][] {
  const whole = Math.max(shape.outHeight, shape.outWidth);
  const { ratePerGranularity: rates, granularities, rate } = options;
  const wanted = granularities ?? (rates ? Object.keys(rates).map(Number) : distinctGranularities(shape));
  const pairs = new Map<number, number>();
  for (const S of wanted) {
    if (!(S >= 1)) {
      throw new FoveaError('bad-argument', `granularity S = ${S}: a number of at least 1 is accepted`);
    }
    const assumed = rates ? rates[S] : rate;
    if (assumed === undefined) continue;
    pairs.set(Math.min(S, whole), checkRate(assumed));
  }
  if (pairs.size === 0) {
    throw new FoveaError(
      'bad-argument',
      'no granularity to search: ratePerGranularity has none of those asked for',
    );
  }
  return [...pairs].sort((a, b) => a[0] - b[0]);
}

interface BlockFinding {
  readonly best: Candidate;
  readonly dense: Candidate;
  readonly candidates: readonly Candidate[];
  readonly bestAdaptive: Candidate | undefined;
  /** Highest rate at which the best adaptive candidate pays. */
  readonly limit: number;
}

function chooseForBlock(
  placed: PlacedBlock,
  strategies: readonly Strategy[],
  options: BlockSearch,
  setting: Setting,
  pick: Chooser,
): BlockFinding {
  const { block } = placed;
  const denseCandidate = costDense(placed, setting);
  const adaptive = block.adaptive
    ? settingsOf(placed, options).flatMap(([S, rate]) => {
        const coverage = expectedCoverage(block, placed.shape, S, rate, setting.batch);
        return strategies
          .map((strategy) => costCandidate(placed, strategy, S, coverage, setting))
          .filter(({ mode }) => mode === 'adaptive');
      })
    : [];
  const bestAdaptive = adaptive.length > 0 ? pick(adaptive) : undefined;
  const best = bestAdaptive && bestAdaptive.totalMs < denseCandidate.totalMs ? bestAdaptive : denseCandidate;
  const strategy = strategies.find(({ name }) => name === bestAdaptive?.strategy);
  const limit =
    bestAdaptive && strategy
      ? findBreakEven(placed, strategy, bestAdaptive.granularity, denseCandidate.totalMs, setting)
      : 0;
  return { best, dense: denseCandidate, candidates: [denseCandidate, ...adaptive], bestAdaptive, limit };
}

/** Time of a run beside its passes, ms. */
function besideMs(passesMs: number, exchanged: number, { device, threads }: Setting): number {
  const calibration = calibrationOf(device);
  return calibration ? besidePassesMs(calibration, threads, passesMs, exchanged) : 0;
}

/** Time of the passes outside blocks, ms. */
function outside(network: Network, options: SearchOptions, setting: Setting): number {
  const shapes = shapesOf(network, { ...options, batch: setting.batch });
  let totalMs = 0;
  const { batch, threads } = setting;
  const plan = keptPlan(network, {
    ...(options.height === undefined ? {} : { height: options.height }),
    ...(options.width === undefined ? {} : { width: options.width }),
    strategy: dense,
    batch,
    threads,
  });
  const program = programOfPlan(network, plan, shapes, undefined);
  const costs = passCosts(
    program,
    program.counts(({ block }) => fullCoverage(block)),
    setting,
  );
  network.nodes.forEach(({ kind }, position) => {
    const first = program.order.first(position);
    if (kind !== 'block') totalMs += totalOf(timeOfPasses(costs, first, first + 1));
  });
  return totalMs;
}

/** The chosen strategy and S of every block as one plan. */
function planOf(
  network: Network,
  choices: readonly BlockChoice[],
  strategies: readonly Strategy[],
  options: SearchOptions,
  setting: Setting,
): Plan {
  const chosen: Strategy = {
    name: 'searched',
    description: 'for every block what the search found best',
    plan: (context) => {
      const { best, advice } = choices[context.block.index]!;
      const strategy = strategies.find(({ name }) => name === best.strategy) ?? dense;
      const { next, ...alone } = context;
      const asked = options.needsPool === false ? { ...alone, needsPool: false } : context;
      return { ...strategy.plan(asked), reason: advice.sentence };
    },
  };
  return makePlan(network, {
    strategy: chosen,
    granularity: choices.map(({ best }) => best.granularity),
    batch: setting.batch,
    threads: setting.threads,
    device: setting.device,
    rate: choices.map(({ best }) => best.rate),
    ...(options.excitation === undefined ? {} : { excitation: options.excitation }),
    ...(options.height === undefined ? {} : { height: options.height }),
    ...(options.width === undefined ? {} : { width: options.width }),
  });
}
