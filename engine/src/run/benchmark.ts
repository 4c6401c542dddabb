import { expectArgument, expectOptions, type Kinds } from '../arguments/expect.js';
import { aCount, aNetwork, aNumber, aTensor, numbers } from '../arguments/kinds.js';
import type { Backend, BackendName } from '../backends/backend.js';
import { type DenseSession, openDense } from '../backends/onnx/dense.js';
import { FoveaError } from '../errors.js';
import type { Excitation } from '../mask/excitation.js';
import { checkRate } from '../mask/rate.js';
import type { Network } from '../network/network.js';
import type { ExecutionProvider } from '../onnxruntime.js';
import type { Granularity } from '../plan/granularity.js';
import type { StrategyName } from '../plan/strategy.js';
import { flopsLeft, type KernelTiming, type Profile } from '../profile.js';
import { Random } from '../random.js';
import { Tensor } from '../tensor.js';
import { defaultMasker } from './maskers.js';
import { median } from './median.js';
import { type NetworkRunOptions, runOptionKinds } from './options.js';
import {
  acceptedDifference,
  checkAgainstPlain,
  describeError,
  OUTPUT_TOLERANCE,
  outputDifference,
} from './plain-run.js';
import { awaitAdapter, defaultThreads, isGpu, prepare } from './prepare.js';
import { run } from './run.js';

/** What `benchmark` runs; everything has a default. */
export interface BenchmarkOptions {
  /**
   * Who decides the masks; everything that takes is part of the time. Left out, `learned` where every adaptive block has
   * a learned masker, else `saliency`.
   */
  readonly masker?: 'learned' | 'saliency' | 'random';
  /** Activation rates of saliency and random masks; 1, 0.75, 0.5 and 0.25 when left out. Learned ones have their own. */
  readonly rates?: readonly number[];
  readonly granularity?: Granularity;
  /** `streamed` when left out. */
  readonly strategy?: StrategyName;
  /** By name or by value. One on a GPU is compared with onnxruntime on that GPU. */
  readonly backend?: BackendName | Backend;
  readonly threads?: number;
  /** How attention pools; `exact` when left out. */
  readonly excitation?: Excitation;
  /** Images to time, `[N, H, W, C]`; `batch` images of noise in the network's nominal size when left out. */
  readonly input?: Tensor;
  readonly batch?: number;
  /** Counted runs of each of the two, per rate; 15 when left out. */
  readonly runs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, name: string) => void;
}

const { masker, granularity, strategy, backend, threads, excitation, signal, onProgress } = runOptionKinds;
const benchmarkOptionKinds: Kinds<BenchmarkOptions> = {
  ...{ masker, granularity, strategy, backend, threads, excitation, signal, onProgress },
  rates: numbers,
  input: aTensor,
  batch: aNumber,
  runs: aCount,
};

/** Median and shortest of repeated times, ms. */
export interface Spread {
  readonly median: number;
  readonly min: number;
}

/** One activation rate of a benchmark. */
export interface BenchmarkRow {
  /** The rate asked for; of learned masks the mean over adaptive blocks, as they decided. */
  readonly rate: number;
  readonly denseMs: Spread;
  readonly engineMs: Spread;
  /** Dense over engine time: the median of the pairs of runs that followed each other. */
  readonly speedup: number;
  /** FLOPs that remain, as a fraction of dense: dilated conv1, maskers, projections, stem and head included. */
  readonly flopsFraction: number;
  /** FLOPs that remain, all images of the batch. */
  readonly flops: number;
  /** `speedup · flopsFraction`: 1 when time has fallen exactly as the arithmetic has. */
  readonly realisedOverIdeal: number;
  /** Largest difference from a plain run's output, relative to the largest value: what was timed computes this well. */
  readonly outputError: number;
  /** On a GPU: the kernels of the last timed run, those that took the most time first. */
  readonly kernels?: readonly KernelTiming[];
}

/** What `benchmark` measured: dense execution in onnxruntime beside the engine, a row for each rate. */
export interface Benchmark {
  readonly model: string;
  readonly threads: number;
  readonly batch: number;
  /** S per block; that of the whole map is its larger side. */
  readonly granularity: readonly number[];
  readonly strategy: string;
  readonly masker: 'learned' | 'saliency' | 'random';
  /** What ran: the backend with its instruction set. */
  readonly source: string;
  /** Where onnxruntime computed: its execution provider. */
  readonly denseProvider: ExecutionProvider;
  /** What the outputs were checked against. */
  readonly checkedAgainst: string;
  readonly rows: readonly BenchmarkRow[];
}

/** Runs that do not count: of every rate, and before all of them for so long that the program has been compiled. */
const WARM_UP = 2;
const WARM_UP_MS = 400;

/** How far onnxruntime's dense output may be from the engine's dense one: files may compute in half precision. */
const DENSE_TOLERANCE = 0.02;

/**
 * Times the engine against onnxruntime's dense execution of the same network, run alternately in one process. Both
 * times are whole calls, as a caller sees them: the engine's has the masker's pools and decisions inside. onnxruntime's
 * threads do not spin while it is idle.
 *
 * No number is given out for wrong answers: masks and output at every rate are compared with a plain run on another
 * backend, every timed output with the one that was compared, and onnxruntime's dense output with the engine's.
 *
 * @throws FoveaError as `run` does; `disagreement` naming the plan whose answer is wrong, and by how much;
 *   `bad-argument` for rates beside learned masks; `backend-unavailable` when onnxruntime cannot be loaded; `aborted`
 *
 * @example
 * ```ts
 * import { builtNetwork, Tensor } from '@fovea/engine';
 * import { benchmark } from '@fovea/engine/predict';
 *
 * const input = Tensor.zeros([1, 64, 64, 3]);
 * const { rows } = await benchmark(builtNetwork('resnet18'), { input, masker: 'random', rates: [1, 0.5], runs: 3 });
 * for (const { rate, speedup, flopsFraction } of rows) console.log(rate, speedup, flopsFraction);
 * ```
 */
export async function benchmark(network: Network, options: BenchmarkOptions = {}): Promise<Benchmark> {
  expectArgument(network, aNetwork, 'benchmark: network');
  expectOptions(options, benchmarkOptionKinds, 'benchmark');
  const { strategy = 'streamed', runs = 15, masker = defaultMasker(network), signal } = options;
  const rates = ratesOf(options, masker);
  const input = inputOf(network, options);
  const [batch, height, width] = input.shape;
  const threads = options.threads ?? defaultThreads();
  const { granularity } = options;
  const common: NetworkRunOptions = {
    ...{ threads, masker, strategy },
    ...(granularity === undefined ? {} : { granularity }),
    ...(options.excitation === undefined ? {} : { excitation: options.excitation }),
    ...(options.backend === undefined ? {} : { backend: options.backend }),
    ...(signal ? { signal } : {}),
  };
  if (isGpu(options.backend)) await awaitAdapter(common);
  const { backend } = prepare(network, input, {
    ...common,
    ...(rates[0] === undefined ? {} : { rate: rates[0] }),
  });
  const missing = await backend.check?.();
  if (missing) throw new FoveaError('backend-unavailable', `backend ${backend.name}: ${missing}`);
  const provider = backend.onnxProvider ?? 'cpu';
  const dense = await openDense(network, { batch, height, width, threads, provider });
  try {
    await checkDense(network, input, dense, common);
    const settings: NetworkRunOptions[] = rates.map((rate) =>
      rate === undefined ? common : { ...common, rate },
    );
    const first = settings[0]!;
    const warming = performance.now();
    while (performance.now() - warming < WARM_UP_MS) await timeBoth(network, input, dense, first);
    const timed: TimedSetting[] = [];
    for (const [position, setting] of settings.entries()) {
      const name = setting.rate === undefined ? masker : `rate ${setting.rate}`;
      const onProgress = (part: number) => options.onProgress?.((position + part) / settings.length, name);
      timed.push(await timeSetting(network, input, dense, setting, runs, onProgress));
    }
    const { source, checkedAgainst, sides } = timed.at(-1)!;
    return {
      model: network.name,
      threads,
      batch,
      granularity: sides,
      strategy,
      masker,
      source,
      denseProvider: provider,
      checkedAgainst,
      rows: timed.map(({ row }) => row),
    };
  } finally {
    await dense.dispose();
  }
}

/** The rates to time; one that is not given for learned masks. */
function ratesOf(
  { rates }: BenchmarkOptions,
  masker: BenchmarkOptions['masker'],
): readonly (number | undefined)[] {
  if (masker === 'learned') {
    if (rates) {
      throw new FoveaError(
        'bad-argument',
        `rates ${rates.join(', ')}: learned masks have rates of their own; saliency or random masks take them`,
      );
    }
    return [undefined];
  }
  const wanted = rates ?? [1, 0.75, 0.5, 0.25];
  if (wanted.length === 0) throw new FoveaError('bad-argument', 'no rates: at least one is accepted');
  wanted.forEach(checkRate);
  return wanted;
}

function inputOf(network: Network, { input, batch }: BenchmarkOptions): Tensor {
  const { height, width, channels } = network.inputShape;
  if (!input) return seededImages([batch ?? 1, height, width, channels]);
  if (batch !== undefined && batch !== input.shape[0]) {
    throw new FoveaError('bad-argument', `batch ${batch}: the input given holds ${input.shape[0]} images`);
  }
  return input;
}

/** A row of a benchmark, and what else its runs say. */
interface TimedSetting {
  readonly row: BenchmarkRow;
  readonly source: string;
  readonly checkedAgainst: string;
  /** S per block. */
  readonly sides: readonly number[];
}

/** Checks a setting, and times it beside onnxruntime so often, warm-up aside. */
async function timeSetting(
  network: Network,
  input: Tensor,
  dense: DenseSession,
  setting: NetworkRunOptions,
  runs: number,
  onProgress: (part: number) => void,
): Promise<TimedSetting> {
  const { profile, outputError, output, against, sides } = await checkSetting(network, input, setting);
  const denseMs: number[] = [];
  const engineMs: number[] = [];
  let kernels: readonly KernelTiming[] | undefined;
  for (let i = -WARM_UP; i < runs; i++) {
    const timed = await timeBoth(network, input, dense, setting);
    checkTimed(timed.result.output, output, setting);
    if (i >= 0) {
      denseMs.push(timed.denseMs);
      engineMs.push(timed.engineMs);
    }
    if (i === runs - 1) ({ kernels } = timed.result.profile);
    onProgress((i + WARM_UP + 1) / (runs + WARM_UP));
  }
  const speedup = median(denseMs.map((ms, i) => ms / engineMs[i]!));
  const flopsFraction = flopsLeft(profile);
  const row: BenchmarkRow = {
    rate: setting.rate ?? meanRate(profile),
    denseMs: spread(denseMs),
    engineMs: spread(engineMs),
    speedup,
    flopsFraction,
    flops: profile.flops,
    realisedOverIdeal: speedup * flopsFraction,
    outputError,
    ...(kernels ? { kernels } : {}),
  };
  return { row, source: profile.source, checkedAgainst: against, sides };
}

/** onnxruntime and the engine, once each. */
async function timeBoth(network: Network, input: Tensor, dense: DenseSession, setting: NetworkRunOptions) {
  if (setting.signal?.aborted) throw new FoveaError('aborted', 'the benchmark was aborted');
  const { ms: denseMs } = await dense.run(input);
  const before = performance.now();
  // Masks and Profile are put together only when asked for, which is not part of the run.
  const result = await run(network, input, setting);
  return { denseMs, engineMs: performance.now() - before, result };
}

/** Runs a setting once and checks it against a plain run. */
async function checkSetting(network: Network, input: Tensor, setting: NetworkRunOptions) {
  const { plan, maskers, threads, backend } = prepare(network, input, setting);
  const { outputTolerance: tolerance } = backend;
  const result = await run(network, input, setting);
  const { signal } = setting;
  const check = await checkAgainstPlain(network, input, {
    ...{ plan, maskers, threads, result, signal },
    ...(tolerance === undefined ? {} : { tolerance }),
  });
  const sides = plan.blocks.map((block) => block.granularity);
  return { ...check, sides, output: result.output, profile: result.profile };
}

/** @throws FoveaError `disagreement` when a timed run did not answer as the one did that was checked */
function checkTimed(output: Tensor, checked: Tensor, { strategy, rate }: NetworkRunOptions): void {
  const error = outputDifference(output, checked);
  if (error <= OUTPUT_TOLERANCE) return;
  const at = rate === undefined ? '' : ` at rate ${rate}`;
  throw new FoveaError(
    'disagreement',
    `${String(strategy)}${at} answers otherwise from run to run: ${describeError(error)} of the largest output`,
  );
}

/** @throws FoveaError `disagreement` when onnxruntime's dense answer is not the engine's: nothing could be compared */
async function checkDense(
  network: Network,
  input: Tensor,
  dense: DenseSession,
  { backend, threads, signal }: NetworkRunOptions,
): Promise<void> {
  const own = await run(network, input, {
    ...{ strategy: 'dense', masker: 'random', rate: 1 },
    ...(backend === undefined ? {} : { backend }),
    ...(threads === undefined ? {} : { threads }),
    ...(signal ? { signal } : {}),
  });
  const error = outputDifference(own.output, (await dense.run(input)).output);
  const accepted = acceptedDifference(network, DENSE_TOLERANCE);
  if (error <= accepted) return;
  throw new FoveaError(
    'disagreement',
    `${network.name}: dense on ${own.profile.source} answers otherwise than onnxruntime: ${describeError(error)} of the largest output, at most ${accepted} is accepted`,
  );
}

function meanRate({ blocks }: Profile): number {
  const adaptive = blocks.filter(({ mode }) => mode === 'adaptive');
  return adaptive.reduce((sum, { rate }) => sum + rate, 0) / Math.max(1, adaptive.length);
}

function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values) };
}

function seededImages(shape: readonly [number, number, number, number]): Tensor {
  const images = Tensor.zeros(shape);
  const random = new Random(1);
  for (let i = 0; i < images.data.length; i++) images.data[i] = random.normal();
  return images;
}
