import type { Convolution } from '../../network/network.js';
import type { Convolve } from './convolve.js';
import type { Fuses } from './fusions.js';
import { GROUP, type Kernel, vectors } from './kernel.js';
import {
  depthwiseOfSeveralKernel,
  directKernel,
  directSteps,
  type GroupKind,
  PIXELS_EACH,
} from './kernels/direct.js';
import { gemmKernel, TILES, type Tile } from './kernels/gemm.js';
import { gemmSteps } from './kernels/product.js';
import type { Epilogue } from './kernels/rows.js';
import { type Family, type Rows, type Workgroups, workgroupsFor } from './launch.js';
import { type Method, methodOf } from './weights.js';

/** One way to compute a convolution: kernels, and how its rows are shared out among workgroups. */
export interface Variant {
  readonly family: Family;
  kernel(epilogue: Epilogue): Kernel;
  workgroups(rows: Rows, outChannels: number): Workgroups;
  /** Turns of the innermost loop of each workgroup. */
  steps(convolution: Convolution): number;
}

/** Says how the convolutions of a program are computed. */
export interface Choice extends Fuses {
  one(operation: Convolve): Variant;
}

const tapsOf = ({ kernel }: Convolution) => kernel[0] * kernel[1];

function gemm(tile: Tile): Variant {
  return {
    family: tile.family,
    kernel: (epilogue) => gemmKernel(tile, epilogue),
    workgroups: (rows, outChannels) =>
      workgroupsFor(rows, 1, tile.rows, Math.ceil(outChannels / tile.channels)),
    steps: (convolution) => gemmSteps(tapsOf(convolution) * vectors(convolution.inChannels), tile),
  };
}

function direct(kind: GroupKind): Variant {
  return {
    family: kind,
    kernel: (epilogue) => directKernel(kind, epilogue),
    workgroups: (rows, outChannels) => workgroupsFor(rows, vectors(outChannels)),
    steps: (convolution) =>
      tapsOf(convolution) * directSteps(kind, convolution.inChannels / convolution.groups),
  };
}

const depthwiseOfSeveral: Variant = {
  family: `depthwise x${PIXELS_EACH}`,
  kernel: depthwiseOfSeveralKernel,
  workgroups: (rows, outChannels) => workgroupsFor(rows, vectors(outChannels), PIXELS_EACH * GROUP),
  steps: tapsOf,
};

/** All variants of each method. */
export const VARIANTS: Readonly<Record<Method, readonly Variant[]>> = {
  gemm: TILES.map(gemm),
  depthwise: [direct('depthwise'), depthwiseOfSeveral],
  grouped: [direct('grouped')],
  mixed: [direct('mixed')],
};

/** Workgroups that a GPU should be given, so that all of it is busy. */
const ENOUGH_WORKGROUPS = 128;
/** Tiles that the rule knows, by what they compute. */
const RULED = TILES.map((tile, i) => ({ tile, variant: VARIANTS.gemm[i]! })).filter(
  ({ tile }) => tile.vectorsEach === 1,
);

/** The largest tile that still makes enough workgroups, or else the smallest. */
function ruledVariant({ convolution, destination }: Convolve): Variant {
  const method = methodOf(convolution);
  if (method !== 'gemm') return VARIANTS[method][0]!;
  const { outChannels } = convolution;
  const [N, H, W] = destination.shape;
  const fits = RULED.find(
    ({ tile }) =>
      Math.ceil((N * H * W) / tile.rows) * Math.ceil(outChannels / tile.channels) >= ENOUGH_WORKGROUPS &&
      outChannels > tile.channels / 2,
  );
  return (fits ?? RULED.at(-1)!).variant;
}

/**
 * The choice that needs no timing. Tiles of more than one vector an invocation, and fusions, are left to timing: they may
 * need more registers, and make fewer workgroups, than a GPU likes.
 */
export const ruled: Choice = { one: ruledVariant, fused: () => undefined };
