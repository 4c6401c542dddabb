import { FoveaError } from '@fovea/engine';
import { aFlag, anObject, aSignal, aText, either, expectArgument, expectOptions } from '@fovea/engine/files';
import { ambientSignal } from '@fovea/engine/internal';
import { displaySweep } from './live-display.js';
import type { SweepSpace } from './space/space.js';
import { Sweep, type SweepOptions, type SweepResult } from './sweep.js';

const sweepOptionKinds = {
  queue: aText,
  labels: anObject,
  confirm: aFlag,
  retryFailed: aFlag,
  signal: aSignal,
  backend: anObject,
};

/**
 * Runs a sweep with a live display: progress, quality against latency, and a table; it can be paused, resumed and
 * cancelled there. Interrupting the cell stops it. Run again, it goes on where it was: no finished point runs twice.
 *
 *     const result = await fovea.sweep({
 *       name: 'first', networks: ['quick-look'], granularities: [4, [8, 4, 7, 1]], rates: [0.25, 0.5, 1],
 *     });
 *
 * @param space what it covers as plain data, or the name of a sweep that was started before
 * @param options `queue`: the address of a queue, whose workers then run the points
 * @returns the records of all points that have ended, also of failed ones
 * @throws FoveaError `bad-argument` or `unknown-name` for a space that is wrong, has no points or very many (unless
 *   `confirm`), `io` when the queue refuses, stays away for 20 seconds, or results cannot be kept, `aborted`
 */
export async function sweep(space: SweepSpace | string, options: SweepOptions = {}): Promise<SweepResult> {
  expectArgument(space, either(aText, anObject), 'sweep: space');
  expectOptions(options, sweepOptionKinds, 'sweep');
  const signal = options.signal ?? ambientSignal();
  if (signal?.aborted) throw new FoveaError('aborted', 'the sweep was aborted before it began');
  const started = await Sweep.start(space, {
    ...options,
    ...(signal ? { signal } : {}),
    onWaiting: (line) => console.warn(line),
  });
  await displaySweep(started);
  return started.finished;
}
