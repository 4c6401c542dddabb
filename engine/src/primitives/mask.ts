import type { PrimitiveRecord } from './record.js';

export const mask: PrimitiveRecord = {
  description: "the masker's decision for every cell of the grid",
  counts: 'overhead',
  standing: (_, mode) => (mode === 'adaptive' ? 'required' : 'absent'),
  after: () => ['pool'],
  lower(block) {
    if (block.waiting === 'pool') {
      block.waiting = 'pool and mask';
      return;
    }
    const { network, adaptive, input } = block;
    const { mask, decision } = adaptive!;
    if (decision.by === 'given') return;
    const owner = block.owner('mask');
    const pooled = adaptive!.pooled ?? network.gridPool(owner, input.map, adaptive!);
    if (decision.by === 'rule')
      network.builder.emit(owner, { kind: 'decide', mask, pooled, decider: decision.decider });
    else network.builder.emit(owner, { kind: 'ask', block: block.block, mask, pooled });
  },
};
