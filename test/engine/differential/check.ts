import {
  makePlan,
  type Network,
  type NetworkRunOptions,
  type RunResult,
  releaseNetwork,
  resolveMaskers,
  run,
  type Tensor,
} from '@fovea/engine';
import { type Backend, nativeBackendWith } from '@fovea/engine/backend';
import { backends as available } from '../support/backends.js';
import { type Case, inputChannels, isAdaptive, type RunCase } from './case.js';
import { type Convolve, fastConvolve } from './convolution.js';
import { type CaseMaskers, maskersOf } from './maskers.js';
import { batchOf, networkOf, picturesOf, withBias } from './network.js';
import { type OracleMask, oracle } from './oracle.js';
import { type OtherRun, otherSizes } from './other-sizes.js';
import type { Planes } from './planes.js';
import { denseBlocks, planOptions } from './plans.js';
import { runRewritten } from './rewrites.js';

/** Largest difference of an output, relative to the largest value of its picture. */
export const TOLERANCE = 1e-4;

/** A run that takes longer than this is taken to hang. */
const PATIENCE_MS = 300_000;

export interface Failure {
  /**
   * `masks`: a cell differs whose decision is clear; `output`: values differ; `unsteady`: a run gives something else
   * the second time; `threads`: another number of threads gives something else; `error`: a run throws.
   */
  readonly kind: 'masks' | 'output' | 'unsteady' | 'threads' | 'error';
  /** Position among the case's runs. */
  readonly run: number;
  readonly message: string;
}

/** Whether two failures look like one fault: of one kind, and of one message but for its numbers. */
export function isSameFault(a: Failure, b: Failure): boolean {
  const wording = ({ message }: Failure) => message.split('\n')[0]!.replaceAll(/\d+/g, '#');
  return a.kind === b.kind && (a.kind !== 'error' || wording(a) === wording(b));
}

export interface Outcome {
  readonly failure?: Failure;
  /** Runs made. */
  readonly runs: number;
  /** Cells compared. */
  readonly cells: number;
  /** Cells that differed where rounding decides; what came after them was not compared. */
  readonly unclear: number;
  /** Largest relative difference of an output that was compared. */
  readonly worst: number;
}

/** Whether this machine has the run's backend. */
export function isAvailable({ backend }: RunCase): boolean {
  return available.find(({ name }) => name === backend)?.missing === undefined;
}

const backends = new Map<number, Backend>();

function backendOf({ backend, bandPixels }: RunCase): string | Backend {
  if (backend !== 'native' || bandPixels === 0) return backend;
  const known = backends.get(bandPixels) ?? nativeBackendWith({ bandPixels });
  backends.set(bandPixels, known);
  return known;
}

let convolve: Convolve | undefined;

/** What all runs of a case must find. */
interface Expected {
  readonly output: Planes;
  readonly masks: readonly OracleMask[];
}

/**
 * Runs a case: each run against the oracle, then all of them again, at the same time, in the opposite order, and among runs at
 * other sizes.
 */
export async function check(test: Case): Promise<Outcome> {
  const bare = networkOf(test);
  const pictures = picturesOf(test);
  const maskers = maskersOf(test);
  convolve ??= fastConvolve();
  const expected = await oracle(bare, pictures, {
    granularity: test.blocks.map(({ granularity }) => granularity || Number.POSITIVE_INFINITY),
    decide: maskers.decide,
    dense: denseBlocks(test),
    excitation: test.excitation,
    convolve,
  });
  const network = withBias(bare, maskers.bias);
  try {
    return await compare(test, network, pictures, maskers, expected);
  } finally {
    await releaseNetwork(network);
  }
}

async function compare(
  test: Case,
  network: Network,
  pictures: Tensor,
  maskers: CaseMaskers,
  expected: Expected,
): Promise<Outcome> {
  const counts = { runs: 0, cells: 0, unclear: 0, worst: 0 };
  const runs = test.runs
    .map((wanted, number) => ({ wanted, number }))
    .filter(({ wanted }) => isAvailable(wanted));
  const firstTime = new Map<number, RunResult>();
  /** Native results by everything but the number of threads. */
  const byThreads = new Map<string, RunResult>();
  const failed = (kind: Failure['kind'], { number }: (typeof runs)[number], message: string): Outcome => ({
    ...counts,
    failure: { kind, run: number, message },
  });
  for (const each of runs) {
    const { wanted, number } = each;
    let result: RunResult;
    try {
      result = await runOne(test, network, pictures, maskers, wanted);
    } catch (error) {
      return failed('error', each, (error as Error).stack ?? String(error));
    }
    counts.runs++;
    firstTime.set(number, result);
    const verdict = judge(test, wanted, result, expected, counts);
    if (verdict) return failed(verdict.kind, each, verdict.message);
    if (wanted.backend !== 'native') continue;
    const key = JSON.stringify({ ...wanted, threads: 0 });
    const other = byThreads.get(key);
    const change = other && changeOf(other, result);
    if (change) return failed('threads', each, `${change} with another number of threads`);
    byThreads.set(key, result);
  }
  // What is left of other runs, and of runs that were broken off, must not matter; nor must runs at the same time.
  const again = runs.filter(({ wanted }) => wanted.backend !== 'reference').reverse();
  const others: { readonly other: OtherRun; readonly first: RunResult }[] = [];
  try {
    if (runs.some(({ wanted }) => wanted.backend === 'native'))
      for (const other of otherSizes(test, network)) others.push({ other, first: await other.run() });
  } catch (error) {
    return failed('error', runs[0]!, `at another size: ${(error as Error).stack ?? error}`);
  }
  const outcomes = await Promise.all([
    ...others.map(async ({ other, first }): Promise<Outcome | undefined> => {
      const change = changeOf(first, await other.run());
      counts.runs++;
      return change ? failed('unsteady', runs[0]!, `${change} at ${other.description}`) : undefined;
    }),
    ...again.map(async (each): Promise<Outcome | undefined> => {
      const { wanted, number } = each;
      try {
        await breakOff(test, network, pictures, maskers, wanted);
        const change = changeOf(
          firstTime.get(number)!,
          await runOne(test, network, pictures, maskers, wanted),
        );
        counts.runs++;
        return change ? failed('unsteady', each, `${change} when run again`) : undefined;
      } catch (error) {
        return failed('error', each, `run again: ${(error as Error).stack ?? error}`);
      }
    }),
  ]);
  return outcomes.find((outcome) => outcome !== undefined) ?? counts;
}

/** Begins a run and aborts it as soon as something has been computed. */
async function breakOff(
  ...[test, network, pictures, maskers, wanted]: Parameters<typeof runOne>
): Promise<void> {
  const controller = new AbortController();
  try {
    await runOne(test, network, pictures, maskers, wanted, {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'aborted') throw error;
  }
}

async function runOne(
  test: Case,
  network: Network,
  pictures: Tensor,
  maskers: CaseMaskers,
  wanted: RunCase,
  options: Pick<NetworkRunOptions, 'signal' | 'onProgress'> = {},
): Promise<RunResult> {
  const { blocks } = test;
  const learned = blocks.every(
    ({ masker }, index) => masker === 'learned' || !isAdaptive(blocks[index]!, inputChannels(test, index)),
  );
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), PATIENCE_MS);
  const input = batchOf(pictures, wanted.batch);
  const common: NetworkRunOptions = {
    backend: backendOf(wanted),
    threads: wanted.threads,
    masker: learned ? 'learned' : maskers.forEngine(),
    signal: deadline.signal,
    ...options,
  };
  const planning = planOptions(test, network, wanted);
  try {
    if (wanted.rewrite === undefined) return await run(network, input, { ...common, ...planning });
    const plan =
      planning.plan ?? makePlan(network, { ...planning, ...sizeOf(input), ...maskersIn(network, common) });
    return await runRewritten(plan, wanted.rewrite, (rewritten) =>
      run(network, input, { ...common, plan: rewritten }),
    );
  } finally {
    clearTimeout(timer);
  }
}

const sizeOf = ({ shape: [batch, height, width] }: Tensor) => ({ batch, height, width });
const maskersIn = (network: Network, options: NetworkRunOptions) => ({
  maskers: resolveMaskers(network, options),
});

/** What is wrong with a result, if anything. */
function judge(
  test: Case,
  { batch }: RunCase,
  { output, masks, profile }: RunResult,
  expected: Expected,
  counts: { cells: number; unclear: number; worst: number },
): { kind: 'masks' | 'output'; message: string } | undefined {
  const [blocks, wanted] = [masks, expected.masks].map((list) => list.map(({ block }) => block).join(' '));
  if (blocks !== wanted) return { kind: 'masks', message: `masks of blocks ${blocks}, not of ${wanted}` };
  for (const [at, mask] of expected.masks.entries()) {
    const { rows, columns, block } = mask;
    const plane = rows * columns;
    const actual = masks[at]!;
    if (actual.rows !== rows || actual.columns !== columns || actual.cells.length !== batch.length * plane) {
      return {
        kind: 'masks',
        message: `block ${block} has ${actual.rows} x ${actual.columns} cells, not ${rows} x ${columns}`,
      };
    }
    let [wrong, unclear] = [0, 0];
    batch.forEach((picture, n) => {
      for (let cell = 0; cell < plane; cell++) {
        const there = picture * plane + cell;
        if (actual.cells[n * plane + cell] === mask.cells[there]) continue;
        if (mask.unclear?.[there]) unclear++;
        else wrong++;
      }
    });
    counts.cells += batch.length * plane;
    counts.unclear += unclear;
    if (wrong > 0) {
      return {
        kind: 'masks',
        message: `${wrong} of ${batch.length * plane} cells of block ${block} (${test.blocks[block]!.masker}) are wrong`,
      };
    }
    if (unclear > 0) return undefined;
    const rate = profile.blocks.find((entry) => entry.block === block)?.rate;
    const wantedRate = activeFraction(mask, batch);
    if (!(Math.abs((rate ?? Number.NaN) - wantedRate) < 1e-9)) {
      return {
        kind: 'masks',
        message: `block ${block} is said to have a rate of ${rate}, not ${wantedRate}`,
      };
    }
  }
  const error = outputError(output, batch, expected.output);
  if (!(error <= TOLERANCE)) {
    return { kind: 'output', message: `the output is off by ${error.toExponential(2)} of its largest value` };
  }
  counts.worst = Math.max(counts.worst, error);
  return undefined;
}

/** Fraction of a map's pixels that lie in active cells, over the pictures of a batch. */
function activeFraction(
  { rows, columns, height, width, cells }: OracleMask,
  batch: readonly number[],
): number {
  const pixelsAlong = (size: number, count: number) => {
    const pixels = new Array<number>(count).fill(0);
    for (let i = 0; i < size; i++) pixels[Math.floor((i * count) / size)]!++;
    return pixels;
  };
  const [down, across] = [pixelsAlong(height, rows), pixelsAlong(width, columns)];
  let active = 0;
  for (const picture of batch) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const cell = (picture * rows + row) * columns + column;
        active += cells[cell]! * down[row]! * across[column]!;
      }
    }
  }
  return active / (batch.length * height * width);
}

/** Largest difference over the largest expected value of the same picture, of all pictures the largest. */
function outputError(output: Tensor, batch: readonly number[], { C, H, W, data }: Planes): number {
  const [N, height, width, channels] = output.shape;
  if (N !== batch.length || height !== H || width !== W || channels !== C) return Number.POSITIVE_INFINITY;
  let worst = 0;
  batch.forEach((picture, n) => {
    let [difference, scale] = [0, 1e-30];
    for (let c = 0; c < C; c++) {
      for (let p = 0; p < H * W; p++) {
        const wanted = data[(picture * C + c) * H * W + p]!;
        const gap = Math.abs(output.data[(n * H * W + p) * C + c]! - wanted);
        if (!(gap <= difference)) difference = gap;
        scale = Math.max(scale, Math.abs(wanted));
      }
    }
    if (!(difference / scale <= worst)) worst = difference / scale;
  });
  return worst;
}

/** How two results differ that should be the same to the last bit. */
function changeOf(before: RunResult, after: RunResult): string | undefined {
  for (const [at, { block, cells }] of before.masks.entries()) {
    const other = after.masks[at]!.cells;
    if (cells.some((cell, i) => cell !== other[i])) return `the mask of block ${block} changes`;
  }
  let changed = 0;
  before.output.data.forEach((value, i) => {
    if (!Object.is(value, after.output.data[i])) changed++;
  });
  return changed > 0 ? `${changed} of ${before.output.data.length} output values change` : undefined;
}
