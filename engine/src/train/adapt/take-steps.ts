import { FoveaError } from '../../errors.js';
import type { Network } from '../../network/network.js';
import { SaveRhythm } from '../save-rhythm.js';
import { flopsBounds, gumbelNoise, gumbelTemperature, learningRate } from '../schedule.js';
import type { BatchSource } from './batches.js';
import { type AdaptProgress, Clock } from './clock.js';
import type { Judge } from './judge.js';
import { type AdaptGraphOptions, buildAdaptGraph } from './network-graph.js';
import { type AdaptIdentity, type AdaptState, saveAdaptState } from './state.js';

/** How a run's steps are taken. */
export interface StepOptions {
  readonly flops: number;
  readonly steps: number;
  readonly batch: number;
  readonly seed: number;
  /** Learning rate at the start of its cosine. */
  readonly rate: number;
  readonly threads: number;
  readonly checkpoint?: string;
  readonly saveEvery?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: AdaptProgress) => void;
}

/** What a run's steps follow from, and how far each weighs. */
const schedule = {
  noise: [1, 0],
  temperature: [5, 1],
  flopsWeight: 20,
} as const;

/** States that are judged in a run, and the fewest steps between two of them. */
const [judgements, fewestSteps] = [8, 20];

/** Takes the steps that are left; the best state is kept in `state.best`. */
export async function takeSteps(
  network: Network,
  state: AdaptState,
  source: BatchSource,
  judge: Judge,
  identity: AdaptIdentity,
  options: StepOptions,
  layout: Omit<AdaptGraphOptions, 'training' | 'moments'>,
): Promise<void> {
  const { steps, batch, seed, threads, flops, checkpoint, saveEvery = 50, signal, onProgress } = options;
  const judgeEvery = Math.max(fewestSteps, Math.ceil(steps / judgements));
  const save = async () => {
    if (checkpoint) await saveAdaptState(checkpoint, identity, state);
  };
  const stopped = async () => {
    await save();
    const kept = checkpoint ? `; ${checkpoint} holds where it stood` : '';
    return new FoveaError('aborted', `adaptation was aborted after step ${state.step} of ${steps}${kept}`);
  };
  /** Judges the state if that is due, also one that an earlier run was stopped at. */
  const judgeIfDue = async () => {
    const { step } = state;
    if (step === state.judged || (step < steps && step % judgeEvery !== 0)) return;
    try {
      await judge.consider(state);
    } catch (error) {
      throw signal?.aborted ? await stopped() : error;
    }
    state.judged = step;
  };
  // Fitting and judging take minutes on a large network: a run that is killed must not lose them.
  await save();
  await judgeIfDue();
  if (state.step >= steps) return;
  const { learned, m, v } = state;
  const settings = layout.settings;
  const graph = buildAdaptGraph(network, learned, { ...layout, training: true, moments: { m, v } });
  const plan = { epochs: 1, decay: 0, rate: options.rate, target: flops, ...schedule };
  const stop = new Int32Array(1);
  const staged = new Float32Array(graph.images.length);
  const clock = new Clock(state.step, steps, batch);
  const rhythm = new SaveRhythm(saveEvery);
  await source.fill(state.step, batch, staged);
  for (let step = state.step; step < steps; step++) {
    graph.images.set(staged);
    const { upper, lower } = flopsBounds(plan, step / steps);
    settings.budget.set([plan.flopsWeight, flops, upper, lower]);
    settings.gumbel.set([gumbelTemperature(plan, step / steps), gumbelNoise(plan, step / steps)]);
    settings.random.set([seed, step]);
    const correction = (b: number) => 1 / (1 - b ** (step + 1));
    settings.adam.set([learningRate(plan, step, steps), 0.9, 0.999, correction(0.9), correction(0.999)]);
    const running = graph.program.run(threads, stop);
    // The next batch is made while the native threads compute this one.
    await Promise.all([running, step + 1 < steps ? source.fill(step + 1, batch, staged) : undefined]);
    state.step = step + 1;
    const last = step + 1 === steps;
    if (!Number.isFinite(graph.divergence[0]!) || !learned.values.every(Number.isFinite)) {
      throw new FoveaError(
        'diverged',
        `adaptation diverged at step ${step + 1} of ${steps}: lower its rate (${plan.rate})${checkpoint ? `; ${checkpoint} holds the last good state` : ''}`,
      );
    }
    const report = clock.tick(step + 1, graph);
    if (report) onProgress?.(report);
    if (signal?.aborted) throw await stopped();
    await judgeIfDue();
    if (rhythm.isDue(step + 1) || last) await save();
  }
}
