import { haloWindow } from './halo.js';
import { vectors } from './kernel.js';
import { activationKind, activationValues } from './kernels/activation.js';
import { type Epilogue, sourceNumber } from './kernels/rows.js';
import { type Launch, type Rows, rowValues } from './launch.js';
import type { Lists } from './lists.js';
import type { Convolve, VariantChoice } from './variants.js';
import { biasVector } from './weights.js';

/** The rows that a convolution works out. */
function rowsOf({ destination, region, others }: Convolve, lists: Lists): Rows {
  const [N, height, width] = destination.shape;
  return { count: N * height * width, list: region && lists.of(region), others };
}

/**
 * The dispatch of a convolution: bias, residual, activation and the place of each row are its epilogue's.
 * @param choose how it is computed
 */
export function encodeConvolution(operation: Convolve, lists: Lists, choose: VariantChoice): Launch {
  const { convolution, source, destination, residual, activation } = operation;
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
  const rows = rowsOf(operation, lists);
  const epilogue: Epilogue = {
    residual: residual ? (residual === destination ? 'overwritten' : 'own') : 'none',
    activation: activationKind(activation),
  };
  const variant = choose(operation);
  return {
    kernel: variant.kernel(epilogue),
    parameters: {
      ...rowValues(rows),
      source: sourceNumber[layout.kind],
      ...{ height, width, outHeight, outWidth },
      gridRows: grid?.rows ?? 1,
      gridColumns: grid?.columns ?? 1,
      ...{ kernelHeight: kernel[0], kernelWidth: kernel[1], strideY: stride[0], strideX: stride[1] },
      // A halo holds what lies around its cell, and so begins where the first tap reads.
      ...{ top: padding[0], left: padding[1], dilationY: dilation[0], dilationX: dilation[1] },
      inVectors: vectors(inChannels),
      outVectors: vectors(outChannels),
      inGroup: inChannels / groups,
      outGroup: outChannels / groups,
      bias: biasVector(convolution),
      packed: destination.layout.kind === 'packed' ? 1 : 0,
      ...activationValues({ activated: activation }),
    },
    buffers: {
      source: { map: source },
      destination: { map: destination },
      weights: { convolution },
      lists: 'lists',
      counters: 'counters',
      ...(epilogue.residual === 'own' ? { residual: { map: residual! } } : {}),
    },
    workgroups: variant.workgroups(rows, outChannels),
    effort: { family: variant.family, steps: variant.steps(convolution) },
  };
}
