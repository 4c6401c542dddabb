import type { Activation } from '@fovea/engine/backend';
import type { BlockCase, MaskerKind, StemCase } from './case.js';

/** One stage of an architecture. */
export interface Stage {
  readonly width: number;
  readonly channels: number;
  readonly groups?: number;
  readonly squeeze?: number;
}

export interface Family {
  readonly kind: BlockCase['kind'];
  readonly stem: number;
  /** Whether a max pool follows the stem. */
  readonly pool: boolean;
  readonly inner: Activation;
  readonly outer: Activation;
  /** Squeeze-and-excitation stands behind the branch, not before its last convolution. */
  readonly squeezesLast?: boolean;
  /** Side of the spatial convolutions' kernels; 3 when left out. */
  readonly kernel?: number;
  readonly normalised?: BlockCase['normalised'];
  readonly stages: readonly Stage[];
}

const resnet = { stem: 64, pool: true, inner: 'relu', outer: 'relu' } as const;
const regnet = { kind: 'bottleneck', stem: 32, pool: false, inner: 'relu', outer: 'relu' } as const;

const regnetStages = (widths: readonly number[], perGroup: number, squeezes: boolean): Stage[] =>
  widths.map((width, i) => ({
    width,
    channels: width,
    groups: width / perGroup,
    squeeze: squeezes ? Math.round((i === 0 ? 32 : widths[i - 1]!) / 4) : 0,
  }));

const basic = [64, 128, 256, 512].map((width) => ({ width, channels: width }));
const bottleneck = [64, 128, 256, 512].map((width) => ({ width, channels: 4 * width }));
const squeezed = (stages: readonly Stage[]) =>
  stages.map((stage) => ({ ...stage, squeeze: stage.channels >> 4 }));

/**
 * Widths as in He et al. 2016, Xie et al. 2017, Zagoruyko and Komodakis 2016, Hu et al. 2018, Radosavovic et al. 2020,
 * Sandler et al. 2018, Howard et al. 2019, Liu et al. 2022 and Chollet 2017.
 */
export const FAMILIES = {
  basic: { ...resnet, kind: 'basic', stages: basic },
  bottleneck: { ...resnet, kind: 'bottleneck', stages: bottleneck },
  squeezedBasic: { ...resnet, kind: 'basic', stages: squeezed(basic), squeezesLast: true },
  squeezedBottleneck: { ...resnet, kind: 'bottleneck', stages: squeezed(bottleneck), squeezesLast: true },
  resnext: {
    ...resnet,
    kind: 'bottleneck',
    stages: [128, 256, 512, 1024].map((width) => ({ width, channels: 2 * width, groups: 32 })),
  },
  wide: {
    ...resnet,
    kind: 'bottleneck',
    stages: [128, 256, 512, 1024].map((width) => ({ width, channels: 2 * width })),
  },
  regnetY400: { ...regnet, stages: regnetStages([48, 104, 208, 440], 8, true) },
  regnetY800: { ...regnet, stages: regnetStages([64, 144, 320, 784], 16, true) },
  regnetX800: { ...regnet, stages: regnetStages([64, 128, 288, 672], 16, false) },
  mobilenetV2: {
    ...{ kind: 'inverted', stem: 32, pool: false, inner: 'relu6', outer: 'none' },
    stages: [
      { width: 96, channels: 24 },
      { width: 144, channels: 32 },
      { width: 192, channels: 64 },
      { width: 384, channels: 96 },
      { width: 576, channels: 160 },
    ],
  },
  mobilenetV3: {
    ...{ kind: 'inverted', stem: 16, pool: false, inner: 'hardswish', outer: 'none' },
    stages: [
      { width: 72, channels: 24 },
      { width: 120, channels: 40, squeeze: 32 },
      { width: 240, channels: 80 },
      { width: 480, channels: 112, squeeze: 120 },
      { width: 672, channels: 160, squeeze: 168 },
    ],
  },
  convnext: {
    ...{ kind: 'convnext', stem: 96, pool: false, inner: 'gelu', outer: 'none' },
    ...{ kernel: 7, normalised: 'spatial' },
    stages: [96, 192, 384, 768].map((channels) => ({ width: 4 * channels, channels })),
  },
  xception: {
    ...{ kind: 'separable', stem: 64, pool: false, inner: 'relu', outer: 'none' },
    stages: [128, 256, 728].map((channels) => ({ width: channels, channels })),
  },
  /** Widths that fill no vector, so that the lines of long streams are of many lengths. */
  oddSeparable: {
    ...{ kind: 'separable', stem: 13, pool: true, inner: 'relu', outer: 'relu' },
    stages: [
      { width: 9, channels: 21 },
      { width: 17, channels: 35 },
    ],
  },
  single: {
    ...{ ...resnet, kind: 'single' },
    stages: [
      { width: 1, channels: 64, squeeze: 8 },
      { width: 1, channels: 96 },
    ],
  },
  /** Widths that fill no vector of any instruction set. */
  oddBottleneck: {
    ...{ ...resnet, kind: 'bottleneck', stem: 13 },
    stages: [
      { width: 9, channels: 21 },
      { width: 17, channels: 35 },
      { width: 30, channels: 50 },
    ],
  },
  oddBasic: {
    ...{ ...resnet, kind: 'basic', stem: 20 },
    stages: [
      { width: 20, channels: 20 },
      { width: 37, channels: 37 },
      { width: 52, channels: 60 },
    ],
  },
  /** So narrow that the spatial convolutions read whole rows at once. */
  narrowBottleneck: {
    ...{ ...resnet, kind: 'bottleneck', stem: 8 },
    stages: [
      { width: 4, channels: 16 },
      { width: 3, channels: 24 },
    ],
  },
  narrowBasic: {
    ...{ ...resnet, kind: 'basic', stem: 4 },
    stages: [
      { width: 4, channels: 4 },
      { width: 2, channels: 3 },
    ],
  },
} satisfies Readonly<Record<string, Family>>;

/** Whole networks: a family and how many blocks each stage has. */
export const NETWORKS: readonly (readonly [family: Family, counts: readonly number[]])[] = [
  [FAMILIES.basic, [2, 2, 2, 2]],
  [FAMILIES.bottleneck, [3, 4, 6, 3]],
  [FAMILIES.bottleneck, [3, 4, 23, 3]],
  [FAMILIES.squeezedBottleneck, [3, 4, 6, 3]],
  [FAMILIES.resnext, [3, 4, 6, 3]],
  [FAMILIES.regnetY400, [1, 3, 6, 6]],
  [FAMILIES.mobilenetV2, [2, 3, 4, 3, 3]],
  [FAMILIES.convnext, [3, 3, 9, 3]],
  [FAMILIES.xception, [1, 2, 4]],
];

/** All blocks of a network of that family, with one S a stage. */
export function wholeNetwork(
  { kind, stem, pool, inner, outer, stages, squeezesLast = false, kernel = 3, normalised }: Family,
  counts: readonly number[],
  granularity: readonly number[],
  masker: MaskerKind,
  rate: number,
): { stem: StemCase; blocks: BlockCase[] } {
  const blocks = stages.flatMap(({ width, channels, groups = 1, squeeze = 0 }, stage) =>
    Array.from(
      { length: counts[stage]! },
      (_, position): BlockCase => ({
        ...{ kind, width, channels, groups, squeeze, squeezesLast, inner, outer, masker, rate },
        stridesFirst: false,
        stride: position === 0 && (stage > 0 || !pool) ? 2 : 1,
        kernel,
        ...(normalised ? { normalised } : {}),
        dilation: 1,
        shift: 0,
        granularity: granularity[stage]!,
        dense: false,
      }),
    ),
  );
  return { stem: { channels: stem, kernel: pool ? 7 : 3, stride: 2, pool }, blocks };
}
