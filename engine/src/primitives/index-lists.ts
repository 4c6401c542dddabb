import type { PrimitiveRecord } from './record.js';

export const index: PrimitiveRecord = {
  description: 'from mask to lists of active and dilated pixels',
  counts: 'overhead',
  standing: (_, mode) => (mode === 'adaptive' ? 'required' : 'absent'),
  after: () => ['mask'],
  lower(block) {
    block.network.builder.emit(block.owner('index'), { kind: 'index', mask: block.adaptive!.mask });
  },
};
