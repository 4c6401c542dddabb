import { readFile, stat } from 'node:fs/promises';
import { FoveaError } from '@fovea/engine';
import { checkModelPath, checkWritable, configKey, isStoredNetwork, refusal } from '@fovea/engine/internal';
import { parseSafetensors, type Safetensors } from '@fovea/engine/train';
import type { PointRecord } from '../../sweep/point.js';
import { isSameFile } from './same-file.js';

/** What a command may replace: a file that is one of its own kind. */
export interface OutputKind {
  /** Its name in messages. */
  readonly name: string;
  /** Whether a file's content is of this kind; may throw if it is not. */
  isOne(content: Buffer, path: string): boolean;
}

const safetensors = (name: string, isOne: (file: Safetensors) => boolean): OutputKind => ({
  name,
  isOne: (content, path) => isOne(parseSafetensors(content, path)),
});

/** What `fovea infer` writes. */
export const inferred = safetensors('a result of fovea infer', ({ tensors }) => tensors.has('logits'));

const savedModel = safetensors(
  'a network that fovea saved',
  (file) => isStoredNetwork(file) || file.metadata[configKey] !== undefined,
);

/** What `fovea sweep --out` writes: records as JSON Lines, or a table of them. */
export const sweepRecords: OutputKind = {
  name: 'the records of a sweep',
  isOne(content) {
    const end = content.indexOf('\n');
    const line = content.subarray(0, end < 0 ? content.length : end).toString();
    if (!line.startsWith('{')) return line.includes(',model,worker,');
    const record = JSON.parse(line) as Partial<PointRecord>;
    return record.id !== undefined && record.point !== undefined && record.worker !== undefined;
  },
};

/**
 * Finds out before any work whether a result can be saved at a path without anything else being lost there; nothing
 * is written.
 * @param inputs files that the command reads; names that are not files are ignored
 * @throws FoveaError `io` when the path cannot be written, or holds something that is not of this kind;
 *   `bad-argument` when it is one of the inputs
 */
export async function checkOutput(
  path: string,
  kind: OutputKind,
  inputs: readonly (string | undefined)[],
): Promise<void> {
  await checkWritable(path);
  const before = await stat(path).catch(() => undefined);
  if (!before) return;
  for (const input of inputs) {
    if (input !== undefined && (await isSameFile(path, input))) {
      throw new FoveaError('bad-argument', `cannot save ${path}: the command reads that file; name another`);
    }
  }
  if (before.size > 0 && !(await holds(path, kind))) {
    throw new FoveaError('io', `${path} exists and is not ${kind.name}: remove it, or name another file`);
  }
}

/**
 * `checkOutput` for a network.
 * @throws FoveaError as `checkOutput`; `bad-argument` for another ending than .safetensors
 */
export function checkModelOutput(path: string, inputs: readonly (string | undefined)[]): Promise<void> {
  return checkOutput(checkModelPath(path), savedModel, inputs);
}

/**
 * `checkModelOutput` for a command that keeps the state of its run in a file until it ends, and then removes that file.
 * @param state where to keep it; OUTPUT.state when left out
 * @returns where it is kept
 * @throws FoveaError as `checkModelOutput`, also for the state; `bad-argument` when it is the output or an input
 */
export async function checkResumableOutput(
  path: string,
  state: string | undefined,
  inputs: readonly (string | undefined)[],
): Promise<string> {
  await checkModelOutput(path, inputs);
  const kept = state ?? `${path}.state`;
  await checkWritable(kept);
  for (const other of [path, ...inputs]) {
    if (other === undefined || !(await isSameFile(kept, other))) continue;
    throw new FoveaError(
      'bad-argument',
      `--checkpoint ${kept}: the command ${other === path ? 'saves its result there' : 'reads that file'}, ` +
        'and the checkpoint is removed at the end; name another file',
    );
  }
  return kept;
}

async function holds(path: string, kind: OutputKind): Promise<boolean> {
  const content = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new FoveaError('io', `cannot save ${path}: ${refusal(cause, 'file')}`, { cause });
  });
  try {
    return kind.isOne(content, path);
  } catch {
    return false;
  }
}
