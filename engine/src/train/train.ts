import { expectArgument, expectOptions, type Kinds } from '../arguments/expect.js';
import {
  aCount,
  aDataset,
  aFunction,
  aNumber,
  anObject,
  aSignal,
  aText,
  listOf,
} from '../arguments/kinds.js';
import { FoveaError } from '../errors.js';
import { reworded } from '../reworded.js';
import { ambientSignal } from '../run/ambient-signal.js';
import { defaultThreads } from '../run/prepare.js';
import { checkThreads } from '../threads.js';
import { layoutOf } from './architecture.js';
import { loadTrainingState, saveTrainingState, type TrainingState } from './checkpoint.js';
import { holdingCheckpoint } from './checkpoint-lock.js';
import { epochOrder, fillBatch } from './data/batches.js';
import type { Dataset } from './data/dataset.js';
import type { SkippedFile } from './data/image-files.js';
import { type Measurement, measureInTraining } from './measure-in-training.js';
import { Parameters } from './parameters.js';
import { type MaskOptimisation, type Optimisation, parseRecipe, type Recipe } from './recipe.js';
import { SaveRhythm } from './save-rhythm.js';
import { flopsBounds, gumbelNoise, gumbelTemperature, learningRate } from './schedule.js';
import { newSettings, type StepSettings } from './step-settings.js';
import { buildGraph, type Graph } from './training-graph.js';

/** What is reported while training. */
export interface TrainProgress {
  readonly phase: 'dense' | 'adaptive';
  /** Steps done in this phase, of `steps`. */
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  readonly epochs: number;
  /** Means over the steps since the last report. */
  readonly loss: number;
  readonly accuracy: number;
  /** Multiply-adds relative to the dense network. */
  readonly flops: number;
  /** Expected time until the whole run is done, ms. */
  readonly leftMs: number;
}

/** Data, threads and state of a training run. */
export interface TrainOptions {
  readonly train: Dataset;
  readonly test: Dataset;
  /** Changes nothing: here so that what `loadRecipeData` returns is accepted as a whole. */
  readonly skipped?: readonly SkippedFile[];
  /** All cores when left out. */
  readonly threads?: number;
  /** File that the run's state is kept in; without it nothing is saved. An existing one is gone on from. */
  readonly checkpoint?: string;
  /** Most steps between saves; an epoch when left out. Whatever steps a minute has taken are saved as well. */
  readonly saveEvery?: number;
  /**
   * Ends after the step in hand, with the state saved; the promise rejects with FoveaError `aborted`. In a notebook's cell
   * the cell's own when left out.
   */
  readonly signal?: AbortSignal;
  /** Called about once a second. */
  readonly onProgress?: (progress: TrainProgress) => void;
}

type FullOptions = TrainOptions & Required<Pick<TrainOptions, 'threads'>>;

/** What `train` returns. */
export interface TrainResult {
  readonly parameters: Parameters;
  /** The network trained without masks, on the test images. */
  readonly dense: Measurement;
  /** The trained network with every cell active; absent when the recipe learns no masks. */
  readonly allActive?: Measurement;
  /** The trained network with its masks; absent when the recipe learns no masks. */
  readonly adaptive?: Measurement;
}

/** A cross entropy this many times that of guessing means that training has diverged. */
const divergedAt = 20;

const trainOptionKinds: Kinds<TrainOptions> = {
  train: aDataset,
  test: aDataset,
  skipped: listOf(anObject, 'skipped files'),
  threads: aNumber,
  checkpoint: aText,
  saveEvery: aCount,
  signal: aSignal,
  onProgress: aFunction,
};

/**
 * Trains a network by a recipe: first densely, then with masks that imitate the dense network at fewer
 * FLOPs. The same recipe, images and processor give the same weights, whether or not the run was interrupted.
 *
 * @throws FoveaError `diverged` when the loss stops being a number or explodes (the last good checkpoint is
 *   kept), `aborted`, `io` when saving fails, `bad-argument` for a recipe out of range or images that do not fit it, or
 *   while another run keeps its state in the checkpoint, `backend-unavailable` without native kernels
 */
export async function train(recipe: Recipe, given: TrainOptions): Promise<TrainResult> {
  expectArgument(recipe, anObject, 'train: recipe');
  expectOptions(given, trainOptionKinds, 'train');
  const obeyed = given.signal ?? ambientSignal();
  const options: FullOptions = {
    ...given,
    threads: given.threads ?? defaultThreads(),
    ...(obeyed ? { signal: obeyed } : {}),
  };
  expectArgument(options.train, aDataset, 'train: train');
  expectArgument(options.test, aDataset, 'train: test');
  checkRecipe(recipe);
  checkData(recipe, options);
  return holdingCheckpoint(options.checkpoint, options.signal, () => trainPhases(recipe, options));
}

/** The whole run, from where its checkpoint stands. */
async function trainPhases(recipe: Recipe, options: FullOptions): Promise<TrainResult> {
  const layout = layoutOf(recipe.architecture);
  const create = () => new Parameters(layout);
  const { checkpoint, test, threads, signal } = options;
  const measuring = { threads, ...(signal ? { signal } : {}) };
  let state = checkpoint ? await loadTrainingState(checkpoint, recipe, create) : undefined;
  if (!state) {
    const parameters = create();
    parameters.initialise(recipe.seed);
    state = { phase: 'dense', step: 0, parameters, velocity: new Float32Array(parameters.values.length) };
  }
  const { parameters } = state;
  if (state.phase === 'dense') {
    state = await runPhase(recipe, recipe.dense, state, options);
    const teacher = create();
    teacher.copyFrom(parameters);
    state.velocity.fill(0);
    state = { ...state, phase: 'adaptive', step: 0, teacher };
    if (checkpoint) await saveTrainingState(checkpoint, recipe, state);
  }
  const dense = await measureInTraining(state.teacher!, test, { ...measuring, masked: false });
  if (!recipe.adaptive) return { parameters, dense };
  await runPhase(recipe, recipe.adaptive, state, options);
  return {
    parameters,
    dense,
    allActive: await measureInTraining(parameters, test, { ...measuring, masked: false }),
    adaptive: await measureInTraining(parameters, test, { ...measuring, masked: true }),
  };
}

/** A recipe that comes from code has been checked by no reader. */
function checkRecipe(recipe: Recipe): void {
  try {
    parseRecipe(recipe, 'the recipe');
  } catch (cause) {
    if (cause instanceof FoveaError) throw reworded(cause, cause.message, 'bad-argument');
    throw new FoveaError('bad-argument', (cause as Error).message, { cause });
  }
}

function checkData({ architecture, batch }: Recipe, { train, test, threads }: FullOptions): void {
  const fail = (what: string): never => {
    throw new FoveaError('bad-argument', what);
  };
  const { size } = architecture;
  for (const { height, width, labels } of [train, test]) {
    if (height !== size || width !== size) {
      fail(`images of ${height} x ${width}; the recipe trains at ${size} x ${size}`);
    }
    if (labels.length !== architecture.classes) {
      fail(`images of ${labels.length} classes; the recipe's network has ${architecture.classes}`);
    }
  }
  if (train.count < batch) fail(`${train.count} images to train on; at least one batch (${batch}) is needed`);
  if (test.count < 1) fail('no images to test on; at least 1 is needed');
  checkThreads(threads);
}

/** Steps through one phase from where `state` stands; weights change in place. */
async function runPhase(
  recipe: Recipe,
  plan: Optimisation | MaskOptimisation,
  state: TrainingState,
  options: FullOptions,
): Promise<TrainingState> {
  const { train, threads, checkpoint, signal, onProgress } = options;
  const { phase } = state;
  const perEpoch = Math.floor(train.count / recipe.batch);
  const steps = plan.epochs * perEpoch;
  const rhythm = new SaveRhythm(options.saveEvery ?? perEpoch);
  if (state.step >= steps) return state;
  const settings = newSettings();
  const graph = graphOf(recipe, state, settings);
  const clock = new Clock(recipe, phase, perEpoch, state.step);
  const stop = new Int32Array(1);
  const [staged, stagedLabels] = [new Float32Array(graph.images.length), new Int32Array(recipe.batch)];
  const seed = recipe.seed * 2 + (phase === 'dense' ? 0 : 1);
  const stage = (step: number) => {
    const epoch = Math.floor(step / perEpoch);
    const at = (step - epoch * perEpoch) * recipe.batch;
    const order = epochOrder(train.count, seed, epoch).subarray(at, at + recipe.batch);
    fillBatch(train, order, staged, stagedLabels, { seed, step });
  };
  let pending: TrainingState | undefined;
  stage(state.step);
  for (let step = state.step; step < steps; step++) {
    graph.images.set(staged);
    graph.labels.set(stagedLabels);
    configure(settings, recipe, plan, step, steps);
    const running = graph.program.run(threads, stop);
    // The next batch is made while the native threads compute this one.
    if (step + 1 < steps) stage(step + 1);
    await running;
    const loss = graph.report[0]!;
    const last = step + 1 === steps;
    const isSound =
      loss < divergedAt * Math.log(recipe.architecture.classes) && Number.isFinite(graph.report[1]!);
    // What the last step leaves is seen by no other.
    if (!isSound || (last && !isFiniteState(state))) {
      throw new FoveaError(
        'diverged',
        `training diverged in the ${phase} phase at step ${step + 1} of ${steps} (cross entropy ${loss}): ` +
          `lower its rate (${plan.rate})${checkpoint ? `; ${checkpoint} holds the last good state` : ''}`,
      );
    }
    // What was kept before this step has now shown a sound loss.
    if (pending && checkpoint) await saveTrainingState(checkpoint, recipe, pending);
    pending = undefined;
    const report = clock.tick(step + 1, steps, recipe.batch, graph, plan);
    if (report) onProgress?.(report);
    const aborted = signal?.aborted ?? false;
    if (checkpoint && (last || (aborted && isFiniteState(state))))
      await saveTrainingState(checkpoint, recipe, { ...state, step: step + 1 });
    else if (checkpoint && rhythm.isDue(step + 1)) pending = snapshot({ ...state, step: step + 1 });
    if (aborted && !last) {
      const kept = checkpoint ? `; ${checkpoint} holds where it stood` : '';
      throw new FoveaError('aborted', `training was aborted after step ${step + 1} of ${steps}${kept}`);
    }
  }
  return { ...state, step: steps };
}

/** A copy that later steps do not change. */
function snapshot(state: TrainingState): TrainingState {
  const parameters = new Parameters(state.parameters.layout);
  parameters.copyFrom(state.parameters);
  return { ...state, parameters, velocity: state.velocity.slice() };
}

function isFiniteState({ parameters: { values, running } }: TrainingState): boolean {
  return values.every(Number.isFinite) && running.every(Number.isFinite);
}

function graphOf(
  recipe: Recipe,
  { phase, parameters, velocity, teacher }: TrainingState,
  settings: StepSettings,
): Graph {
  const { batch } = recipe;
  if (phase === 'dense')
    return buildGraph(parameters, { batch, mode: 'train', masked: false, settings, velocity });
  const { maskerRate = 1, alwaysActive = 0 } = recipe.adaptive!;
  const { size } = recipe.architecture;
  const images = new Float32Array(batch * size * size * 3);
  const imitated = buildGraph(teacher!, {
    batch,
    mode: 'evaluate',
    masked: false,
    settings: newSettings(),
    images,
  });
  return buildGraph(parameters, {
    batch,
    mode: 'train',
    masked: true,
    settings,
    velocity,
    images,
    maskerRate,
    alwaysActive: Math.floor(batch * alwaysActive),
    teacher: { ops: imitated.program.ops, logits: imitated.logits },
  });
}

/** Writes what this step's schedules say into the arrays that the program reads. */
function configure(
  settings: StepSettings,
  recipe: Recipe,
  plan: Optimisation,
  step: number,
  steps: number,
): void {
  settings.optimiser.set([learningRate(plan, step, steps), 0.9, plan.decay]);
  settings.random.set([recipe.seed, step]);
  const masks = 'target' in plan ? (plan as MaskOptimisation) : undefined;
  const { weight = 0.5, temperature = 4 } = masks?.distillation ?? {};
  settings.classify.set([masks ? weight : 0, temperature, plan.smoothing ?? 0]);
  if (!masks) return;
  const { upper, lower } = flopsBounds(masks, step / steps);
  settings.budget.set([masks.flopsWeight ?? 10, masks.target, upper, lower]);
  settings.gumbel.set([gumbelTemperature(masks, step / steps), gumbelNoise(masks, step / steps)]);
}

/** A masked step costs about this many dense ones: it has the teacher's forward pass on top. */
const maskedStep = 1.45;

/** Means between reports, and the time left from the pace so far. */
class Clock {
  readonly #begin = performance.now();
  #reported = performance.now();
  #loss = 0;
  #correct = 0;
  #flops = 0;
  #count = 0;

  constructor(
    private readonly recipe: Recipe,
    private readonly phase: 'dense' | 'adaptive',
    private readonly perEpoch: number,
    private readonly first: number,
  ) {}

  tick(
    done: number,
    steps: number,
    batch: number,
    graph: Graph,
    plan: Optimisation,
  ): TrainProgress | undefined {
    const now = performance.now();
    this.#loss += graph.report[0]!;
    this.#correct += graph.report[2]! / batch;
    this.#flops += this.phase === 'adaptive' ? graph.budgetReport[0]! : 1;
    this.#count++;
    if (now - this.#reported < 1000 && done < steps) return undefined;
    const pace = (now - this.#begin) / (done - this.first);
    const later =
      this.phase === 'dense' ? (this.recipe.adaptive?.epochs ?? 0) * this.perEpoch * maskedStep : 0;
    const progress: TrainProgress = {
      phase: this.phase,
      step: done,
      steps,
      epoch: Math.min(plan.epochs, Math.floor((done - 1) / this.perEpoch) + 1),
      epochs: plan.epochs,
      loss: this.#loss / this.#count,
      accuracy: this.#correct / this.#count,
      flops: this.#flops / this.#count,
      leftMs: pace * (steps - done + later),
    };
    this.#reported = now;
    this.#loss = this.#correct = this.#flops = this.#count = 0;
    return progress;
  }
}
