import { type Block, type Network, Random } from '@fovea/engine';
import type { Convolution, LayerNormalisation, NetworkNode } from '@fovea/engine/backend';
import { randomConvolution } from './small-network.js';

/** Sizes of a network of ConvNeXt's form. */
export interface ConvNextOptions {
  readonly seed?: number;
  /** Channels of each stage. */
  readonly channels?: readonly number[];
  /** Blocks of each stage. */
  readonly blocks?: number;
  /** Sides of the image. */
  readonly sides?: readonly [height: number, width: number];
  readonly granularity?: number;
  readonly learned?: boolean;
  /** False for RMS normalisation. */
  readonly centred?: boolean;
}

/** A convolution whose output is normalised over the channels of each pixel. */
export function normalised(random: Random, layer: Convolution, centred = true) {
  const values = (mean: number, spread: number) =>
    Float32Array.from({ length: layer.outChannels }, () => mean + spread * random.normal());
  const normalisation: LayerNormalisation = {
    ...{ scale: values(1, 0.3), shift: values(0, 0.2), epsilon: 1e-6 },
    ...(centred ? {} : { centred }),
  };
  return { ...layer, normalisation };
}

/** A depthwise convolution that leaves values as they are. */
function same(name: string, channels: number): Convolution {
  const layer = randomConvolution(new Random(1), name, channels, channels, { groups: channels });
  return { ...layer, weight: layer.weight.fill(1), bias: layer.bias.fill(0) };
}

/** ConvNeXt (Liu et al. 2022): a patchify stem, blocks, normalised downsampling between stages, a normalised head. */
export function convNext(options: ConvNextOptions = {}): Network {
  const { seed = 1, channels = [12, 20], blocks = 2, sides = [28, 36], granularity = 2, centred } = options;
  const random = new Random(seed);
  const nodes: NetworkNode[] = [];
  let [value, index] = ['input', 0];
  const append = (
    name: string,
    node: { convolution: Convolution } | { block: Block } | { kind: 'global-pool' },
  ) => {
    const base = { name, inputs: [value], output: name };
    if ('convolution' in node) nodes.push({ ...base, kind: 'convolution', ...node });
    else nodes.push('block' in node ? { ...base, kind: 'block', ...node } : { ...base, ...node });
    value = name;
  };
  const convolve = (convolution: Convolution) => append(convolution.name, { convolution });
  const patches = (name: string, from: number, to: number, side: number): Convolution => ({
    ...randomConvolution(random, name, from, to, { kernel: side, stride: side }),
    padding: [0, 0, 0, 0],
  });
  convolve(normalised(random, patches('stem', 3, channels[0]!, 4), centred));
  channels.forEach((C, stage) => {
    if (stage > 0) {
      convolve(normalised(random, same(`downsample${stage}.norm`, channels[stage - 1]!), centred));
      convolve(patches(`downsample${stage}`, channels[stage - 1]!, C, 2));
    }
    for (let position = 0; position < blocks; position++, index++) {
      const name = `stages.${stage}.${position}`;
      const block: Block = {
        ...{ index, stage, name, kind: 'inverted', activation: 'none', adaptive: true },
        branch: [
          normalised(
            random,
            randomConvolution(random, `${name}.dw`, C, C, { kernel: 7, groups: C }),
            centred,
          ),
          randomConvolution(random, `${name}.pw1`, C, 4 * C, { activation: 'gelu' }),
          randomConvolution(random, `${name}.pw2`, 4 * C, C, { gain: 0.5 }),
        ],
        ...(options.learned === false
          ? {}
          : {
              masker: { weight: Float32Array.from({ length: C }, () => random.normal()), bias: 0.1 },
              granularity,
            }),
      };
      append(name, { block });
    }
  });
  append('pool', { kind: 'global-pool' });
  convolve(normalised(random, same('head.norm', channels.at(-1)!), centred));
  convolve(randomConvolution(random, 'head', channels.at(-1)!, 10));
  return {
    ...{ name: 'convnext', format: 'built', nodes, input: 'input', output: value, notes: [] },
    inputShape: { channels: 3, height: sides[0], width: sides[1] },
  };
}
