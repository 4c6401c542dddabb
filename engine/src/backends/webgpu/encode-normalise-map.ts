import type { OperationOf } from '../../program/program.js';
import { everywhere } from './everywhere.js';
import { GROUP, spread, vectors } from './kernel.js';
import { channelMomentsKernel, mapScalesKernel, scaleMapKernel } from './kernels/normalise-map.js';
import type { Launch } from './launch.js';

type NormaliseMap = OperationOf<'normalise-map'>;

/** Vectors of one image for each of means, distances, and what values are made less and multiplied by. */
const statisticsOf = ({ source }: NormaliseMap) => source.shape[0] * vectors(source.shape[3]);

/** Vectors of the program's scratch that a map's statistics take. */
export const statisticsScratch = (operation: NormaliseMap) => 4 * statisticsOf(operation);

/** The dispatches that normalise a map: its channels' statistics, what follows from them, and that everywhere. */
export function encodeNormaliseMap(operation: NormaliseMap): Launch[] {
  const { source, destination, by, groups, epsilon } = operation;
  const [, height, width, channels] = source.shape;
  const items = statisticsOf(operation);
  const shared = { items, vectors: vectors(channels), plane: height * width };
  const own = source !== destination;
  const [x, z] = spread(items);
  const [across, deep] = spread(Math.ceil(items / GROUP));
  return [
    {
      kernel: channelMomentsKernel,
      parameters: shared,
      buffers: { source: { map: source }, scratch: 'scratch' },
      workgroups: [x, 1, z],
    },
    {
      kernel: mapScalesKernel(by === 'moments'),
      parameters: {
        ...{ ...shared, channels, size: channels / groups },
        epsilon: new Uint32Array(Float32Array.of(epsilon).buffer)[0]!,
      },
      buffers: { scratch: 'scratch' },
      workgroups: [across, 1, deep],
    },
    everywhere(
      scaleMapKernel(own),
      destination,
      { plane: shared.plane, away: 2 * items, factor: 3 * items },
      {
        destination: { map: destination },
        scratch: 'scratch',
        ...(own ? { source: { map: source } } : {}),
      },
    ),
  ];
}
