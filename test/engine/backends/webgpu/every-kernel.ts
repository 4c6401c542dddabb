import type { Kernel, Precision } from '../../../../engine/src/backends/webgpu/kernel.js';
import type { SoftmaxForm } from '../../../../engine/src/backends/webgpu/kernels/attended-softmax.js';
import {
  pixelScaleKernel,
  scaleKernel,
  scalesKernel,
  summaryKernel,
} from '../../../../engine/src/backends/webgpu/kernels/attention.js';
import {
  depthwiseOfSeveralKernel,
  directKernel,
} from '../../../../engine/src/backends/webgpu/kernels/direct.js';
import { fusedKernel } from '../../../../engine/src/backends/webgpu/kernels/fused.js';
import {
  FUSION_TILES,
  type FusionKind,
  type FusionTile,
  fusedBytes,
} from '../../../../engine/src/backends/webgpu/kernels/fusion.js';
import { gemmKernel, TILES } from '../../../../engine/src/backends/webgpu/kernels/gemm.js';
import {
  copyChannelsKernel,
  multiplyKernel,
  resizeKernel,
} from '../../../../engine/src/backends/webgpu/kernels/joins.js';
import {
  activateOthersKernel,
  addKernel,
  exportKernel,
  gatherKernel,
  importKernel,
  scatterAddKernel,
  scatterKernel,
} from '../../../../engine/src/backends/webgpu/kernels/maps.js';
import {
  argumentsKernel,
  indexKernel,
  learnedKernel,
  orderedIndexKernel,
} from '../../../../engine/src/backends/webgpu/kernels/masks.js';
import {
  type MatrixUnit,
  matrixKernel,
  matrixTiles,
} from '../../../../engine/src/backends/webgpu/kernels/matrices.js';
import { normaliseKernel } from '../../../../engine/src/backends/webgpu/kernels/normalise.js';
import {
  channelMomentsKernel,
  mapScalesKernel,
  scaleMapKernel,
} from '../../../../engine/src/backends/webgpu/kernels/normalise-map.js';
import { attendedKernels } from '../../../../engine/src/backends/webgpu/kernels/pixel-attention.js';
import type { Epilogue, Residual } from '../../../../engine/src/backends/webgpu/kernels/rows.js';
import { salientKernel } from '../../../../engine/src/backends/webgpu/kernels/salient.js';
import { gridKernel, windowKernel } from '../../../../engine/src/backends/webgpu/kernels/windows.js';
import { winogradKernel } from '../../../../engine/src/backends/webgpu/kernels/winograd.js';
import { plainActivations } from '../../../../engine/src/network/activation.js';
import { type PixelWeighting, pixelWeightings } from '../../../../engine/src/network/pixel-attention.js';

const activations = [...plainActivations, 'leaky-relu'] as const;
const residuals: readonly Residual[] = ['none', 'own', 'overwritten'];

/** Every residual, and every activation. */
const epilogues: readonly Epilogue[] = [
  ...residuals.map((residual) => ({ residual, activation: 'relu' as const })),
  ...[...activations, 'prelu' as const].map((activation) => ({ residual: 'none' as const, activation })),
];

/** Matrices as NVIDIA, AMD, Intel, Apple and a software driver have them. */
const UNITS: readonly MatrixUnit[] = [
  { M: 16, N: 16, K: 16, subgroup: 32 },
  { M: 16, N: 16, K: 16, subgroup: 32, isAskedFor: true },
  { M: 8, N: 16, K: 16, subgroup: 32, isAskedFor: true },
  { M: 8, N: 8, K: 8, subgroup: 32 },
  { M: 8, N: 8, K: 8, subgroup: 8 },
];

const inner = (vectors: number) => ({ vectors, activation: 'relu6' as const });

/** With and without a head and a tail, depthwise and not, of channels that fill no tile. */
const fusions: readonly FusionKind[] = [true, false].flatMap((depthwise) =>
  [
    { head: inner(9), tail: inner(9) },
    { head: inner(9), tail: undefined },
    { head: undefined, tail: inner(9) },
  ].flatMap(({ head, tail }) =>
    ([1, 2] as const).map((stride) => ({
      ...(head ? { head } : {}),
      core: {
        depthwise,
        kernel: [3, 3] as const,
        stride: [stride, stride] as const,
        ...(tail ? { inner: tail } : {}),
      },
      copies: head !== undefined && stride === 1,
    })),
  ),
);

/** Fusions in each of their tiles that has room on some adapter. */
function fusedKernels(precision: Precision): { readonly kernel: Kernel; readonly bytes: number }[] {
  return fusions.flatMap((kind) =>
    FUSION_TILES.filter(({ side }) => (side !== undefined) === (kind.head !== undefined)).map(
      (tile: FusionTile) => ({
        kernel: fusedKernel(tile, kind, { residual: kind.copies ? 'own' : 'none', activation: 'relu' }),
        bytes: fusedBytes(tile, kind, precision),
      }),
    ),
  );
}

/** A kernel with the workgroup memory that it may take, in bytes. */
export interface Limited {
  readonly kernel: Kernel;
  readonly bytes: number;
}

/** What WebGPU promises. */
const PROMISED = 16_384;

/** What attention over pixels may be like: edges are told apart in windows alone, and by softmax, as a bias is. */
function formsOf(by: PixelWeighting): SoftmaxForm[] {
  const either = by === 'softmax' ? [true, false] : [false];
  const heads = by === 'softmax' ? [undefined, { depth: 0, each: 1 }, { depth: 16, each: 8 }] : [undefined];
  return heads.flatMap((byHead) =>
    [true, false].flatMap((windows) =>
      either.flatMap((bias) =>
        either
          .filter((apart) => windows || !apart)
          .map((apart): SoftmaxForm => ({ windows, apart, bias, ...(byHead ? { byHead } : {}) })),
      ),
    ),
  );
}

/** Every kernel that the backend makes, in all its forms, but for the sizes of fusions, of which there are some. */
export function everyKernel(precision: Precision): readonly Limited[] {
  const of = (kernels: readonly Kernel[]) => kernels.map((kernel) => ({ kernel, bytes: PROMISED }));
  const convolutions = epilogues.flatMap((epilogue) => [
    ...TILES.map((tile) => gemmKernel(tile, epilogue)),
    ...(['depthwise', 'maximum', 'grouped', 'mixed'] as const).map((kind) => directKernel(kind, epilogue)),
    depthwiseOfSeveralKernel(epilogue),
    winogradKernel(epilogue),
  ]);
  const matrices = UNITS.flatMap((unit) =>
    matrixTiles(unit).map((tile) => matrixKernel(tile, unit, { residual: 'own', activation: 'relu' })),
  );
  return [
    ...of(convolutions),
    ...(precision === 'f16' ? of(matrices) : []),
    ...fusedKernels(precision),
    ...of([
      ...[...activations, 'prelu' as const].map((activation) => normaliseKernel(activation)),
      channelMomentsKernel,
      ...pixelWeightings.flatMap((by) =>
        formsOf(by).flatMap((form) => Object.values(attendedKernels(by, form)) as Kernel[]),
      ),
      ...[true, false].flatMap((either) => [
        mapScalesKernel(either),
        scaleMapKernel(either),
        scaleKernel(either),
        copyChannelsKernel(either),
        resizeKernel(either),
        ...[true, false].map((other) => multiplyKernel(either, other)),
        multiplyKernel(either, true, true),
      ]),
      ...(['max-pool', 'average-pool'] as const).map((kind) => windowKernel(kind)),
      ...([1, 16] as const).flatMap((lanes) =>
        (['mean', 'max', 'response'] as const).flatMap((pool) =>
          (['Value', 'vec4f'] as const).map((output) => gridKernel(lanes, output, pool)),
        ),
      ),
      ...[undefined, 'relu' as const].flatMap((reduced) =>
        (['matrix', 'slide', 'response'] as const).map((gate) =>
          scalesKernel({ reduced, gated: 'sigmoid', gate }),
        ),
      ),
      summaryKernel,
      pixelScaleKernel('sigmoid'),
      ...activations.flatMap((activation) => [
        ...(['own', 'overwritten'] as const).map((operand) => scatterAddKernel(operand, activation)),
        ...(['own', 'overwritten'] as const).map((operand) => addKernel(operand, 'own', activation)),
        addKernel('own', 'none', activation),
        activateOthersKernel(activation),
      ]),
      ...[scatterKernel, gatherKernel, importKernel, exportKernel],
      ...[
        learnedKernel,
        indexKernel,
        orderedIndexKernel,
        argumentsKernel,
        salientKernel(49),
        salientKernel(3136),
      ],
    ]),
  ];
}
