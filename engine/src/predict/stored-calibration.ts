import { existsSync, readFileSync } from 'node:fs';
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
