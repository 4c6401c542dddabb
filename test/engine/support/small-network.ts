import { type Block, type Network, Random, Tensor } from '@fovea/engine';
import type { Activation, NetworkNode, PlainConvolution } from '@fovea/engine/backend';
import { type AttentionKind, attentionOfKind } from './attention.js';

/** What varies between the small random networks that tests run. */
export interface SmallNetworkOptions {
  readonly seed?: number;
  /**
   * `single`: a branch of one 1x1 convolution; `preactivated`: a bottleneck behind a norm that folds into nothing;
   * `separable`: four pairs of a depthwise and a pointwise convolution.
   */
  readonly kind?: 'bottleneck' | 'basic' | 'inverted' | 'single' | 'preactivated' | 'separable';
  /** Channels of the images: 1 where they are grey; 3 when left out. */
  readonly imageChannels?: number;
  readonly channels?: number;
  readonly width?: number;
  readonly groups?: number;
  /** Side of the kernel in the middle of a branch; 3 when left out. */
  readonly kernel?: number;
  readonly height?: number;
  readonly mapWidth?: number;
  /** Stride of each block; a block of stride 2, or the first, gets a projection. */
  readonly strides?: readonly number[];
  /** Pools the input of a projection by the stride. */
  readonly pooledShortcut?: boolean;
  readonly excite?: boolean;
  /** What attention it is; squeeze-and-excitation when left out. */
  readonly attention?: AttentionKind;
  /** The convolution whose output is excited; the last but one when left out. */
  readonly exciteAfter?: number;
  readonly learned?: boolean;
}

/** A convolution with seeded weights, padded so that stride 1 keeps the map's size. */
export function randomConvolution(
  random: Random,
  name: string,
  inChannels: number,
  outChannels: number,
  { kernel = 1, stride = 1, groups = 1, activation = 'none' as Activation, gain = 1 } = {},
): PlainConvolution {
  const pad = (kernel - 1) / 2;
  const deviation = gain * Math.sqrt(2 / ((inChannels / groups) * kernel * kernel));
  return {
    name,
    inChannels,
    outChannels,
    kernel: [kernel, kernel],
    stride: [stride, stride],
    padding: [pad, pad, pad, pad],
    dilation: [1, 1],
    groups,
    weight: Float32Array.from(
      { length: (outChannels * inChannels * kernel * kernel) / groups },
      () => random.normal() * deviation,
    ),
    bias: Float32Array.from({ length: outChannels }, () => random.normal() * 0.1),
    activation,
  };
}

/** Stem, blocks, global pool and a linear layer: every kind of thing that the executor meets, small. */
export function smallNetwork(options: SmallNetworkOptions = {}): Network {
  const { seed = 1, kind = 'bottleneck', channels = 12, width = 8, groups = 1 } = options;
  const {
    imageChannels = 3,
    height = 13,
    mapWidth = 11,
    strides = [1, 1, 2, 1],
    excite = false,
    learned = true,
  } = options;
  const random = new Random(seed);
  const nodes: NetworkNode[] = [
    {
      kind: 'convolution',
      name: 'stem',
      inputs: ['input'],
      output: 'stem',
      convolution: randomConvolution(random, 'stem', imageChannels, channels, {
        kernel: 3,
        activation: 'relu',
      }),
    },
  ];
  let [value, inChannels, stage] = ['stem', channels, 0];
  strides.forEach((stride, index) => {
    const outChannels = stride > 1 ? inChannels + 4 : inChannels;
    const projected = kind !== 'inverted' && (stride > 1 || index === 0);
    if (stride > 1) stage++;
    const name = `block${index}`;
    const relu = { activation: 'relu' as const };
    const middle = { kernel: options.kernel ?? 3, stride, groups, ...relu };
    const branch =
      kind === 'single'
        ? [randomConvolution(random, `${name}.conv1`, inChannels, outChannels, { stride, gain: 0.5 })]
        : kind === 'basic'
          ? [
              randomConvolution(random, `${name}.conv1`, inChannels, width, { ...middle, groups: 1 }),
              randomConvolution(random, `${name}.conv2`, width, outChannels, { kernel: 3, gain: 0.5 }),
            ]
          : kind === 'separable'
            ? [0, 1, 2, 3].flatMap((pair) => {
                const [from, to] = [pair === 0 ? inChannels : width, pair === 3 ? outChannels : width];
                const kernel = options.kernel ?? 3;
                const spatial = { kernel, groups: from, stride: pair === 2 ? stride : 1 };
                return [
                  randomConvolution(random, `${name}.depthwise${pair}`, from, from, spatial),
                  randomConvolution(
                    random,
                    `${name}.pointwise${pair}`,
                    from,
                    to,
                    pair === 3 ? { gain: 0.5 } : relu,
                  ),
                ];
              })
            : [
                ...(kind === 'preactivated'
                  ? [
                      randomConvolution(random, `${name}.norm`, inChannels, inChannels, {
                        groups: inChannels,
                        ...relu,
                      }),
                    ]
                  : []),
                randomConvolution(random, `${name}.conv1`, inChannels, width, relu),
                randomConvolution(random, `${name}.conv2`, width, width, {
                  ...middle,
                  groups: kind === 'inverted' ? width : groups,
                }),
                randomConvolution(random, `${name}.conv3`, width, outChannels, { gain: 0.5 }),
              ];
    const after = options.exciteAfter ?? branch.length - 2;
    const excited = branch[after]?.outChannels ?? 0;
    const block: Block = {
      index,
      stage,
      name,
      kind:
        kind === 'separable' ? 'inverted' : kind === 'single' || kind === 'preactivated' ? 'residual' : kind,
      branch,
      activation: kind === 'inverted' || kind === 'preactivated' || kind === 'separable' ? 'none' : 'relu',
      adaptive: kind !== 'inverted' || (stride === 1 && outChannels === inChannels),
      ...(excite
        ? {
            attention: attentionOfKind(
              { kind: options.attention ?? 'squeeze', after, channels: excited, squeeze: 4 },
              'sigmoid',
              (part, inChannels, outChannels, layer) =>
                randomConvolution(random, `${name}.${part}`, inChannels, outChannels, layer),
            ),
          }
        : {}),
      ...(projected
        ? {
            projection: randomConvolution(random, `${name}.projection`, inChannels, outChannels, {
              stride: options.pooledShortcut ? 1 : stride,
            }),
            ...(options.pooledShortcut
              ? { projectionPool: { size: [stride, stride], ceilMode: true } as const }
              : {}),
          }
        : {}),
      ...(learned
        ? {
            masker: {
              weight: Float32Array.from({ length: inChannels }, () => random.normal() * 0.5),
              bias: random.normal() * 0.1,
            },
            granularity: 2,
          }
        : {}),
    };
    nodes.push({ kind: 'block', name, inputs: [value], output: name, block });
    value = name;
    inChannels = outChannels;
  });
  nodes.push(
    { kind: 'global-pool', name: 'pool', inputs: [value], output: 'pool' },
    {
      kind: 'convolution',
      name: 'classifier',
      inputs: ['pool'],
      output: 'logits',
      convolution: randomConvolution(random, 'classifier', inChannels, 10),
    },
  );
  return {
    name: `small-${kind}`,
    format: 'built',
    inputShape: { channels: imageChannels, height, width: mapWidth },
    nodes,
    input: 'input',
    output: 'logits',
    notes: [],
  };
}

/** A batch of seeded images in the network's nominal size. */
export function randomImages(network: Network, batch = 1, seed = 7): Tensor {
  const { channels, height, width } = network.inputShape;
  const random = new Random(seed);
  const images = Tensor.zeros([batch, height, width, channels]);
  for (let i = 0; i < images.data.length; i++) images.data[i] = random.normal();
  return images;
}

/** Largest absolute difference over the largest absolute value expected. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [difference, scale] = [0, 1e-30];
  for (let i = 0; i < actual.length; i++) {
    const gap = Math.abs(actual[i]! - expected[i]!);
    if (!(gap <= difference)) difference = gap;
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return difference / scale;
}
