import type { Convolve } from './convolve.js';
import { type Fusion, fusedSteps, kindOf } from './fusions.js';
import { haloWindow, largestCell } from './halo.js';
import { NONE, vectors } from './kernel.js';
import { activationKind, activationValues } from './kernels/activation.js';
import { type FusionTile, fusedKernel } from './kernels/fused.js';
import { type Epilogue, sourceNumber } from './kernels/rows.js';
import { type BufferUse, type Launch, type Rows, rowValues, workgroupsFor } from './launch.js';
import type { Lists } from './lists.js';
import type { Variant } from './variants.js';
import { biasVector } from './weights.js';

/** The rows that a convolution works out. */
function rowsOf({ destination, region, others }: Convolve, lists: Lists): Rows {
  const [N, height, width] = destination.shape;
  return { count: N * height * width, list: region && lists.of(region), others };
}

function epilogueOf({ residual, destination, activation }: Convolve): Epilogue {
  return {
    residual: residual ? (residual === destination ? 'overwritten' : 'own') : 'none',
    activation: activationKind(activation),
  };
}

/** Parameters of `convolutionParameters`. */
function parametersOf(operation: Convolve, rows: Rows): Record<string, number> {
  const { convolution, source, destination, activation } = operation;
  const { kernel, stride, padding, dilation, inChannels, outChannels, groups } = convolution;
  const [, outHeight, outWidth] = destination.shape;
  const { layout } = source;
  const halo = layout.kind === 'halo' ? layout.halo : undefined;
  const { height, width } = halo
    ? haloWindow(halo)
    : layout.kind === 'packed'
      ? { height: 1, width: 1 }
      : { height: source.shape[1], width: source.shape[2] };
  const grid = halo?.region.mask;
  return {
    ...rowValues(rows),
    source: sourceNumber[layout.kind],
    ...{ height, width, outHeight, outWidth },
    gridRows: grid?.rows ?? 1,
    gridColumns: grid?.columns ?? 1,
    ...{ kernelHeight: kernel[0], kernelWidth: kernel[1], strideY: stride[0], strideX: stride[1] },
    // A halo holds what lies around its cell, and so begins where the first tap reads.
    ...{ top: padding[0], left: padding[1], dilationY: dilation[0], dilationX: dilation[1] },
    inVectors: vectors(inChannels),
    inGroup: inChannels / groups,
    outGroup: outChannels / groups,
    ...resultOf(operation),
    ...activationValues({ activated: activation }),
  };
}

/** Those of them that say what becomes of the sums. */
function resultOf({ convolution, destination }: Convolve) {
  return {
    outVectors: vectors(convolution.outChannels),
    bias: biasVector(convolution),
    packed: destination.layout.kind === 'packed' ? 1 : 0,
  };
}

function buffersOf({ convolution, source, destination, residual }: Convolve): Record<string, BufferUse> {
  return {
    source: { map: source },
    destination: { map: destination },
    weights: { convolution },
    lists: 'lists',
    counters: 'counters',
    ...(residual && residual !== destination ? { residual: { map: residual } } : {}),
  };
}

/** The dispatch of a convolution: bias, residual, activation and the place of each row are its epilogue's. */
export function encodeConvolution(operation: Convolve, lists: Lists, variant: Variant): Launch {
  const { convolution } = operation;
  const rows = rowsOf(operation, lists);
  return {
    kernel: variant.kernel(epilogueOf(operation)),
    parameters: parametersOf(operation, rows),
    buffers: buffersOf(operation),
    workgroups: variant.workgroups(rows, convolution.outChannels),
    effort: { family: variant.family, steps: variant.steps(convolution) },
  };
}

/** Squares of a map that workgroups of a fusion share out: those of all cells of a grid. */
export interface Squares {
  readonly rows: number;
  readonly columns: number;
  /** Where the grid's cells stand; NONE when all are active. */
  readonly cells: number;
  /** Where the region's pixels have their places in packed rows. */
  readonly positions: number;
}

/** Squares of the cells of a listed region, or of a whole map. */
function squaresOf({ destination, region }: Convolve, side: number, lists: Lists): Squares {
  const [, height, width] = destination.shape;
  if (!region)
    return {
      rows: Math.ceil(height / side),
      columns: Math.ceil(width / side),
      ...{ cells: NONE, positions: NONE },
    };
  const { id, rows, columns } = region.mask;
  return { rows, columns, cells: lists.firstCell[id]!, positions: lists.of(region).positions };
}

/**
 * The dispatch of several convolutions: it reads where the first one reads, and ends as the last one does.
 * @param tile that fits into the device's workgroup memory
 * @param copies whether the destination is a new map, which needs what is not computed
 * @param squares others than those of the operations themselves
 */
export function encodeFusion(
  fusion: Fusion,
  lists: Lists,
  tile: FusionTile,
  copies = false,
  squares = squaresOf(fusion.operations.at(-1)!, tile.side ?? 1, lists),
): Launch {
  const { operations, head, core, tail } = fusion;
  const [first, last] = [operations[0]!, operations.at(-1)!];
  const kind = kindOf(fusion, copies && last.region !== undefined);
  const shared = {
    kernel: fusedKernel(tile, kind, epilogueOf(last)),
    buffers: {
      ...buffersOf(last),
      source: { map: first.source },
      ...(head ? { headWeights: { convolution: head.convolution }, cells: 'cells' as const } : {}),
      ...(tail ? { coreWeights: { convolution: core.convolution } } : {}),
    },
  };
  const inner = {
    ...resultOf(last),
    ...(tail ? { coreBias: biasVector(core.convolution) } : {}),
    ...activationValues({
      activated: last.activation,
      ...(head ? { headActivated: head.activation } : {}),
      ...(tail ? { coreActivated: core.activation } : {}),
    }),
  };
  const effort = { family: tile.family, steps: fusedSteps(fusion, tile) };
  if (!head || !tile.side) {
    const rows = rowsOf(last, lists);
    return {
      ...shared,
      parameters: { ...parametersOf(first, rows), ...inner },
      workgroups: workgroupsFor(rows, 1, tile.rows),
      effort,
    };
  }
  const [N, toHeight, toWidth] = last.destination.shape;
  const down = Math.ceil(largestCell(toHeight, squares.rows) / tile.side);
  const across = Math.ceil(largestCell(toWidth, squares.columns) / tile.side);
  const rows = { count: N * squares.rows * squares.columns * down * across };
  const { padding } = core.convolution;
  return {
    ...shared,
    parameters: {
      ...parametersOf(head, rows),
      ...inner,
      headBias: biasVector(head.convolution),
      ...{ gridRows: squares.rows, gridColumns: squares.columns, toHeight, toWidth, down, across },
      ...{ coreTop: padding[0], coreLeft: padding[1], cells: squares.cells, positions: squares.positions },
    },
    workgroups: workgroupsFor(rows, 1, 1),
    effort: { ...effort, region: last.region },
  };
}
