import type { Excitation } from '../mask/excitation.js';
import type { Block } from '../network/network.js';

/** What a plan is made of; `primitives` in registry.ts describes each. */
export type Primitive =
  | 'pool'
  | 'mask'
  | 'index'
  | 'gather'
  | 'conv1'
  | 'conv2'
  | 'conv3'
  | 'conv4'
  | 'conv5'
  | 'conv6'
  | 'conv7'
  | 'conv8'
  | 'excite'
  | 'projection'
  | 'scatter'
  | 'add'
  | 'next-pool';

/** `dense` ignores masks and computes everything; `adaptive` follows the mask. */
export type BlockMode = 'dense' | 'adaptive';

/** Primitives executed in one pass. */
export interface PrimitiveGroup {
  readonly primitives: readonly Primitive[];
  /** Output pixels in each band where the group's operations stream, band by band; left out, the backend chooses. */
  readonly bandPixels?: number;
}

/** How one block is to be executed: its primitives in order, cut into groups of one pass each. */
export interface BlockSchedule {
  readonly mode: BlockMode;
  /** Granularity S, output pixels per cell side; at least 1. */
  readonly granularity: number;
  readonly groups: readonly PrimitiveGroup[];
  /** How attention pools: over the dense map, or over active pixels only. */
  readonly excitation: Excitation;
}

/**
 * Whether conv1 is computed everywhere because it runs before the mask's index lists exist.
 * @returns false in mode `dense`, where nothing follows a mask
 */
export function conv1RunsDense({ mode, groups }: Pick<BlockSchedule, 'mode' | 'groups'>): boolean {
  if (mode === 'dense') return false;
  for (const { primitives } of groups) {
    for (const primitive of primitives) {
      if (primitive === 'conv1') return true;
      if (primitive === 'index') return false;
    }
  }
  return false;
}

/** Those that compute a convolution of the branch. */
export type ConvolutionPrimitive = Extract<Primitive, `conv${number}`>;

/** The primitive that computes the branch's convolution `layer`, counted from 0. */
export function convolutionName(layer: number): ConvolutionPrimitive {
  return `conv${layer + 1}` as ConvolutionPrimitive;
}

/** The branch's primitives in order: its convolutions, with attention where the block has it. */
export function branchPrimitives(block: Block): Primitive[] {
  return block.branch.flatMap((_, i): Primitive[] => {
    const convolution = convolutionName(i);
    return block.attention?.after === i ? [convolution, 'excite'] : [convolution];
  });
}

/** What comes before `primitive` in the branch, and so in every plan. */
export function beforeInBranch(block: Block, primitive: Primitive): Primitive[] {
  const branch = branchPrimitives(block);
  return branch.slice(0, Math.max(0, branch.indexOf(primitive)));
}

/** The layer of the branch that a primitive computes; undefined for other primitives than convolutions. */
export function layerOf(primitive: Primitive): number | undefined {
  return primitive.startsWith('conv') ? Number(primitive.slice(4)) - 1 : undefined;
}
