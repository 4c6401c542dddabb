import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { dataFolder } from '../data-folder.js';
import type { Device } from '../plan/device.js';

/** A stored calibration: the device, or why there is none that can be used. */
export type StoredCalibration =
  | { readonly device: Device; readonly measuredAt: string; readonly problem?: undefined }
  | { readonly device?: undefined; readonly problem: string };

/** How a calibration file is read. */
interface Reading {
  /** Where it is now. */
  path(): string;
  /** Says in one sentence that there is none. */
  missing(file: string): string;
  parse(file: string, text: string): StoredCalibration;
  /** What else the answer depends on and may change while the process runs. */
  circumstance?(): string | undefined;
}

/**
 * Makes the reader of a calibration file. The same device is answered as long as the file is the same: costs are
 * remembered by it.
 */
export function calibrationReader({ path, missing, parse, circumstance }: Reading): () => StoredCalibration {
  let kept: { readonly key: string; readonly answer: StoredCalibration } | undefined;
  return () => {
    const file = path();
    if (!existsSync(file)) return { problem: missing(file) };
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      return { problem: `calibration ${file} cannot be read: ${(error as Error).message}` };
    }
    const key = [file, circumstance?.(), text].join('\n');
    if (kept?.key !== key) kept = { key, answer: parse(file, text) };
    return kept.answer;
  };
}

/**
 * Where the calibration of one kind of machine or GPU is kept: machines that share the user's folder, as those of a cluster
 * do, have files of their own.
 * @param name of the device
 * @param identity what tells kinds apart
 */
export function calibrationFileOf(name: string, identity: readonly (string | number)[]): string {
  const digits = createHash('sha256').update(identity.join('\n')).digest('hex').slice(0, 12);
  return path.join(dataFolder(), `${name}-${digits}.json`);
}

/** The one file of all machines, as earlier versions kept it. */
export const sharedFileOf = (name: string): string => path.join(dataFolder(), `${name}.json`);

/**
 * The kept file of a device that fits best.
 * @param fit how well its content does; 0: not at all
 * @returns undefined when none does; of several that fit alike the one measured last
 */
export function bestFileOf<Content extends { readonly measuredAt?: string }>(
  name: string,
  fit: (content: Content) => number,
): string | undefined {
  const form = new RegExp(`^${name}(-[0-9a-f]{12})?\\.json$`);
  let best: { readonly file: string; readonly rank: string } | undefined;
  for (const file of namesIn(dataFolder()).filter((one) => form.test(one))) {
    try {
      const content = JSON.parse(readFileSync(path.join(dataFolder(), file), 'utf8')) as Content;
      const fitting = fit(content);
      const rank = `${fitting} ${String(content.measuredAt)}`;
      if (fitting > 0 && !(best && best.rank >= rank)) best = { file, rank };
    } catch {
      // One that is broken is of no machine.
    }
  }
  return best && path.join(dataFolder(), best.file);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
