import type { Convolution } from '../../network/network.js';
import type { Operation } from '../../program/program.js';
import { GROUP, type Kernel, vectors } from './kernel.js';
import {
  depthwiseOfSeveralKernel,
  directKernel,
  directSteps,
  type GroupKind,
  PIXELS_EACH,
} from './kernels/direct.js';
import { gemmKernel, gemmSteps, TILES, type Tile } from './kernels/gemm.js';
import type { Epilogue } from './kernels/rows.js';
import { type Family, type Rows, type Workgroups, workgroupsFor } from './launch.js';
import { type Method, methodOf } from './weights.js';

export type Convolve = Extract<Operation, { kind: 'convolve' }>;

/** One way to compute a convolution: kernels, and how its rows are shared out among workgroups. */
export interface Variant {
  readonly family: Family;
  kernel(epilogue: Epilogue): Kernel;
  workgroups(rows: Rows, outChannels: number): Workgroups;
  /** Turns of the innermost loop of each workgroup. */
  steps(convolution: Convolution): number;
}

/** Says how each convolution of a program is computed. */
export type VariantChoice = (operation: Convolve) => Variant;

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

/**
 * The choice that needs no timing: the largest tile that still makes enough workgroups, or else the smallest. Tiles of
 * more than one vector an invocation are left to timing: they may need more registers than a GPU has.
 */
export const ruledVariant: VariantChoice = ({ convolution, destination }) => {
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
};
