import { mapNormalisationProblem } from '../network/normalisation.js';
import { attendedOutput, pixelAttentionProblem } from '../network/pixel-attention.js';
import { copyProblem, productProblem, resizeProblem } from './joins.js';
import type { MapChecks } from './map-checks.js';
import type { OperationOf, ProgramMap } from './program.js';

/** Operations that make a whole map of whole maps, outside of blocks. */
export type WholeMapOperation = OperationOf<
  | 'max-pool'
  | 'average-pool'
  | 'global-pool'
  | 'copy-channels'
  | 'resize'
  | 'normalise-map'
  | 'pixel-attention'
  | 'multiply'
  | 'add'
>;

/**
 * Checks such an operation, and notes what it writes.
 * @throws FoveaError `bad-argument`
 */
export function checkWholeMaps(maps: MapChecks, operation: WholeMapOperation): void {
  const { destination } = operation;
  maps.whole(destination);
  for (const map of readBy(operation)) {
    maps.whole(map);
    maps.reads(map, 'all');
  }
  switch (operation.kind) {
    case 'max-pool':
    case 'average-pool':
    case 'global-pool': {
      const { source } = operation;
      maps.apart(source, destination);
      maps.need(
        source.shape[0] === destination.shape[0] && source.shape[3] === destination.shape[3],
        'a pool keeps images and channels',
      );
      break;
    }
    case 'copy-channels': {
      const { source, count, to } = operation;
      const [N, H, W] = source.shape;
      const channels = destination.shape[3];
      maps.apart(source, destination);
      maps.same([N, H, W, channels], destination.shape);
      maps.fine(copyProblem(operation, maps.held.channelsOf(destination)));
      maps.held.set(destination, to + count === channels ? 'all' : { channels: to + count });
      return;
    }
    case 'resize':
      maps.apart(operation.source, destination);
      maps.fine(resizeProblem(operation));
      break;
    case 'normalise-map':
      maps.same(operation.source.shape, destination.shape);
      maps.fine(mapNormalisationProblem(operation, operation.source.shape[3]));
      break;
    case 'pixel-attention': {
      const { attention, query, key, value } = operation;
      const shapes = { query: query?.shape, key: key.shape, value: value.shape };
      for (const map of readBy(operation)) maps.apart(map, destination);
      maps.fine(pixelAttentionProblem(attention, shapes));
      maps.same(attendedOutput(attention, shapes), destination.shape);
      break;
    }
    case 'multiply':
      maps.fine(productProblem(operation));
      break;
    case 'add':
      for (const map of readBy(operation)) maps.same(map.shape, destination.shape);
      break;
  }
  maps.held.set(destination, 'all');
}

function readBy(operation: WholeMapOperation): readonly ProgramMap[] {
  switch (operation.kind) {
    case 'pixel-attention': {
      const { query, key, value } = operation;
      return query ? [query, key, value] : [key, value];
    }
    case 'multiply':
      return [operation.a, operation.b];
    case 'add':
      return operation.b ? [operation.a, operation.b] : [operation.a];
    default:
      return [operation.source];
  }
}
