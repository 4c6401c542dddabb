import { expectArgument } from '../arguments/expect.js';
import { aBlock, aCount } from '../arguments/kinds.js';
import type { Block, Convolution } from './network.js';

/** What decides which pixels of a map a convolution reads. */
export type Reach = Pick<Convolution, 'kernel' | 'stride' | 'padding' | 'samePadding' | 'dilation'>;

/** Height and width that a convolution produces from a map, by ONNX's rule. */
export function convolutionOutput(
  convolution: Reach,
  height: number,
  width: number,
): { height: number; width: number } {
  const { kernel, stride, dilation } = convolution;
  const [top, left, bottom, right] = paddingOn(convolution, height, width);
  const extent = (size: number, before: number, after: number, axis: 0 | 1) =>
    Math.floor((size + before + after - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis]) + 1;
  return { height: extent(height, top, bottom, 0), width: extent(width, left, right, 1) };
}

/** Zeros around a map of that size, `[top, left, bottom, right]`: a window's own, or what its size asks for. */
export function paddingOn(
  {
    kernel,
    stride,
    padding,
    samePadding: odd,
    dilation,
  }: Pick<Reach, 'kernel' | 'stride' | 'padding' | 'samePadding'> & Partial<Pick<Reach, 'dilation'>>,
  height: number,
  width: number,
): Convolution['padding'] {
  if (odd === undefined) return padding;
  const rows = samePadding(height, kernel[0], stride[0], dilation?.[0]);
  const columns = samePadding(width, kernel[1], stride[1], dilation?.[1]);
  return odd === 'upper'
    ? [rows.before, columns.before, rows.after, columns.after]
    : [rows.after, columns.after, rows.before, columns.before];
}

/** Whether padding by size comes to the same at any size, so that amounts say it as well. */
export function padsAlikeAtAnySize({ kernel, stride }: Pick<Reach, 'kernel' | 'stride'>): boolean {
  return stride.every((step) => step === 1) || kernel.every((size) => size === 1);
}

/**
 * What TensorFlow's SAME padding adds along one axis, so that a window of that stride gives `⌈extent / stride⌉`
 * values; the odd one goes to the end.
 */
function samePadding(
  extent: number,
  kernel: number,
  stride: number,
  dilation = 1,
): { before: number; after: number } {
  const reach = (Math.ceil(extent / stride) - 1) * stride + dilation * (kernel - 1) + 1;
  const total = Math.max(reach - extent, 0);
  return { before: total >> 1, after: total - (total >> 1) };
}

/** The geometry of one block at a given input resolution. */
export interface BlockShape {
  readonly inChannels: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly outChannels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  /** Output height and width of each convolution of the branch, in order. */
  readonly branch: readonly { readonly height: number; readonly width: number }[];
}

/** The geometry of `block` when its input map is `inHeight` x `inWidth`. */
export function blockShape(block: Block, inHeight: number, inWidth: number): BlockShape {
  expectArgument(block, aBlock, 'blockShape: block');
  expectArgument(inHeight, aCount, 'blockShape: inHeight');
  expectArgument(inWidth, aCount, 'blockShape: inWidth');
  const branch: { height: number; width: number }[] = [];
  let map = { height: inHeight, width: inWidth };
  for (const convolution of block.branch) {
    map = convolutionOutput(convolution, map.height, map.width);
    branch.push(map);
  }
  return {
    inChannels: block.branch[0]!.inChannels,
    inHeight,
    inWidth,
    outChannels: block.branch[block.branch.length - 1]!.outChannels,
    outHeight: map.height,
    outWidth: map.width,
    branch,
  };
}

/** Height and width of the map that a convolution of a branch reads. */
export function inputOf(
  { branch, inHeight, inWidth }: BlockShape,
  layer: number,
): { readonly height: number; readonly width: number } {
  return branch[layer - 1] ?? { height: inHeight, width: inWidth };
}

/** Every output pixel reads the input pixel of the same place, and nothing else. */
export function isPointwise({ kernel, stride, padding }: Convolution): boolean {
  return (
    kernel[0] === 1 &&
    kernel[1] === 1 &&
    stride[0] === 1 &&
    stride[1] === 1 &&
    padding.every((side) => side === 0)
  );
}
