import { pooledForProjection, windowOf } from '../network/projection-pool.js';
import type { ProgramMap } from '../program/program.js';
import type { BlockLowering } from './block-lowering.js';
import type { PrimitiveRecord } from './record.js';

export const projection: PrimitiveRecord = {
  description: "the shortcut's convolution, everywhere",
  counts: 'compute',
  standing: ({ projection }) => (projection ? 'required' : 'absent'),
  after: () => [],
  lower(block) {
    const { network, activeRegion: active } = block;
    const owner = block.owner('projection');
    const projection = block.block.projection!;
    const source = projected(block);
    const output = block.outputMap();
    if (
      active &&
      block.precedes('index', 'projection') &&
      block.addsInPlace &&
      projection.activation === 'none'
    ) {
      // Active pixels still have the branch added to them; the others are final here.
      network.convolve(owner, projection, source, output, { region: active });
      network.convolve(owner, projection, source, output, {
        region: active,
        others: true,
        activation: block.block.activation,
      });
      block.shortcutActivated = true;
    } else {
      network.convolve(owner, projection, source, output);
    }
    block.shortcut = output;
  },
};

/** What the projection reads: the block's input, or its mean over windows. */
function projected(lowering: BlockLowering): ProgramMap {
  const { network, block, shape, input } = lowering;
  const { projectionPool: pool } = block;
  if (!pool) return input.map;
  const { height, width } = pooledForProjection(pool, shape.inHeight, shape.inWidth);
  const destination = network.builder.map([network.batch, height, width, shape.inChannels]);
  const { kernel, stride, padding, countIncludePad: countPadding } = windowOf(pool);
  const what = { kind: 'average-pool', source: input.map, destination } as const;
  network.builder.emit(lowering.owner('projection'), { ...what, kernel, stride, padding, countPadding });
  return destination;
}
