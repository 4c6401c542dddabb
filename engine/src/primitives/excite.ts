import { isPointwise } from '../network/shapes.js';
import { beforeInBranch } from './primitive.js';
import type { PrimitiveRecord } from './record.js';

export const excite: PrimitiveRecord = {
  description: 'squeeze-and-excitation: pool, two linear layers and a scale for each channel',
  counts: 'compute',
  standing: ({ squeezeExcitation }) => (squeezeExcitation ? 'required' : 'absent'),
  // Where it pools and scales follows the mask.
  after: (block) => ['index', ...beforeInBranch(block, 'excite')],
  lower(block) {
    const { after, reduce, expand } = block.block.squeezeExcitation!;
    const { map, region } = block.values;
    // What follows only reads its own pixels: the others need no scaling.
    const reader = block.block.branch[after + 1];
    const read = reader ? (isPointwise(reader) ? block.regions[after + 1] : undefined) : block.activeRegion;
    const scaled = region ?? read;
    const { pooledRegion } = block;
    block.network.builder.emit(block.owner('excite'), {
      kind: 'excite',
      map,
      reduce,
      expand,
      ...(pooledRegion ? { pooledOver: pooledRegion } : {}),
      ...(scaled ? { scaled } : {}),
    });
  },
};
