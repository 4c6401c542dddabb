import {
  type Network,
  type NetworkRunOptions,
  type Profile,
  type RunResult,
  run,
  type Tensor,
} from '@fovea/engine';
import { measureInTurns } from '@fovea/engine/internal';

export interface LiveMeasurement {
  /** Of the first run, with its masks. */
  readonly result: RunResult;
  /** Medians of the runs after the first, which warms up. */
  readonly measured: Profile;
  /** The same network all dense. */
  readonly dense: Profile;
}

/**
 * Runs a network adaptively and densely in alternation, and takes the medians of each.
 * @throws FoveaError as `run` does, `aborted` among them
 */
export async function measureNetwork(
  network: Network,
  images: Tensor,
  options: NetworkRunOptions,
  onProgress: (fraction: number, name: string) => void,
): Promise<LiveMeasurement> {
  const { threads, signal } = options;
  const denseOptions: NetworkRunOptions = {
    strategy: 'dense',
    ...(threads === undefined ? {} : { threads }),
    ...(signal ? { signal } : {}),
  };
  // The first run may take long: it compiles, and a big network says block by block how far it is.
  const result = await run(network, images, {
    ...options,
    onProgress: (fraction, name) => onProgress(fraction / 2, name),
  });
  await run(network, images, denseOptions);
  const { adaptive, dense } = await measureInTurns(
    {
      adaptive: async () => (await run(network, images, options)).profile,
      dense: async () => (await run(network, images, denseOptions)).profile,
    },
    (fraction) => onProgress(0.5 + 0.5 * fraction, 'medians'),
  );
  return { result, measured: adaptive, dense };
}
