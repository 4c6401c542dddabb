import { expectArgument, expectFields } from '../arguments/expect.js';
import {
  aBlock,
  aBlockShape,
  aConvolution,
  aCount,
  aFlag,
  aMask,
  aSize,
  either,
  oneOf,
  someBytes,
} from '../arguments/kinds.js';
import { FoveaError } from '../errors.js';
import type { Block } from '../network/network.js';
import { type BlockShape, paddingOn, type Reach } from '../network/shapes.js';
import { checkExcitation } from './excitation.js';
import { activeFraction, spreadCells } from './geometry.js';
import type { Mask } from './mask.js';

/** The output pixels at which a convolution is computed: `batch · height · width` values, or `'all'`. */
export type Region = Uint8Array | 'all';

/** @throws FoveaError `bad-shape` for a region of another map */
function expectPixels(
  region: Uint8Array,
  batch: number,
  { height, width }: { readonly height: number; readonly width: number },
  where: string,
): void {
  if (region.length === batch * height * width) return;
  throw new FoveaError(
    'bad-shape',
    `${where} of ${region.length} pixels; ${batch} x ${height} x ${width} are accepted`,
  );
}

/** What most functions here begin with: a block, and the shapes of its maps. */
function expectBlock(block: Block, shape: BlockShape, where: string): void {
  expectArgument(block, aBlock, `${where}: block`);
  expectArgument(shape, aBlockShape, `${where}: shape`);
}

/**
 * Input pixels that `convolution` reads to produce the output pixels of `region`: the dilation of a mask by
 * the kernel's reach, exact for any stride, padding and dilation.
 */
export function receptiveRegion(
  region: Uint8Array,
  batch: number,
  output: { readonly height: number; readonly width: number },
  convolution: Reach,
  input: { readonly height: number; readonly width: number },
): Uint8Array {
  expectArgument(region, someBytes, 'receptiveRegion: region');
  expectArgument(batch, aCount, 'receptiveRegion: batch');
  expectArgument(output, aSize, 'receptiveRegion: output');
  expectArgument(convolution, aConvolution, 'receptiveRegion: convolution');
  expectArgument(input, aSize, 'receptiveRegion: input');
  expectPixels(region, batch, output, 'receptiveRegion: region');
  const { kernel, stride, dilation } = convolution;
  const padding = paddingOn(convolution, input.height, input.width);
  const read = new Uint8Array(batch * input.height * input.width);
  for (let n = 0; n < batch; n++) {
    for (let y = 0; y < output.height; y++) {
      for (let x = 0; x < output.width; x++) {
        if (!region[(n * output.height + y) * output.width + x]) continue;
        for (let ky = 0; ky < kernel[0]; ky++) {
          const sourceY = y * stride[0] - padding[0] + ky * dilation[0];
          if (sourceY < 0 || sourceY >= input.height) continue;
          const row = (n * input.height + sourceY) * input.width;
          for (let kx = 0; kx < kernel[1]; kx++) {
            const sourceX = x * stride[1] - padding[1] + kx * dilation[1];
            if (sourceX >= 0 && sourceX < input.width) read[row + sourceX] = 1;
          }
        }
      }
    }
  }
  return read;
}

/**
 * Where each convolution of a block's branch has to be computed so that the branch is right on `active`:
 * the last one at the active pixels, each earlier one at what its successor reads.
 *
 * @param active `batch · outHeight · outWidth` values, 1 for active
 * @param options `denseConv1`: conv1 runs before the mask is known (LASNet's masker + conv1 fusion);
 *   `excitation`: with `exact`, attention needs its convolution, and so all before it, everywhere
 */
export function branchRegions(
  block: Block,
  shape: BlockShape,
  active: Uint8Array,
  batch: number,
  options: { readonly denseConv1: boolean; readonly excitation: 'exact' | 'active' },
): Region[] {
  expectBlock(block, shape, 'branchRegions');
  expectArgument(active, someBytes, 'branchRegions: active');
  expectArgument(batch, aCount, 'branchRegions: batch');
  expectFields(
    options,
    { denseConv1: aFlag, excitation: oneOf(['exact', 'active']) },
    'branchRegions: options',
  );
  expectPixels(active, batch, { height: shape.outHeight, width: shape.outWidth }, 'branchRegions: active');
  const regions: Region[] = new Array(block.branch.length);
  const pooledEverywhere =
    block.attention !== undefined && options.excitation === 'exact' ? block.attention.after : -1;
  let region: Region = active;
  for (let i = block.branch.length - 1; i >= 0; i--) {
    if (i < block.branch.length - 1 && region !== 'all') {
      region = receptiveRegion(region, batch, shape.branch[i + 1]!, block.branch[i + 1]!, shape.branch[i]!);
    }
    const spatial = block.attention?.after === i ? block.attention.spatial : undefined;
    if (spatial && region !== 'all') {
      region = receptiveRegion(region, batch, shape.branch[i]!, spatial, shape.branch[i]!);
    }
    if (i <= pooledEverywhere) region = 'all';
    regions[i] = region;
  }
  if (options.denseConv1) regions[0] = 'all';
  return regions;
}

/**
 * What a block's attention pools over: with `exact` the whole map, with `active` what its convolution
 * has to compute for the active pixels, whether or not a plan computes more than that.
 *
 * @param active `batch · outHeight · outWidth` values, 1 for active
 */
export function excitationRegion(
  block: Block,
  shape: BlockShape,
  active: Uint8Array,
  batch: number,
  excitation: 'exact' | 'active',
): Region {
  expectBlock(block, shape, 'excitationRegion');
  expectArgument(active, someBytes, 'excitationRegion: active');
  expectArgument(batch, aCount, 'excitationRegion: batch');
  expectPixels(active, batch, { height: shape.outHeight, width: shape.outWidth }, 'excitationRegion: active');
  checkExcitation(excitation, 'excitationRegion');
  if (excitation === 'exact') return 'all';
  if (!block.attention)
    throw new FoveaError(
      'bad-argument',
      `block ${block.index} (${block.name}) has no attention; one with it is accepted`,
    );
  const regions = branchRegions(block, shape, active, batch, { denseConv1: false, excitation });
  return regions[block.attention.after]!;
}

/** The pixels whose scales a spatial attention makes for the active ones; undefined without one. */
export function attendedRegion(
  block: Block,
  shape: BlockShape,
  active: Uint8Array,
  batch: number,
): Region | undefined {
  const { attention, ...plain } = block;
  if (!attention?.spatial) return undefined;
  return branchRegions(plain, shape, active, batch, { denseConv1: false, excitation: 'active' })[
    attention.after
  ];
}

/**
 * The output pixels that a mask makes active on its block's map.
 * @returns `batch · outHeight · outWidth` values, 1 for active
 * @throws FoveaError `bad-shape` when the mask was found on a map of another size
 */
export function activePixels(mask: Mask, block: Block, input: BlockShape): Uint8Array {
  expectArgument(mask, aMask, 'activePixels: mask');
  expectBlock(block, input, 'activePixels');
  const { outHeight, outWidth } = input;
  const { rows, columns, batch, cells, height, width } = mask;
  if (height !== outHeight || width !== outWidth || cells.length !== batch * rows * columns) {
    throw new FoveaError(
      'bad-shape',
      `the mask of block ${block.index} (${block.name}) has ${cells.length} cells over ${height} x ${width} pixels; ` +
        `${batch} x ${rows} x ${columns} over ${outHeight} x ${outWidth} are accepted: masks belong to the input size of their run`,
    );
  }
  return spreadCells(cells, mask, batch, height, width);
}

/** Activation rates of a mask on its block's maps, over the whole batch. */
export function maskStatistics(
  mask: Mask,
  block: Block,
  shape: BlockShape,
): { readonly rate: number; readonly dilatedRate: number } {
  const active = activePixels(mask, block, shape);
  const [first] = branchRegions(block, shape, active, mask.batch, {
    denseConv1: false,
    excitation: 'active',
  });
  return { rate: activeFraction(active), dilatedRate: first === 'all' ? 1 : activeFraction(first!) };
}

/** Number of pixels of a region; `'all'` is the whole map. */
export function regionPixels(region: Region, batch: number, map: { height: number; width: number }): number {
  expectArgument(region, either(someBytes, oneOf(['all'])), 'regionPixels: region');
  expectArgument(batch, aCount, 'regionPixels: batch');
  expectArgument(map, aSize, 'regionPixels: map');
  if (region === 'all') return batch * map.height * map.width;
  expectPixels(region, batch, map, 'regionPixels: region');
  let pixels = 0;
  for (const pixel of region) pixels += pixel;
  return pixels;
}
