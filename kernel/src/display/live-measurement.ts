import {
  medianProfile,
  type Network,
  type NetworkRunOptions,
  type Profile,
  type RunResult,
  run,
  type Tensor,
} from '@fovea/engine';

/** Runs of each kind: as many as fit into the time, but no fewer and no more than these. */
const fewestRuns = 5;
const mostRuns = 25;
const measuringMs = 700;

export interface LiveMeasurement {
  /** Of the first run, with its masks. */
  readonly result: RunResult;
  /** Medians of the runs after the first, which warms up. */
  readonly measured: Profile;
  /** The same network all dense. */
  readonly dense: Profile;
}

/**
 * Runs a network adaptively and densely in turns, so that whatever else the machine does touches both alike, and
 * takes the medians of each.
 * @throws FoveaError as `run` does, `aborted` among them
 */
export async function measureInTurns(
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
  const adaptive: Profile[] = [];
  const dense: Profile[] = [];
  const startedMs = performance.now();
  for (let turn = 0; turn < mostRuns; turn++) {
    const usedMs = performance.now() - startedMs;
    if (turn >= fewestRuns && usedMs > measuringMs) break;
    onProgress(0.5 + 0.5 * Math.min(0.99, Math.max(turn / mostRuns, usedMs / measuringMs)), 'medians');
    adaptive.push((await run(network, images, options)).profile);
    dense.push((await run(network, images, denseOptions)).profile);
  }
  return { result, measured: medianProfile(adaptive), dense: medianProfile(dense) };
}
