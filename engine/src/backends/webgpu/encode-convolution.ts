import type { Convolution } from '../../network/network.js';
import type { Operation } from '../../program/program.js';
import { haloWindow } from './halo.js';
import { GROUP, vectors } from './kernel.js';
import { activationKind, activationValues } from './kernels/activation.js';
import { directKernel, directSteps } from './kernels/direct.js';
import { gemmKernel, gemmSteps, TILES, type Tile } from './kernels/gemm.js';
import { type Epilogue, sourceNumber } from './kernels/rows.js';
import { type Effort, type Launch, rowValues, workgroupsFor } from './launch.js';
import type { Lists } from './lists.js';
import { biasVector, type Method, methodOf } from './weights.js';

type Convolve = Extract<Operation, { kind: 'convolve' }>;

/** Workgroups that a GPU should be given, so that all of it is busy. */
const ENOUGH_WORKGROUPS = 128;

/** The largest tile that still makes enough workgroups, or else the smallest. */
export function tileFor(rows: number, channels: number): Tile {
  const fits = TILES.find(
    (tile) =>
      Math.ceil(rows / tile.rows) * Math.ceil(channels / tile.channels) >= ENOUGH_WORKGROUPS &&
      channels > tile.channels / 2,
  );
  return fits ?? TILES.at(-1)!;
}

function effortOf({ kernel, inChannels, groups }: Convolution, method: Method, tile: Tile): Effort {
  const taps = kernel[0] * kernel[1];
  return method === 'gemm'
    ? { family: tile.family, steps: gemmSteps(taps * vectors(inChannels)) }
    : { family: method, steps: taps * directSteps(method, inChannels / groups) };
}

/**
 * The dispatch of a convolution: bias, residual, activation and the place of each row are its epilogue's.
 * @param wanted in the place of the tile that `tileFor` says
 */
export function encodeConvolution(operation: Convolve, lists: Lists, wanted?: Tile): Launch {
  const { convolution, source, destination, region, others, residual, activation } = operation;
  const { kernel, stride, padding, dilation, inChannels, outChannels, groups } = convolution;
  const [N, outHeight, outWidth] = destination.shape;
  const { layout } = source;
  const halo = layout.kind === 'halo' ? layout.halo : undefined;
  const { height, width } = halo
    ? haloWindow(halo)
    : layout.kind === 'packed'
      ? { height: 1, width: 1 }
      : { height: source.shape[1], width: source.shape[2] };
  const grid = halo?.region.mask;
  const rows = { count: N * outHeight * outWidth, list: region && lists.of(region), others };
  const epilogue: Epilogue = {
    residual: residual ? (residual === destination ? 'overwritten' : 'own') : 'none',
    activation: activationKind(activation),
  };
  const method = methodOf(convolution);
  const width4 = vectors(outChannels);
  const tile = wanted ?? tileFor(rows.count, outChannels);
  return {
    kernel: method === 'gemm' ? gemmKernel(tile, epilogue) : directKernel(method, epilogue),
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
      outVectors: width4,
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
    workgroups:
      method === 'gemm'
        ? workgroupsFor(rows, 1, tile.rows, Math.ceil(outChannels / tile.channels))
        : workgroupsFor(rows, width4, GROUP),
    effort: effortOf(convolution, method, tile),
  };
}
