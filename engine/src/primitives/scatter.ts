import { branchPrimitives } from './primitive.js';
import type { PrimitiveRecord } from './record.js';

export const scatter: PrimitiveRecord = {
  description: 'packed rows written back to a map',
  counts: 'data',
  standing: (_, mode) => (mode === 'adaptive' ? 'optional' : 'absent'),
  after: (block) => ['index', ...branchPrimitives(block)],
  lower(block) {
    // With the add in its pass, the add does it.
    if (block.output || block.together('scatter', 'add')) return;
    if (block.addsOutOfMap) {
      block.network.passNote(block.owner('scatter'), 'nothing is copied: the add reads the active pixels');
      return;
    }
    const { map } = block.values;
    if (map.layout.kind !== 'packed') return;
    const destination = block.outputMap();
    block.network.builder.emit(block.owner('scatter'), { kind: 'scatter', source: map, destination });
    block.values = { map: destination, region: undefined };
  },
};
