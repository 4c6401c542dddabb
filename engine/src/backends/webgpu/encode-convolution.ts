import { haloWindow } from './halo.js';
import { vectors } from './kernel.js';
import { activationKind, activationValues } from './kernels/activation.js';
import { type PairTile, pairKernel } from './kernels/pair.js';
import { type Epilogue, sourceNumber } from './kernels/rows.js';
import { type BufferUse, type Launch, type Rows, rowValues, workgroupsFor } from './launch.js';
import type { Lists } from './lists.js';
import { pairSteps } from './pairs.js';
import type { Convolve, Pair, Variant } from './variants.js';
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

/**
 * The dispatch of two convolutions: it reads where the first one reads, and ends as the second one does.
 * @param tile that fits into the device's workgroup memory
 */
export function encodePair(pair: Pair, lists: Lists, tile: PairTile): Launch {
  const { first, second } = pair;
  if (first.activation === 'prelu') {
    throw new RangeError(`${first.convolution.name}: a pair has no place for the slopes of its channels`);
  }
  const rows = rowsOf(second, lists);
  const kind = {
    between: vectors(first.convolution.outChannels),
    activation: activationKind(first.activation),
  };
  return {
    kernel: pairKernel(tile, kind, epilogueOf(second)),
    parameters: {
      ...parametersOf(first, rows),
      ...resultOf(second),
      firstBias: biasVector(first.convolution),
      ...activationValues({ activated: second.activation, firstActivated: first.activation }),
    },
    buffers: {
      ...buffersOf(second),
      source: { map: first.source },
      firstWeights: { convolution: first.convolution },
    },
    workgroups: workgroupsFor(rows, 1, tile.rows),
    effort: { family: tile.family, steps: pairSteps(pair, tile) },
  };
}
