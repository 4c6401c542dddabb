import { FoveaError } from '@fovea/engine';
import { resolveDevice } from '@fovea/engine/internal';
import { counted } from '../../presentation/index.js';
import { parseInteger } from './parse.js';

const isGpu = (device: string) => resolveDevice(device).kind === 'gpu';

/**
 * Reads the `--threads` that a prediction is for.
 * @throws FoveaError `bad-argument` for text that is not a number of threads, and for a GPU, where it would change nothing;
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
      `--threads ${threads}: only CPUs have threads; ${device} is a GPU, which a prediction uses whole`,
    );
  }
  return { threads: parseInteger('--threads', threads) };
}

/** Batch size and, on a CPU, threads of a prediction, for a heading. */
export function settingText(
  device: string,
  { batch, threads }: { readonly batch: number; readonly threads: number },
): string {
  return `batch ${batch}${isGpu(device) ? '' : `, ${counted(threads, 'thread')}`}`;
}
