import { existsSync } from 'node:fs';
import { FoveaError } from '../../errors.js';
import { float32Of, writeSafetensors } from '../../network/checkpoint/safetensors.js';
import { replaceFile } from '../../replace-file.js';
import { firstDifference, readState } from '../checkpoint.js';
import { checkStillHeld } from '../checkpoint-lock.js';
import type { LearnedValues } from './learned-values.js';

/** Where an adaptation stands; crops and noise follow from the seed and the step alone. */
export interface AdaptState {
  /** Steps done. */
  step: number;
  readonly learned: LearnedValues;
  /** The optimiser's moments, laid out as the values. */
  readonly m: Float32Array;
  readonly v: Float32Array;
  /** The step after which a state was judged last. */
  judged: number;
  /** The best state so far, once one was judged. */
  best?: BestState;
}

/** A state that was judged better than all before it. */
export interface BestState {
  /** Steps done then; 0 for the fitted maskers that learning starts from. */
  readonly step: number;
  /** How far its answers were from the dense network's. */
  readonly divergence: number;
  /** The same of the fitted maskers. */
  readonly fitted: number;
  readonly values: Float32Array;
}

/** What a state belongs to: everything that a run follows from. */
export type AdaptIdentity = Readonly<Record<string, unknown>>;

const format = 'fovea adaptation state 3';

/**
 * Saves a run so that it can go on exactly where it was.
 * @throws FoveaError `io`, also when another run has the file by now; an older file is then kept
 */
export async function saveAdaptState(
  path: string,
  identity: AdaptIdentity,
  state: AdaptState,
): Promise<void> {
  const { step, judged, learned, m, v, best } = state;
  const flat = (values: Float32Array) => ({ shape: [values.length], values });
  const arrays = {
    values: flat(learned.values),
    standardisation: flat(learned.standardisation),
    m: flat(m),
    v: flat(v),
    ...(best ? { best: flat(best.values) } : {}),
  };
  const metadata = {
    format,
    step: String(step),
    judged: String(judged),
    best: JSON.stringify(best && { ...best, values: undefined }),
    identity: JSON.stringify(identity),
  };
  await checkStillHeld(path);
  await replaceFile(path, writeSafetensors(arrays, metadata));
}

/**
 * Loads what `saveAdaptState` wrote into `state`.
 * @returns false when there is no such file
 * @throws FoveaError `bad-file` when it is damaged or belongs to another run, naming the first difference
 */
export async function loadAdaptState(
  path: string,
  identity: AdaptIdentity,
  state: AdaptState,
): Promise<boolean> {
  if (!existsSync(path)) return false;
  const file = await readState(path);
  const { metadata } = file;
  const [step, judged] = [Number(metadata.step), Number(metadata.judged)];
  let kept: unknown;
  let best: Omit<BestState, 'values'> | undefined;
  try {
    kept = JSON.parse(metadata.identity ?? '');
    best = JSON.parse(metadata.best ?? '');
  } catch {
    kept = undefined;
  }
  const areSteps = Number.isSafeInteger(step) && judged >= 0 && judged <= step;
  if (metadata.format !== format || !areSteps || !kept || !best) {
    throw new FoveaError(
      'bad-file',
      `${path} is not an adaptation state that this version writes; name another file, or remove it to start over`,
    );
  }
  const difference = firstDifference(kept, JSON.parse(JSON.stringify(identity)));
  if (difference) {
    throw new FoveaError(
      'bad-file',
      `${path} belongs to another run: ${difference}; remove it to start again`,
    );
  }
  const { learned, m, v } = state;
  const { values, standardisation } = learned;
  for (const [name, array] of Object.entries({ values, standardisation, m, v })) {
    array.set(float32Of(file, name, [array.length]));
  }
  state.step = step;
  state.judged = judged;
  state.best = { ...best, values: float32Of(file, 'best', [values.length]).slice() };
  return true;
}
