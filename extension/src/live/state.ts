import type { LiveCatalogue, LiveDevice, LiveState } from './protocol';

type Network = LiveCatalogue['networks'][number];

/** The network that a state names, or the first one. */
export function networkOf(catalogue: LiveCatalogue, state: LiveState): Network {
  return catalogue.networks.find(({ name }) => name === state.network) ?? catalogue.networks[0]!;
}

/** The device that a state predicts for, as the catalogue describes it. */
export function deviceOf(catalogue: LiveCatalogue, state: LiveState): LiveDevice | undefined {
  return catalogue.devices.find(({ name }) => name === state.device);
}

/**
 * Values of S worth offering for a stage: those that divide its map into whole cells, from single pixels to one
 * cell; and the one in use, whatever it is.
 */
export function granularities(network: Network, stage: number, current: number): number[] {
  const map = network.maps[stage];
  if (!map) return [current];
  const side = Math.min(map.height, map.width);
  const offered = new Set([current]);
  for (let S = 1; S <= side; S++) {
    if (map.height % S === 0 && map.width % S === 0) offered.add(S);
  }
  return [...offered].sort((a, b) => a - b);
}

const among = (value: string, accepted: readonly string[]) =>
  accepted.includes(value) || accepted.length === 0 ? value : accepted[0]!;

/**
 * A state that the catalogue can serve: unknown names become the first one offered, S has one value per stage
 * and fits its map, a network without learned masks does not ask for them, and painted masks have a region, if
 * only an empty one.
 */
export function normalized(catalogue: LiveCatalogue, state: LiveState): LiveState {
  const network = networkOf(catalogue, state);
  return {
    ...state,
    network: network.name,
    image: among(
      state.image,
      catalogue.images.map(({ name }) => name),
    ),
    device: among(
      state.device,
      catalogue.devices.map(({ name }) => name),
    ),
    strategy: among(state.strategy, catalogue.strategies),
    granularity: Array.from({ length: network.stages }, (_, stage) => {
      const map = network.maps[stage];
      const most = map ? Math.min(map.height, map.width) : Number.MAX_SAFE_INTEGER;
      return Math.max(1, Math.min(most, state.granularity[stage] ?? state.granularity.at(-1) ?? 1));
    }),
    masker: state.masker === 'learned' && !network.learned ? 'saliency' : state.masker,
    ...(state.masker === 'painted' && !state.region && { region: { rows: 1, columns: 1, cells: '0' } }),
    rate: Math.min(1, Math.max(0, state.rate)),
    threads: Math.max(1, Math.min(catalogue.maxThreads, Math.round(state.threads))),
  };
}

/** Whether the rate is chosen, or follows from the masks. */
export const takesRate = (state: LiveState) => state.masker === 'saliency' || state.masker === 'random';
