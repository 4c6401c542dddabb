import { openDense } from '../backends/onnx/dense.js';
import { FoveaError } from '../errors.js';
import { checkRate } from '../mask/rate.js';
import type { Network } from '../network/network.js';
import { type Granularity, resolveGranularity } from '../plan/granularity.js';
import { Random } from '../random.js';
import { Tensor } from '../tensor.js';
import { median } from './median.js';
import { defaultThreads } from './prepare.js';
import { run } from './run.js';

export interface BenchmarkOptions {
  /** Activation rates of random masks; 1, 0.75, 0.5 and 0.25 when left out. */
  readonly rates?: readonly number[];
  readonly granularity?: Granularity;
  /** `streamed` when left out. */
  readonly strategy?: string;
  readonly backend?: string;
  readonly threads?: number;
  readonly batch?: number;
  /** Counted runs of each of the two, per rate; 15 when left out. */
  readonly runs?: number;
  readonly height?: number;
  readonly width?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, name: string) => void;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
}

export interface BenchmarkRow {
  readonly rate: number;
  readonly denseMs: Spread;
  readonly engineMs: Spread;
  /** Dense median over engine median. */
  readonly speedup: number;
  /** FLOPs that remain, as a fraction of dense: dilated conv1, maskers, projections, stem and head included. */
  readonly flopsFraction: number;
  /** `speedup · flopsFraction`: 1 when time has fallen exactly as the arithmetic has. */
  readonly realisedOverIdeal: number;
}

export interface Benchmark {
  readonly model: string;
  readonly threads: number;
  readonly batch: number;
  /** S per block. */
  readonly granularity: readonly number[];
  readonly strategy: string;
  /** What ran: the backend with its instruction set. */
  readonly source: string;
  readonly rows: readonly BenchmarkRow[];
}

/** Runs that do not count: of every rate, and before all of them for so long that the program has been compiled. */
const WARM_UP = 2;
const WARM_UP_MS = 400;

/**
 * Times the engine against onnxruntime's dense execution of the same network, run alternately in one process
 * on a seeded image, with random masks at each rate. Both times are whole calls, as a caller sees them;
 * onnxruntime's threads do not spin while it is idle.
 *
 * @throws FoveaError as `run` does; `backend-unavailable` when onnxruntime cannot be loaded; `aborted`
 */
export async function benchmark(network: Network, options: BenchmarkOptions = {}): Promise<Benchmark> {
  const { rates = [1, 0.75, 0.5, 0.25], strategy = 'streamed', batch = 1, runs = 15 } = options;
  const { height = network.inputShape.height, width = network.inputShape.width } = options;
  const threads = options.threads ?? defaultThreads();
  if (!Number.isInteger(runs) || runs < 1) {
    throw new FoveaError('bad-argument', `runs ${runs}: an integer of at least 1 is accepted`);
  }
  rates.forEach(checkRate);
  const granularity = resolveGranularity(network, options.granularity);
  const input = seededImages([batch, height, width, network.inputShape.channels]);
  const dense = await openDense(network, { batch, height, width, threads });
  let source = '';
  try {
    const runAt = async (rate: number) => {
      if (options.signal?.aborted) throw new FoveaError('aborted', 'the benchmark was aborted');
      const { ms } = await dense.run(input);
      const before = performance.now();
      const result = await run(network, input, {
        granularity,
        strategy,
        threads,
        masker: 'random',
        rate,
        ...(options.backend === undefined ? {} : { backend: options.backend }),
        ...(options.signal ? { signal: options.signal } : {}),
      });
      const engineMs = performance.now() - before;
      // Put together only when asked for, which is not part of the run.
      const { profile } = result;
      return { denseMs: ms, engineMs, profile };
    };
    const started = performance.now();
    while (performance.now() - started < WARM_UP_MS) await runAt(rates[0] ?? 1);
    const rows: BenchmarkRow[] = [];
    for (const [position, rate] of rates.entries()) {
      const denseMs: number[] = [];
      const engineMs: number[] = [];
      let flopsFraction = 1;
      for (let i = -WARM_UP; i < runs; i++) {
        const { profile, ...times } = await runAt(rate);
        source = profile.source;
        flopsFraction = profile.flops / (profile.flops + profile.flopsAvoided);
        if (i >= 0) {
          denseMs.push(times.denseMs);
          engineMs.push(times.engineMs);
        }
        options.onProgress?.(
          (position + (i + WARM_UP + 1) / (runs + WARM_UP)) / rates.length,
          `rate ${rate}`,
        );
      }
      const speedup = median(denseMs) / median(engineMs);
      rows.push({
        rate,
        denseMs: spread(denseMs),
        engineMs: spread(engineMs),
        speedup,
        flopsFraction,
        realisedOverIdeal: speedup * flopsFraction,
      });
    }
    return { model: network.name, threads, batch, granularity, strategy, source, rows };
  } finally {
    await dense.dispose();
  }
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
