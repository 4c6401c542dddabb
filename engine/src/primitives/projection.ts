import type { PrimitiveRecord } from './record.js';

export const projection: PrimitiveRecord = {
  description: "the shortcut's convolution, everywhere",
  counts: 'compute',
  standing: ({ projection }) => (projection ? 'required' : 'absent'),
  after: () => [],
  lower(block) {
    const { network, input, activeRegion: active } = block;
    const owner = block.owner('projection');
    const projection = block.block.projection!;
    const output = block.outputMap();
    if (
      active &&
      block.precedes('index', 'projection') &&
      block.addsInPlace &&
      projection.activation === 'none'
    ) {
      // Active pixels still have the branch added to them; the others are final here.
      network.convolve(owner, projection, input.map, output, { region: active });
      network.convolve(owner, projection, input.map, output, {
        region: active,
        others: true,
        activation: block.block.activation,
      });
      block.shortcutActivated = true;
    } else {
      network.convolve(owner, projection, input.map, output);
    }
    block.shortcut = output;
  },
};
