import { expectArgument, expectOptions } from '../arguments/expect.js';
import { aNetwork, aTensor } from '../arguments/kinds.js';
import { isPromise } from '../arguments/said.js';
import type { RunResult } from '../backends/backend.js';
import { checkFinite } from '../backends/finite.js';
import { FoveaError } from '../errors.js';
import type { Network } from '../network/network.js';
import { atOtherSize } from '../network/other-size.js';
import { learnShapes } from '../network/walk.js';
import type { Tensor } from '../tensor.js';
import { ambientSignal } from './ambient-signal.js';
import { checkResult } from './check-backend.js';
import { type NetworkRunOptions, runOptionKinds } from './options.js';
import { awaitAdapter, isGpu, prepare } from './prepare.js';
import { sessionFor } from './sessions.js';

/**
 * Runs a network on a batch of images and measures it.
 *
 * @param input `[N, H, W, C]`, already normalised; any H and W that the layers allow
 * @returns output, the masks of the blocks that ran adaptively, and the measured Profile
 * @throws FoveaError `bad-shape` (channels, too small a map), `bad-argument` (rate, S, threads, NaN input, a
 *   plan that does not fit, runs inside each other's maskers more than 8 deep), `unknown-name`, `backend-unavailable`, `aborted`
 *
 * @example
 * ```ts
 * import { builtNetwork, run, Tensor } from '@fovea/engine';
 *
 * const network = builtNetwork('resnet18');
 * const image = Tensor.zeros([1, 64, 64, 3]);
 * const { output, masks, profile } = await run(network, image, { masker: 'saliency', rate: 0.5, granularity: 2 });
 * console.log(output.shape, masks.length, profile.totalMs);
 * ```
 */
export async function run(
  network: Network,
  input: Tensor,
  options: NetworkRunOptions = {},
): Promise<RunResult> {
  expectArgument(network, aNetwork, 'run: network');
  expectArgument(input, aTensor, 'run: input');
  expectOptions(options, runOptionKinds, 'run');
  const learning = learnShapes(network, { height: input.shape[1], width: input.shape[2] });
  if (learning) await learning;
  if (isGpu(options.backend)) await awaitAdapter(options);
  const { backend, plan, maskers, threads } = prepare(network, input, options);
  if (!backend.checksInput) checkFinite(input);
  const signal = options.signal ?? ambientSignal();
  if (signal?.aborted) {
    // A loop that catches this and goes on would otherwise keep the thread for itself.
    await new Promise((resolve) => setTimeout(resolve));
    throw new FoveaError('aborted', 'the run was aborted before it began');
  }
  const [batch, height, width] = input.shape;
  const found = sessionFor(network, backend, { batch, height, width }, signal);
  const { opening, onWait, giveBack } = isPromise(found) ? await found : found;
  try {
    const session = await opening;
    // Code that ran meanwhile may have transferred its memory.
    expectArgument(input, aTensor, 'run: input');
    const result = await session.run(input, {
      plan,
      maskers,
      threads,
      onWait,
      ...(signal ? { signal } : {}),
      ...(options.onProgress ? { onProgress: options.onProgress } : {}),
    });
    return checkResult(backend, result);
  } catch (error) {
    throw atOtherSize(network, { height, width }, error);
  } finally {
    giveBack();
  }
}
