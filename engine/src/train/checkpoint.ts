import { existsSync } from 'node:fs';
import { FoveaError } from '../errors.js';
import { float32Of, type Safetensors, writeSafetensors } from '../network/checkpoint/safetensors.js';
import { readSafetensors } from '../network/checkpoint/safetensors-file.js';
import { replaceFile } from '../replace-file.js';
import { reworded } from '../reworded.js';
import { checkStillHeld } from './checkpoint-lock.js';
import type { Parameters } from './parameters.js';
import type { Recipe } from './recipe.js';

/**
 * Where a training run stands. Shuffling, augmentation and Gumbel noise follow from the seed and the step
 * alone, so that the step is all the random state there is.
 */
export interface TrainingState {
  readonly phase: 'dense' | 'adaptive';
  /** Steps done in this phase. */
  readonly step: number;
  readonly parameters: Parameters;
  /** The optimiser's momentum, laid out as `parameters.values`. */
  readonly velocity: Float32Array;
  /** The dense network, once it is trained. */
  readonly teacher?: Parameters;
}

const format = 'fovea training state 1';

/**
 * Saves a run so that it can go on exactly where it was.
 * @throws FoveaError `io`, also when another run has the file by now; an older file is then kept
 */
export async function saveTrainingState(path: string, recipe: Recipe, state: TrainingState): Promise<void> {
  const { phase, step, parameters, velocity, teacher } = state;
  const flat = (values: Float32Array) => ({ shape: [values.length], values });
  const arrays = {
    ...parameters.stateDict(),
    'optimiser.velocity': flat(velocity),
    ...(teacher ? { 'teacher.values': flat(teacher.values), 'teacher.running': flat(teacher.running) } : {}),
  };
  const metadata = { format, phase, step: String(step), recipe: JSON.stringify(recipe) };
  await checkStillHeld(path);
  await replaceFile(path, writeSafetensors(arrays, metadata));
}

/**
 * Loads a run that `saveTrainingState` wrote.
 * @param create makes an empty set of parameters of the recipe's architecture
 * @returns undefined when there is no such file
 * @throws FoveaError `bad-file` when it is damaged or belongs to another recipe, naming the first difference
 */
export async function loadTrainingState(
  path: string,
  recipe: Recipe,
  create: () => Parameters,
): Promise<TrainingState | undefined> {
  if (!existsSync(path)) return undefined;
  const file = await readState(path);
  const { metadata } = file;
  const step = Number(metadata.step);
  const phase = metadata.phase;
  if (
    metadata.format !== format ||
    !Number.isSafeInteger(step) ||
    step < 0 ||
    (phase !== 'dense' && phase !== 'adaptive') ||
    // The second phase imitates what the first one left.
    (phase === 'adaptive') !== file.tensors.has('teacher.values')
  ) {
    throw new FoveaError(
      'bad-file',
      `${path} is not a training state that this version writes; name another file, or remove it to start over`,
    );
  }
  const difference = firstDifference(parsed(metadata.recipe), recipe);
  if (difference) {
    throw new FoveaError(
      'bad-file',
      `${path} belongs to another recipe: ${difference}; remove it to start over`,
    );
  }
  const parameters = create();
  parameters.load(file);
  const velocity = float32Of(file, 'optimiser.velocity', [parameters.values.length]);
  let teacher: Parameters | undefined;
  if (file.tensors.has('teacher.values')) {
    teacher = create();
    teacher.values.set(float32Of(file, 'teacher.values', [teacher.values.length]));
    teacher.running.set(float32Of(file, 'teacher.running', [teacher.running.length]));
  }
  return { phase, step, parameters, velocity, ...(teacher ? { teacher } : {}) };
}

/**
 * Reads the file of a state.
 * @throws FoveaError `io` or `bad-file` that also says what to do about a damaged one
 */
export async function readState(path: string): Promise<Safetensors> {
  try {
    return await readSafetensors(path);
  } catch (error) {
    if (!(error instanceof FoveaError) || error.code !== 'bad-file') throw error;
    const message = `${error.message}; it was to hold the state of the run: name another file, or remove it to start over`;
    throw reworded(error, message);
  }
}

/** What a text of JSON says; nothing for one that is missing or damaged. */
function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '{}');
  } catch {
    return {};
  }
}

/** Where two plain values differ first, as `field: was → is`. */
export function firstDifference(was: unknown, is: unknown, at = ''): string | undefined {
  if (typeof was === 'object' && typeof is === 'object' && was !== null && is !== null) {
    for (const key of new Set([...Object.keys(was), ...Object.keys(is)])) {
      const [left, right] = [(was as Record<string, unknown>)[key], (is as Record<string, unknown>)[key]];
      const found = firstDifference(left, right, at ? `${at}.${key}` : key);
      if (found) return found;
    }
    return undefined;
  }
  return was === is ? undefined : `${at} was ${JSON.stringify(was)}, is ${JSON.stringify(is)}`;
}
