import { FoveaError } from '@fovea/engine';
import { resolveDevice } from '@fovea/engine/internal';
import { counted, parseInteger } from './parse.js';

const isGpu = (device: string) => resolveDevice(device).kind === 'gpu';

/**
 * Reads the `--threads` that a prediction is for.
 * @throws FoveaError `bad-argument` for a number that is none, and for a GPU, on which it would change nothing;
 *   `unknown-name`
 */
export function parseDeviceThreads(
  device: string,
  threads: string | undefined,
): { readonly threads?: number } {
  if (threads === undefined) return {};
  if (isGpu(device)) {
    throw new FoveaError(
      'bad-argument',
      `--threads ${threads}: is for a CPU; ${device} is a GPU, which a prediction uses whole`,
    );
  }
  return { threads: parseInteger('--threads', threads) };
}

/** What a prediction is for, as a heading says it: images at once, and a CPU's threads. */
export function settingText(
  device: string,
  { batch, threads }: { readonly batch: number; readonly threads: number },
): string {
  return `batch ${batch}${isGpu(device) ? '' : `, ${counted(threads, 'thread')}`}`;
}
