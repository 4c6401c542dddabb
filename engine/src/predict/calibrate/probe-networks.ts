import { NetworkBuilder } from '../../network/built/layers.js';
import type { Network } from '../../network/network.js';

/** One stage of a probe: its blocks' widths and how many there are. */
interface ProbeStage {
  readonly width: number;
  readonly outChannels: number;
  readonly blocks: number;
  /** Channels of a group of the spatial convolution; left out, an ordinary convolution. */
  readonly groupWidth?: number;
}

/** Input sides of probes: no map in them has a size that 224 leads to, except the smallest. */
const inputSize = 208;
const smallInputSize = 96;

/**
 * Bottlenecks of ResNet's proportions and clearly more weights, 111 MB, than most caches hold: of a network that just
 * fits, too little comes from memory to say what that costs. Channels are multiples of 16, as in networks in use, and
 * partly powers of two, whose rows fall into few cache sets; widths are not those in use.
 */
function bottlenecks(): Network {
  return probe('probe-bottleneck', { inputSize, stem: 64, kernel: 7, pool: true }, [
    { width: 80, outChannels: 256, blocks: 2 },
    { width: 144, outChannels: 512, blocks: 2 },
    { width: 224, outChannels: 1024, blocks: 3 },
    { width: 480, outChannels: 2048, blocks: 5 },
  ]);
}

/**
 * The same on small images, with weights of 7 MB: all that it needs stays in the caches from one run to the next, and
 * what a run takes beside its passes is as little as it can be.
 */
function smallBottlenecks(): Network {
  return probe('probe-small', { inputSize: smallInputSize, stem: 32, kernel: 7, pool: true }, [
    { width: 40, outChannels: 112, blocks: 2 },
    { width: 80, outChannels: 208, blocks: 2 },
    { width: 112, outChannels: 352, blocks: 2 },
    { width: 176, outChannels: 528, blocks: 1 },
  ]);
}

/** Grouped convolutions with squeeze-and-excitation, as in RegNetY. */
function grouped(): Network {
  return probe('probe-grouped', { inputSize, stem: 32, kernel: 3, pool: false, excitation: true }, [
    { width: 48, outChannels: 48, blocks: 1, groupWidth: 16 },
    { width: 120, outChannels: 120, blocks: 2, groupWidth: 24 },
    { width: 256, outChannels: 256, blocks: 3, groupWidth: 16 },
    { width: 640, outChannels: 640, blocks: 2, groupWidth: 16 },
  ]);
}

/** What a probe of bottlenecks begins with, and whether its blocks have squeeze-and-excitation. */
interface ProbeStart {
  readonly inputSize: number;
  /** Channels of the stem, its kernel, and whether a max-pool follows. */
  readonly stem: number;
  readonly kernel: number;
  readonly pool: boolean;
  readonly excitation?: boolean;
}

function probe(
  name: string,
  { inputSize, stem, kernel, pool, excitation = false }: ProbeStart,
  stages: readonly ProbeStage[],
): Network {
  const build = new NetworkBuilder(name, { seed: 7, inputSize }, stages.length);
  build.dense(build.convolution('stem', 3, stem, { kernel, stride: 2, activation: 'relu' }));
  if (pool) build.maxPool('maxpool');
  let inChannels = stem;
  stages.forEach(({ width, outChannels, blocks, groupWidth }, stage) => {
    for (let position = 0; position < blocks; position++) {
      const stride = position === 0 && (stage > 0 || !pool) ? 2 : 1;
      const squeezed = Math.round(inChannels / 4);
      const groups = groupWidth ? width / groupWidth : 1;
      const block = `${stage}.${position}`;
      build.block({
        stage,
        name: block,
        kind: 'bottleneck',
        branch: [
          build.convolution(`${block}.conv1`, inChannels, width, { activation: 'relu' }),
          build.convolution(`${block}.conv2`, width, width, {
            kernel: 3,
            stride,
            groups,
            activation: 'relu',
          }),
          build.convolution(`${block}.conv3`, width, outChannels, { gain: 0.25 }),
        ],
        ...(excitation
          ? {
              attention: {
                after: 1,
                pools: ['mean'],
                reduce: build.convolution(`${block}.reduce`, width, squeezed, { activation: 'relu' }),
                gate: build.convolution(`${block}.expand`, squeezed, width, { activation: 'sigmoid' }),
              },
            }
          : {}),
        ...(stride !== 1 || inChannels !== outChannels
          ? { projection: build.convolution(`${block}.projection`, inChannels, outChannels, { stride }) }
          : {}),
        activation: 'relu',
        adaptive: true,
      });
      inChannels = outChannels;
    }
  });
  build.head('avgpool', 'fc', inChannels);
  return build.finish();
}

/** A block of ConvNeXt: a depthwise convolution of a large kernel, normalised, and two pointwise ones. */
function convNext(build: NetworkBuilder, name: string, stage: number, channels: number): void {
  build.block({
    stage,
    name,
    kind: 'inverted',
    branch: [
      build.normalised(`${name}.depthwise`, channels, channels, { kernel: 7, groups: channels }),
      build.convolution(`${name}.expand`, channels, 4 * channels, { activation: 'gelu' }),
      build.convolution(`${name}.project`, 4 * channels, channels, { gain: 0.25 }),
    ],
    activation: 'none',
    adaptive: true,
  });
}

/** Basic blocks, inverted residuals and ConvNeXt's: two 3x3 convolutions, and depthwise ones. */
function mixed(): Network {
  const build = new NetworkBuilder('probe-mixed', { seed: 8, inputSize }, 3);
  build.dense(build.convolution('stem', 3, 40, { kernel: 3, stride: 2, activation: 'relu' }));
  build.maxPool('maxpool');
  let channels = 40;
  // On a map that streams in bands, beside those on a small one below.
  inverted(build, 'inverted.wide', 0, channels, { hidden: 6 * channels, outChannels: channels });
  convNext(build, 'convnext.wide', 0, channels);
  for (const [stage, outChannels] of [56, 104].entries()) {
    const stride = stage === 0 ? 1 : 2;
    build.block({
      stage,
      name: `basic.${stage}`,
      kind: 'basic',
      branch: [
        build.convolution(`basic.${stage}.conv1`, channels, outChannels, {
          kernel: 3,
          stride,
          activation: 'relu',
        }),
        build.convolution(`basic.${stage}.conv2`, outChannels, outChannels, { kernel: 3, gain: 0.25 }),
      ],
      projection: build.convolution(`basic.${stage}.projection`, channels, outChannels, { stride }),
      activation: 'relu',
      adaptive: true,
    });
    channels = outChannels;
  }
  for (const position of [0, 1]) {
    inverted(build, `inverted.${position}`, 2, channels, { hidden: 6 * channels, outChannels: channels });
  }
  convNext(build, 'convnext', 2, channels);
  build.head('avgpool', 'fc', channels, 100);
  return build.finish();
}

/** One inverted residual of a probe. */
interface InvertedShape {
  readonly hidden: number;
  readonly outChannels: number;
  readonly stride?: number;
}

/**
 * An inverted residual: wide inside, a depthwise convolution in the middle. Where it is not wider than its input,
 * nothing expands.
 */
function inverted(
  build: NetworkBuilder,
  name: string,
  stage: number,
  channels: number,
  { hidden, outChannels, stride = 1 }: InvertedShape,
): void {
  build.block({
    stage,
    name,
    kind: 'inverted',
    branch: [
      ...(hidden === channels
        ? []
        : [build.convolution(`${name}.expand`, channels, hidden, { activation: 'relu6' })]),
      build.convolution(`${name}.depthwise`, hidden, hidden, {
        kernel: 3,
        stride,
        groups: hidden,
        activation: 'relu6',
      }),
      build.convolution(`${name}.project`, hidden, outChannels, { gain: 0.25 }),
    ],
    activation: 'none',
    adaptive: stride === 1 && outChannels === channels,
  });
}

/** Inverted residuals from maps that only memory holds down to those that a core's own cache does. */
function invertedResiduals(): Network {
  const build = new NetworkBuilder('probe-inverted', { seed: 9, inputSize }, 5);
  build.dense(build.convolution('stem', 3, 24, { kernel: 3, stride: 2, activation: 'relu6' }));
  let channels = 24;
  const shapes: readonly InvertedShape[] = [
    { hidden: 24, outChannels: 24 },
    { hidden: 112, outChannels: 40, stride: 2 },
    { hidden: 208, outChannels: 40 },
    { hidden: 208, outChannels: 56, stride: 2 },
    { hidden: 272, outChannels: 56 },
    { hidden: 272, outChannels: 88, stride: 2 },
    { hidden: 448, outChannels: 88 },
    { hidden: 656, outChannels: 112 },
    { hidden: 656, outChannels: 176, stride: 2 },
    { hidden: 1056, outChannels: 176 },
  ];
  let stage = 0;
  for (const [position, shape] of shapes.entries()) {
    if (shape.stride === 2) stage++;
    inverted(build, `inverted.${position}`, stage, channels, shape);
    channels = shape.outChannels;
  }
  build.head('avgpool', 'fc', channels, 1000);
  return build.finish();
}

/** Networks that a calibration times: every kind of pass, at shapes that no network in use has. */
export function probeNetworks(): Network[] {
  return [bottlenecks(), grouped(), mixed(), invertedResiduals(), smallBottlenecks()];
}
