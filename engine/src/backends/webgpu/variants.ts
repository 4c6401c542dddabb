import type { Convolution } from '../../network/network.js';
import type { Convolve } from '../../program/program.js';
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
import {
  type MatrixTile,
  type MatrixUnit,
  matrixKernel,
  matrixTiles,
  nameOfUnit,
} from './kernels/matrices.js';
import { gemmSteps } from './kernels/product.js';
import type { Epilogue } from './kernels/rows.js';
import { WINOGRAD_CHANNELS, WINOGRAD_SIDE, winogradKernel } from './kernels/winograd.js';
import { type Family, type Rows, type Workgroups, workgroupsFor } from './launch.js';
import { hasSquares } from './squares.js';
import { type Method, methodOf } from './weights.js';

interface VariantBase {
  readonly family: Family;
  kernel(epilogue: Epilogue): Kernel;
  /** Turns of the innermost loop of each workgroup. */
  steps(convolution: Convolution): number;
}

/** A variant whose rows are shared out among workgroups. */
interface RowVariant extends VariantBase {
  readonly kind: 'rows';
  workgroups(rows: Rows, outChannels: number): Workgroups;
}

/** A variant whose workgroups compute squares of this side inside cells, for so many output channels. */
interface SquareVariant extends VariantBase {
  readonly kind: 'squares';
  readonly side: number;
  readonly channels: number;
}

/** One way to compute a convolution. */
export type Variant = RowVariant | SquareVariant;

/** Says how the convolutions of a program are computed. */
export interface Choice extends Fuses {
  one(operation: Convolve): Variant;
  /** True when a rule chose that among several, and no timing. */
  byRule(operation: Convolve): boolean;
}

const tapsOf = ({ kernel }: Convolution) => kernel[0] * kernel[1];

function product(tile: Tile | MatrixTile, kernel: Variant['kernel']): Variant {
  return {
    kind: 'rows',
    family: tile.family,
    kernel,
    workgroups: (rows, outChannels) =>
      workgroupsFor(rows, 1, tile.rows, Math.ceil(outChannels / tile.channels)),
    steps: (convolution) => gemmSteps(tapsOf(convolution) * vectors(convolution.inChannels), tile),
  };
}

const gemm = (tile: Tile) => product(tile, (epilogue) => gemmKernel(tile, epilogue));

function direct(kind: GroupKind): Variant {
  return {
    kind: 'rows',
    family: kind,
    kernel: (epilogue) => directKernel(kind, epilogue),
    workgroups: (rows, outChannels) => workgroupsFor(rows, vectors(outChannels)),
    steps: (convolution) =>
      tapsOf(convolution) * directSteps(kind, convolution.inChannels / convolution.groups),
  };
}

const depthwiseOfSeveral: Variant = {
  kind: 'rows',
  family: `depthwise x${PIXELS_EACH}`,
  kernel: depthwiseOfSeveralKernel,
  workgroups: (rows, outChannels) => workgroupsFor(rows, vectors(outChannels), PIXELS_EACH * GROUP),
  steps: tapsOf,
};

const winograd: Variant = {
  kind: 'squares',
  family: 'winograd',
  side: WINOGRAD_SIDE,
  channels: WINOGRAD_CHANNELS,
  kernel: winogradKernel,
  steps: ({ inChannels }) => vectors(inChannels),
};

/** All variants of each method that any adapter has. */
export const VARIANTS: Readonly<Record<Exclude<Method, 'maximum'>, readonly Variant[]>> = {
  gemm: [...TILES.map(gemm), winograd],
  depthwise: [direct('depthwise'), depthwiseOfSeveral],
  grouped: [direct('grouped')],
  mixed: [direct('mixed')],
};

/** Maxima read as much as depthwise sums, and count as these where time is predicted. */
const maximum: Variant = { ...direct('maximum'), family: 'depthwise' };

const matrixVariants = new Map<string, readonly Variant[]>();

/** The variants with matrices of this size: the same objects each time. */
export function matrixVariantsOf(unit: MatrixUnit): readonly Variant[] {
  const key = `${nameOfUnit(unit)} by ${unit.subgroup}${unit.isAskedFor ? ' asked for' : ''}`;
  let known = matrixVariants.get(key);
  if (!known) {
    known = matrixTiles(unit).map((tile) => product(tile, (epilogue) => matrixKernel(tile, unit, epilogue)));
    matrixVariants.set(key, known);
  }
  return known;
}

/** Pixels of a cell along a side from which on a square of Winograd's is not mostly empty. */
const WINOGRAD_CELL = 6;

/**
 * True for what Winograd's algorithm computes: 3x3 convolutions of one group and unit stride, everywhere or in cells that
 * fill more than half of a square, for it saves no more than half of the multiplications.
 */
export function isWinograd(operation: Convolve): boolean {
  const { convolution, source, region } = operation;
  const { kernel, stride, dilation, groups } = convolution;
  return (
    groups === 1 &&
    kernel.every((size) => size === 3) &&
    [...stride, ...dilation].every((step) => step === 1) &&
    source.layout.kind === 'map' &&
    hasSquares(operation) &&
    (!region ||
      (region.height >= WINOGRAD_CELL * region.mask.rows &&
        region.width >= WINOGRAD_CELL * region.mask.columns))
  );
}

/** True for the variants of an adapter's matrices. */
export const isOfMatrices = ({ family }: Variant) => family.startsWith('matrices ');

/**
 * The variants that compute a convolution.
 * @param matrices those that the adapter's subgroups multiply
 */
export function variantsOf(operation: Convolve, matrices?: MatrixUnit): readonly Variant[] {
  const method = methodOf(operation.convolution);
  if (method === 'maximum') return [maximum];
  const variants = VARIANTS[method].filter(({ kind }) => kind === 'rows' || isWinograd(operation));
  return matrices && method === 'gemm' ? [...variants, ...matrixVariantsOf(matrices)] : variants;
}

/** Workgroups that a GPU should be given, so that all of it is busy. */
const ENOUGH_WORKGROUPS = 128;
/** Tiles that the rule knows, by what they compute. */
const RULED = TILES.map((tile, i) => ({ tile, variant: VARIANTS.gemm[i]! })).filter(
  ({ tile }) => tile.vectorsEach === 1,
);

/** The largest tile that still makes enough workgroups, or else the smallest. */
function ruledVariant({ convolution, destination }: Convolve): Variant {
  const method = methodOf(convolution);
  if (method === 'maximum') return maximum;
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
export const ruled: Choice = {
  one: ruledVariant,
  byRule: (operation) => variantsOf(operation).length > 1,
  fused: () => undefined,
};
