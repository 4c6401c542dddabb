import { isPointwise } from '../network/shapes.js';
import { beforeInBranch } from './primitive.js';
import type { PrimitiveRecord } from './record.js';

export const excite: PrimitiveRecord = {
  description: 'attention: pool, its layers and a scale for each channel, or pixel',
  counts: 'compute',
  standing: ({ attention }) => (attention ? 'required' : 'absent'),
  // Where it pools and scales follows the mask.
  after: (block) => ['index', ...beforeInBranch(block, 'excite')],
  lower(block) {
    const attention = block.block.attention!;
    const { after } = attention;
    const { map, region } = block.values;
    // What follows only reads its own pixels: the others need no scaling.
    const reader = block.block.branch[after + 1];
    const read = reader ? (isPointwise(reader) ? block.regions[after + 1] : undefined) : block.activeRegion;
    const { pooledRegion, attendedRegion } = block;
    const scaled = attendedRegion ?? region ?? read;
    block.network.builder.emit(block.owner('excite'), {
      kind: 'excite',
      map,
      attention,
      ...(pooledRegion ? { pooledOver: pooledRegion } : {}),
      ...(scaled ? { scaled } : {}),
    });
    if (attendedRegion) block.values = { map, region: attendedRegion };
  },
};
