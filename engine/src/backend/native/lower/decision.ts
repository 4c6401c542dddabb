import { maskGrid } from '../../../mask/geometry.js';
import type { Masker } from '../../../mask/mask.js';
import { salientRate } from '../../../mask/saliency.js';
import type { Block } from '../../../network/network.js';
import type { BlockShape } from '../../../network/shapes.js';
import type { BlockPlan } from '../../../plan/plan.js';
import type { Decider, ProgramMap } from '../../../program/program.js';
import type { BlockState } from './block-state.js';
import { type AdaptiveBlock, checkedBlockShape, type Lowering, readsRows } from './lowering.js';

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

/** `pool`: the block's input to the mask's grid, together with conv1 where they share a pass. */
export function lowerPool(state: BlockState, adaptive: AdaptiveBlock): void {
  const owner = state.owner('pool');
  const { branch } = state.block;
  if (state.together('pool', 'conv1') && state.precedes('conv1', 'index')) {
    if (branch.length > 1 && !readsRows(branch[0]!)) {
      state.waiting = 'pool';
      return;
    }
    state.lowering.passNote(owner, 'the pool and conv1 read the input one after the other');
  }
  state.lowering.gridPool(owner, state.input.map, adaptive);
}

/** Emits the pool that waited for conv1, to run band by band with the convolution that is emitted next. */
export function beginPooledConv1(state: BlockState, adaptive: AdaptiveBlock): void {
  const owner = state.owner('pool');
  state.lowering.builder.stream(owner, 2);
  state.lowering.gridPool(owner, state.input.map, adaptive);
}

/** `mask`: decided natively, or by JavaScript at a stop of the program, or before the run. */
export function lowerMask(state: BlockState, adaptive: AdaptiveBlock): void {
  const { lowering, block } = state;
  const { builder } = lowering;
  const owner = state.owner('mask');
  if (state.waiting === 'pool') {
    state.waiting = 'pool and mask';
    return;
  }
  const masker = lowering.maskers[block.index]!;
  const { mask, decision } = adaptive;
  if (decision === 'between') {
    if (masker.needsPool && !adaptive.pooled) lowering.gridPool(owner, state.input.map, adaptive);
    const pooled = masker.needsPool ? { pooled: adaptive.pooled! } : {};
    builder.emit(owner, { kind: 'ask', block, mask, ...pooled });
  } else if (decision === 'native') {
    if (!adaptive.pooled) lowering.gridPool(owner, state.input.map, adaptive);
    builder.emit(owner, {
      kind: 'decide',
      mask,
      pooled: adaptive.pooled!,
      decider: deciderOf(block, masker),
    });
  }
}

/** The rule by which a masker that backends know decides. */
function deciderOf(block: Block, masker: Masker): Decider {
  const rate = salientRate(masker);
  return rate === undefined ? { kind: 'learned', block } : { kind: 'salient', rate };
}

/** `index`: from cells to lists of pixels. */
export function lowerIndex(state: BlockState, { mask }: AdaptiveBlock): void {
  state.lowering.builder.emit(state.owner('index'), { kind: 'index', mask });
}

/** The block that `next-pool` pools for, if the plan has it and that block follows its mask. */
export function nextAdaptive({
  lowering,
  next,
  node,
  sequence,
  shape,
}: BlockState): AdaptiveBlock | undefined {
  if (!sequence.includes('next-pool') || next?.kind !== 'block' || next.inputs[0] !== node.output)
    return undefined;
  const plan = lowering.plan.blocks[next.block.index]!;
  if (plan.mode !== 'adaptive') return undefined;
  const output = [lowering.batch, shape.outHeight, shape.outWidth, shape.outChannels] as const;
  return adaptiveBlock(lowering, next.block, checkedBlockShape(next.block, lowering.network, output), plan);
}

/** True when the output, pooled for `next`, is the pooled input but where the block's mask is active. */
function poolStands({ adaptive, block, shape, identityStands }: BlockState, next: AdaptiveBlock): boolean {
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
export function poolsBehindAdd(state: BlockState): AdaptiveBlock | undefined {
  return state.together('add', 'next-pool') ? nextAdaptive(state) : undefined;
}

/** `next-pool`: the output to the grid of the block that follows. */
export function lowerNextPool(state: BlockState, output: ProgramMap): void {
  const next = state.nextPooled ? undefined : nextAdaptive(state);
  if (!next) return;
  const before = poolStands(state, next) ? state.adaptive : undefined;
  state.lowering.gridPool(state.owner('next-pool'), output, next, before);
  state.nextPooled = true;
}
