import { maskGrid } from '../../../mask/geometry.js';
import type { Block } from '../../../network/network.js';
import type { BlockShape } from '../../../network/shapes.js';
import type { BlockPlan } from '../../../plan/plan.js';
import { fixedWork } from '../work.js';
import type { BlockState } from './block-state.js';
import { type AdaptiveBlock, checkedBlockShape, type Lowering } from './lowering.js';

/** The block's mask; a predecessor that pools for it may have made it already. */
export function adaptiveBlock(
  lowering: Lowering,
  block: Block,
  shape: BlockShape,
  plan: BlockPlan,
): AdaptiveBlock {
  const known = lowering.adaptive.get(block.index);
  if (known) return known;
  const batch = lowering.batch;
  const { rows, columns } = maskGrid(shape.outHeight, shape.outWidth, plan.granularity);
  const made: AdaptiveBlock = {
    block,
    shape,
    mask: lowering.builder.mask(batch, rows, columns, shape.outHeight, shape.outWidth),
    decision: lowering.decisions[block.index]!,
  };
  lowering.adaptive.set(block.index, made);
  return made;
}

/** `pool`: the block's input to the mask's grid. */
export function lowerPool(state: BlockState, adaptive: AdaptiveBlock): void {
  const owner = state.owner('pool');
  if (state.together('pool', 'conv1')) {
    state.lowering.passNote(owner, 'the pool and conv1 read the input one after the other');
  }
  state.lowering.gridPool(owner, state.input.map, adaptive);
}

/** `mask`: decided natively, or by JavaScript at a stop of the program, or before the run. */
export function lowerMask(state: BlockState, adaptive: AdaptiveBlock): void {
  const { lowering, block } = state;
  const { builder } = lowering;
  const owner = state.owner('mask');
  const masker = lowering.maskers[block.index]!;
  const { mask, pooled, decision } = adaptive;
  if (decision === 'between') {
    if (masker.needsPool && !pooled) lowering.gridPool(owner, state.input.map, adaptive);
    lowering.stops.push({ at: builder.instructions.length, kind: 'decide', adaptive, owner });
  } else if (decision === 'native') {
    if (!pooled) lowering.gridPool(owner, state.input.map, adaptive);
    const cells = mask.batch * mask.rows * mask.columns;
    const channels = state.shape.inChannels;
    builder.emit(
      'decide',
      owner,
      [mask.id, lowering.packed.masker(block, masker), adaptive.pooled!.id],
      fixedWork(2 * cells * channels, 4 * cells * channels),
    );
  }
  if (adaptive.pooled) builder.release(adaptive.pooled);
}

/** `index`: from cells to lists of pixels. */
export function lowerIndex(state: BlockState, { mask }: AdaptiveBlock): void {
  const bytes = mask.batch * mask.height * mask.width;
  state.lowering.builder.emit('index', state.owner('index'), [mask.id], fixedWork(0, bytes));
}

/** `next-pool`: the output to the grid of the block that follows. */
export function lowerNextPool(state: BlockState): void {
  const { lowering, next, node } = state;
  if (next?.kind !== 'block' || next.inputs[0] !== node.output) return;
  const plan = lowering.plan.blocks[next.block.index]!;
  if (plan.mode !== 'adaptive') return;
  const shape = checkedBlockShape(next.block, lowering.network, state.output!.shape);
  const adaptive = adaptiveBlock(lowering, next.block, shape, plan);
  const owner = state.owner('next-pool');
  lowering.passNote(owner, 'the next pool reads the whole map after the pass');
  lowering.gridPool(owner, state.output!, adaptive);
}
