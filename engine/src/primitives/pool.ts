import { readsRows } from '../program/stream.js';
import type { BlockLowering } from './block-lowering.js';
import type { PrimitiveRecord } from './record.js';

export const pool: PrimitiveRecord = {
  description: "adaptive average pool of the block's input to the mask's grid",
  counts: 'data',
  standing: (_, mode) => (mode === 'adaptive' ? 'optional' : 'absent'),
  after: () => [],
  lower(block) {
    const owner = block.owner('pool');
    const { branch } = block.block;
    const beforeConv1 = block.precedes('pool', 'conv1') && block.precedes('conv1', 'index');
    if (beforeConv1 && block.together('pool', 'conv1')) {
      if (branch.length > 1 && !readsRows(branch[0]!)) {
        block.waiting = 'pool';
        return;
      }
      block.network.passNote(owner, 'the pool and conv1 read the input one after the other');
    }
    block.network.gridPool(owner, block.input.map, block.adaptive!);
  },
};

/** Emits the pool that waited for conv1, to run band by band with the convolution that is emitted next. */
export function beginPooledConv1(block: BlockLowering): void {
  const owner = block.owner('pool');
  block.stream(owner, 2);
  block.network.gridPool(owner, block.input.map, block.adaptive!);
}
