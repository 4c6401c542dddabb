import type { Backend, RunResult } from '../backends/backend.js';
import { FoveaError } from '../errors.js';
import type { Mask, MaskDecision, Masker, MaskerContext } from '../mask/mask.js';
import { type Block, blocksOf, type Network } from '../network/network.js';
import { quantisedOperators } from '../network/quantised.js';
import { makePlan } from '../plan/make-plan.js';
import type { Plan } from '../plan/plan.js';
import { dense, unfused } from '../plan/strategies.js';
import type { Strategy } from '../plan/strategy.js';
import type { Tensor } from '../tensor.js';
import { threadsText } from '../threads.js';
import { getBackend } from './backends.js';
import { run } from './run.js';

/** How far outputs may be apart, relative to the largest value: float32 sums in another order. */
export const OUTPUT_TOLERANCE = 1e-4;
/** The same of a quantised network, where a value between two integers may be rounded to either. */
const QUANTISED_TOLERANCE = 0.1;
/** How close to its threshold a cell may be decided either way, relative to the mask's largest margin. */
const MARGIN_TOLERANCE = 1e-3;

/** A run to be checked: what it was asked for, and what came of it. */
export interface CheckedRun {
  readonly plan: Plan;
  readonly maskers: readonly Masker[];
  readonly threads: number;
  readonly result: RunResult;
  readonly signal?: AbortSignal | undefined;
  /** How far its output may be off, relative to the largest value; that of float32 when left out. */
  readonly tolerance?: number;
}

/** What a run was compared with, and how far from it its output was. */
export interface PlainCheck {
  /** Strategy and backend of the plain run. */
  readonly against: string;
  /** Largest difference between the outputs, relative to the largest value. */
  readonly outputError: number;
}

/**
 * Computes a run's answer again the plain way: every primitive its own pass, on another backend. Each block's mask is
 * decided again from what reaches the block, and compared cell by cell; then the run's own mask is applied, so that a cell
 * on the edge, which rounding may decide either way, changes nothing behind it.
 *
 * @throws FoveaError `disagreement` naming the plan, the block and the cells, or by how much the outputs differ; and
 *   what `run` throws
 */
export async function checkAgainstPlain(
  network: Network,
  input: Tensor,
  { plan, maskers, threads, result, signal, tolerance = OUTPUT_TOLERANCE }: CheckedRun,
): Promise<PlainCheck> {
  const backend = otherBackend(result.profile.source);
  const masks = new Map(result.masks.map((mask) => [mask.block, mask]));
  const { source } = result.profile;
  const said = `${network.name}: ${plan.strategy} on ${source} with ${threadsText(threads)}`;
  const wrong: string[] = [];
  const checkers = blocksOf(network).map((block) => {
    const mask = masks.get(block.index);
    const masker = maskers[block.index]!;
    if (!mask) return masker;
    return checkingMasker(masker, block, mask, {
      clear: Math.max(MARGIN_TOLERANCE, tolerance),
      tell: (problem) => wrong.push(problem),
    });
  });
  const [batch, height, width] = input.shape;
  const plainPlan = makePlan(network, {
    ...{ strategy: plainStrategy(plan), maskers: checkers, batch, height, width, threads },
  });
  const plain = await run(network, input, {
    ...{ plan: plainPlan, masker: checkers, backend, threads },
    ...(signal ? { signal } : {}),
  });
  const against = `${unfused.name} on ${plain.profile.source}`;
  if (wrong.length > 0) {
    throw new FoveaError('disagreement', `${said} decides masks otherwise than ${against}: ${wrong[0]}`);
  }
  const outputError = outputDifference(result.output, plain.output);
  const accepted = acceptedDifference(network, tolerance);
  if (!(outputError <= accepted)) {
    throw new FoveaError(
      'disagreement',
      `${said} answers otherwise than ${against}: ${describeError(outputError)} of the largest output, at most ${accepted} is accepted`,
    );
  }
  return { against, outputError };
}

/** How far a network's outputs may be apart where those of others may be so far. */
export function acceptedDifference(network: Network, tolerance: number): number {
  return quantisedOperators(network).length > 0 ? Math.max(tolerance, QUANTISED_TOLERANCE) : tolerance;
}

/** Largest difference relative to the largest expected value; infinite for other shapes, NaN is never small. */
export function outputDifference(actual: Tensor, expected: Tensor): number {
  if (actual.data.length !== expected.data.length) return Number.POSITIVE_INFINITY;
  let [difference, scale] = [0, 1e-30];
  for (let i = 0; i < expected.data.length; i++) {
    const gap = Math.abs(actual.data[i]! - expected.data[i]!);
    if (!(gap <= difference)) difference = gap;
    scale = Math.max(scale, Math.abs(expected.data[i]!));
  }
  return difference / scale;
}

/** A relative difference for a message. */
export const describeError = (error: number): string => `${error.toPrecision(2)}`;

/** One that shares no code with the backend that ran: onnxruntime's graphs, or for those the native kernels. */
function otherBackend(source: string): Backend {
  const name = source.split(' ')[0] === 'onnx' ? 'native' : 'onnx';
  try {
    return getBackend(name);
  } catch {
    return getBackend('reference');
  }
}

/** The same modes, S and pooling, block for block, with every primitive as a separate group. */
function plainStrategy(plan: Plan): Strategy {
  return {
    name: 'plain',
    description: 'a plan that is to be checked, with every primitive its own pass',
    plan: (context) => {
      const { mode, granularity, excitation } = plan.blocks[context.block.index]!;
      return mode === 'dense' ? dense.plan(context) : { ...unfused.plan(context), granularity, excitation };
    },
  };
}

/** Decides as `masker` does and compares, then returns the mask of the run that is checked. */
function checkingMasker(
  masker: Masker,
  block: Block,
  mask: Mask,
  { clear, tell }: { readonly clear: number; readonly tell: (problem: string) => void },
): Masker {
  const compared = (own: MaskDecision): MaskDecision => {
    const different = differentCells(own, mask.cells, clear);
    if (different > 0) {
      tell(`${different} of ${mask.cells.length} cells of block ${block.index} (${block.name})`);
    }
    return { cells: mask.cells };
  };
  return {
    kind: 'custom',
    description: `${masker.description}, checked`,
    needsPool: masker.needsPool,
    decide: async (context: MaskerContext) => compared(await masker.decide(context)),
  };
}

/** Cells decided otherwise whose margin is more than `clear` of the largest. */
function differentCells({ cells, margins }: MaskDecision, timed: Uint8Array, clear: number): number {
  const largest = margins?.reduce((most, margin) => Math.max(most, Math.abs(margin)), 0) ?? 0;
  let different = 0;
  for (let cell = 0; cell < timed.length; cell++) {
    if (cells[cell] === timed[cell]) continue;
    if (margins && Math.abs(margins[cell]!) <= clear * largest) continue;
    different++;
  }
  return different;
}
