import type { BlockNode, NetworkNode } from '../../../network/network.js';
import type { Primitive } from '../../../plan/plan.js';
import { BlockState } from './block-state.js';
import { lowerConvolution, lowerExcitation, lowerGather } from './branch.js';
import { adaptiveBlock, lowerIndex, lowerMask, lowerNextPool, lowerPool } from './decision.js';
import { checkedBlockShape, type Lowering } from './lowering.js';
import { lowerAdd, lowerProjection, lowerScatter } from './residual.js';

/** Lowers one block by its plan. */
export function lowerBlock(
  lowering: Lowering,
  node: BlockNode,
  position: number,
  next: NetworkNode | undefined,
): void {
  const { block } = node;
  const input = lowering.value(node.inputs[0]!, node);
  const shape = checkedBlockShape(block, lowering.network, input.map.shape);
  lowering.shapes.set(block.index, shape);
  const plan = lowering.plan.blocks[block.index]!;
  const adaptive = plan.mode === 'adaptive' ? adaptiveBlock(lowering, block, shape, plan) : undefined;
  const state = new BlockState(lowering, node, position, plan, shape, input, adaptive, next);
  for (const primitive of state.sequence) lowerPrimitive(state, primitive);
  lowering.define(node.output, { map: state.output!, activation: block.activation });
}

function lowerPrimitive(state: BlockState, primitive: Primitive): void {
  const { adaptive } = state;
  switch (primitive) {
    case 'pool':
      lowerPool(state, adaptive!);
      break;
    case 'mask':
      lowerMask(state, adaptive!);
      break;
    case 'index':
      lowerIndex(state, adaptive!);
      break;
    case 'projection':
      lowerProjection(state);
      break;
    case 'gather':
      lowerGather(state, adaptive!);
      break;
    case 'conv1':
    case 'conv2':
    case 'conv3':
      lowerConvolution(state, Number(primitive.slice(4)) - 1);
      break;
    case 'excite':
      lowerExcitation(state);
      break;
    case 'scatter':
      lowerScatter(state);
      break;
    case 'add':
      lowerAdd(state);
      break;
    case 'next-pool':
      lowerNextPool(state, state.output!);
      break;
  }
}
