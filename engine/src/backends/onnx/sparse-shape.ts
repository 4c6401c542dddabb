import type { Excitation } from '../../mask/excitation.js';
import { branchRegions, type Region } from '../../mask/regions.js';
import type { Block, Convolution } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import type { BlockPlan } from '../../plan/plan.js';
import { conv1RunsDense } from '../../primitives/primitive.js';

/**
 * How one convolution of a branch is computed on rows of pixels (NHWC):
 * - `dense`: everywhere, because the plan or a later layer asks for it
 * - `rows`: 1x1, the packed rows before it times the weights
 * - `picked`: 1x1, rows picked out of a whole map first
 * - `taps`: every active pixel's window gathered into one row, then one matrix product
 * - `tiles`: grouped, so the windows of whole cells are gathered and convolved as a batch of small maps
 */
export type LayerForm = 'dense' | 'rows' | 'picked' | 'taps' | 'tiles';

/** What decides the graph of an adaptive block; graphs with equal forms are shared. */
export interface SparseForm {
  readonly layers: readonly LayerForm[];
  readonly excitation: Excitation;
  /** Output pixels of a tile, for `tiles`: the largest cell; 0 where no layer is tiled. */
  readonly tile: readonly [height: number, width: number];
  /** Why more than the plan asked for is dense, when it is. */
  readonly note?: string;
}

/** A 1x1 convolution that maps pixel to pixel. */
export function isPointwise({ kernel, stride, padding, groups }: Convolution): boolean {
  return isPixelwise({ kernel, stride, padding }) && groups === 1;
}

function isPixelwise({
  kernel,
  stride,
  padding,
}: Pick<Convolution, 'kernel' | 'stride' | 'padding'>): boolean {
  return kernel[0] * kernel[1] * stride[0] * stride[1] === 1 && padding.every((pad) => pad === 0);
}

/** How a block is computed under a plan on a grid of `rows` x `columns` cells. */
export function sparseForm(
  block: Block,
  shape: BlockShape,
  plan: BlockPlan,
  { rows, columns }: { readonly rows: number; readonly columns: number },
): SparseForm {
  const { branch, squeezeExcitation } = block;
  let dense = conv1RunsDense(plan) ? 1 : 0;
  if (squeezeExcitation && plan.excitation === 'exact') dense = Math.max(dense, squeezeExcitation.after + 1);
  let note: string | undefined;
  branch.forEach(({ groups }, i) => {
    // Tiles are whole cells, so a grouped layer can be tiled only where its region is the mask itself.
    if (groups === 1 || i < dense || branch.slice(i + 1).every(isPixelwise)) return;
    dense = i + 1;
    note = `${block.name}: its grouped convolution ${i + 1} lies before another spatial one and ran densely`;
  });
  const layers = branch.map((convolution, i): LayerForm => {
    if (i < dense) return 'dense';
    if (convolution.groups > 1) return 'tiles';
    if (!isPointwise(convolution)) return 'taps';
    return i === dense ? 'picked' : 'rows';
  });
  return {
    layers,
    excitation: plan.excitation,
    tile: layers.includes('tiles')
      ? [Math.ceil(shape.outHeight / rows), Math.ceil(shape.outWidth / columns)]
      : [0, 0],
    ...(note ? { note } : {}),
  };
}

/** Where each layer is needed by a plan, before a form makes some of them dense. */
export function neededRegions(
  block: Block,
  shape: BlockShape,
  plan: BlockPlan,
  active: Uint8Array,
  batch: number,
): Region[] {
  return branchRegions(block, shape, active, batch, {
    denseConv1: conv1RunsDense(plan),
    excitation: plan.excitation,
  });
}

/** Input pixels that a tile reads along one axis. */
export function patchExtent({ kernel, stride, dilation }: Convolution, tile: number, axis: 0 | 1): number {
  return (tile - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1;
}
