import type { ProgramMap } from '../program/program.js';
import type { BlockLowering } from './block-lowering.js';
import type { AdaptiveBlock } from './network-lowering.js';
import type { PrimitiveRecord } from './record.js';

export const nextPool: PrimitiveRecord = {
  description: "the next block's pool, taken from values that this pass has just written",
  counts: 'data',
  standing: () => 'optional',
  after: () => ['add'],
  lower: (block) => lowerNextPool(block, block.output!),
};

/** The block that `next-pool` pools for, if the plan has it and that block follows its mask. */
function nextAdaptive({ network, next, node, sequence, shape }: BlockLowering): AdaptiveBlock | undefined {
  if (!sequence.includes('next-pool') || next?.kind !== 'block' || next.inputs[0] !== node.output)
    return undefined;
  if (network.schedules[next.block.index]!.mode !== 'adaptive') return undefined;
  const output = [network.batch, shape.outHeight, shape.outWidth, shape.outChannels] as const;
  return network.adaptiveBlock(next.block, network.blockShape(next.block, output));
}

/** True when the output, pooled for `next`, is the pooled input but where the block's mask is active. */
function poolStands({ adaptive, block, shape, identityStands }: BlockLowering, next: AdaptiveBlock): boolean {
  if (!adaptive?.pooled || block.projection || !identityStands) return false;
  const [mine, theirs] = [adaptive.mask, next.mask];
  return (
    mine.rows === theirs.rows &&
    mine.columns === theirs.columns &&
    shape.inHeight === shape.outHeight &&
    shape.inWidth === shape.outWidth &&
    mine.height === shape.outHeight &&
    mine.width === shape.outWidth
  );
}

/** The block whose pool `next-pool` takes behind the add, in one pass with it; undefined when it is its own pass. */
export function poolsBehindAdd(lowering: BlockLowering): AdaptiveBlock | undefined {
  return lowering.together('add', 'next-pool') ? nextAdaptive(lowering) : undefined;
}

/** Pools the output to the grid of the block that follows, unless that has been done. */
export function lowerNextPool(lowering: BlockLowering, output: ProgramMap): void {
  const next = lowering.nextPooled ? undefined : nextAdaptive(lowering);
  if (!next) return;
  const before = poolStands(lowering, next) ? lowering.adaptive : undefined;
  lowering.network.gridPool(lowering.owner('next-pool'), output, next, before);
  lowering.nextPooled = true;
}
