import type { Convolve } from '../../program/program.js';
import { haloWindow } from './halo.js';
import { FIRST_GROUP, vectors } from './kernel.js';
import { activationKind, activationValues } from './kernels/activation.js';
import { NORMALISED_ROWS, normaliseKernel } from './kernels/normalise.js';
import { type Epilogue, sourceNumber } from './kernels/rows.js';
import { type BufferUse, type Launch, type Rows, rowValues, workgroupsFor } from './launch.js';
import type { Lists } from './lists.js';
import { type Squares, squareLaunch, squaresOf } from './squares.js';
import type { Variant } from './variants.js';
import { biasVector, scaleVector, slopesVector } from './weights.js';

/** The rows that a convolution works out. */
export function rowsOf({ destination, region, others }: Convolve, lists: Lists): Rows {
  const [N, height, width] = destination.shape;
  return { count: N * height * width, list: region && lists.of(region), others };
}

/** What a convolution does with its sums; where they are normalised, another dispatch activates them. */
export function epilogueOf(operation: Convolve): Epilogue {
  const { residual, destination } = operation;
  return {
    residual: residual ? (residual === destination ? 'overwritten' : 'own') : 'none',
    activation: activationKind(ownActivation(operation)),
  };
}

const ownActivation = ({ convolution, activation }: Convolve) =>
  convolution.normalisation ? 'none' : activation;

/** Parameters of `convolutionParameters`. */
export function parametersOf(operation: Convolve, rows: Rows): Record<string, number> {
  const { convolution, source, destination } = operation;
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
    [FIRST_GROUP]: 0,
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
    ...activationValues({ activated: ownActivation(operation) }),
  };
}

/** Those of them that say what becomes of the sums. */
export function resultOf({ convolution, destination }: Convolve) {
  return {
    outVectors: vectors(convolution.outChannels),
    bias: biasVector(convolution),
    packed: destination.layout.kind === 'packed' ? 1 : 0,
  };
}

/** What a convolution's bindings are bound to. */
export function buffersOf({
  convolution,
  source,
  destination,
  residual,
}: Convolve): Record<string, BufferUse> {
  return {
    source: { map: source },
    destination: { map: destination },
    weights: { convolution },
    lists: 'lists',
    counters: 'counters',
    ...(residual && residual !== destination ? { residual: { map: residual } } : {}),
  };
}

/**
 * The dispatch of a convolution: bias, residual, activation and the place of each row are its epilogue's.
 * @param squares others than those of the operation itself, for a variant that computes squares
 */
export function encodeConvolution(
  operation: Convolve,
  lists: Lists,
  variant: Variant,
  squares?: Squares,
): Launch {
  const { convolution, region } = operation;
  const effort = { family: variant.family, steps: variant.steps(convolution) };
  const kernel = variant.kernel(epilogueOf(operation));
  if (variant.kind === 'rows') {
    const rows = rowsOf(operation, lists);
    return {
      kernel,
      parameters: parametersOf(operation, rows),
      buffers: buffersOf(operation),
      workgroups: variant.workgroups(rows, convolution.outChannels),
      effort,
    };
  }
  const { side, channels } = variant;
  const { parameters, workgroups } = squareLaunch(
    squares ?? squaresOf(operation, side, lists),
    operation,
    side,
    Math.ceil(convolution.outChannels / channels),
  );
  return {
    kernel,
    parameters: { ...parametersOf(operation, { count: 0 }), ...parameters },
    buffers: { ...buffersOf(operation), cells: 'cells', transformed: { transformed: convolution } },
    workgroups,
    effort: { ...effort, region },
  };
}

/** The dispatch that normalises and activates what a convolution has written; none where it is not normalised. */
export function encodeNormalisation(operation: Convolve, lists: Lists): Launch[] {
  const { convolution, destination, activation } = operation;
  const { normalisation, outChannels } = convolution;
  if (!normalisation) return [];
  const rows = rowsOf(operation, lists);
  return [
    {
      kernel: normaliseKernel(activationKind(activation)),
      parameters: {
        ...rowValues(rows),
        ...{ vectors: vectors(outChannels), channels: outChannels },
        packed: destination.layout.kind === 'packed' ? 1 : 0,
        scale: scaleVector(convolution),
        centred: (normalisation.centred ?? true) ? 1 : 0,
        epsilon: new Uint32Array(Float32Array.of(normalisation.epsilon).buffer)[0]!,
        slopes: slopesVector(convolution),
        ...activationValues({ activated: activation }),
      },
      buffers: { map: { map: destination }, weights: { convolution }, lists: 'lists', counters: 'counters' },
      workgroups: workgroupsFor(rows, 1, NORMALISED_ROWS),
    },
  ];
}
