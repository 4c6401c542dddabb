import { didYouMean } from '../../did-you-mean.js';
import { FoveaError } from '../../errors.js';
import type { PublishedBlock } from './block.js';

interface Family {
  readonly depths: readonly number[];
  /** Output channels of each stage. */
  readonly widths: readonly number[];
  /** Output channels over the 3x3 convolution's. */
  readonly ratio: number;
  /** Channels of a group of the 3x3 convolution; 0 for an ordinary one. */
  readonly groupWidth: number;
  /** Channels that enter stage 1, and the map they come on. */
  readonly stem: { readonly channels: number; readonly size: number };
  /** True when squeeze-and-excitation follows the 3x3 convolution, a quarter of the block's input wide. */
  readonly excitation: boolean;
}

const resnet = (third: number): Family => ({
  depths: [3, 4, third, 3],
  widths: [256, 512, 1024, 2048],
  ratio: 4,
  groupWidth: 0,
  stem: { channels: 64, size: 56 },
  excitation: false,
});

const regnet = (depths: number[], widths: number[], groupWidth: number): Family => ({
  depths,
  widths,
  ratio: 1,
  groupWidth,
  stem: { channels: 32, size: 112 },
  excitation: true,
});

const families: Readonly<Record<string, Family>> = {
  resnet50: resnet(6),
  resnet101: resnet(23),
  regnety004: regnet([1, 3, 6, 6], [48, 104, 208, 440], 8),
  regnety008: regnet([1, 3, 8, 2], [64, 144, 320, 784], 16),
};

/** Names of the networks that the published figures cover. */
export const publishedNetworks: readonly string[] = Object.keys(families);

/** A stage's first block, the form of all its others, and how many blocks it has. */
export interface PublishedStage {
  readonly first: PublishedBlock;
  readonly rest: PublishedBlock;
  readonly depth: number;
}

/**
 * Bottleneck blocks of a published network at 224x224, as the published script counts them.
 * @throws FoveaError `unknown-name`
 */
export function publishedStages(name: string): PublishedStage[] {
  const family = families[name];
  if (!family) {
    throw new FoveaError(
      'unknown-name',
      `network '${name}' is not one of the published: ${publishedNetworks.join(', ')}${didYouMean(name, publishedNetworks)}`,
    );
  }
  let { channels, size } = family.stem;
  return family.depths.map((depth, index) => {
    const outChannels = family.widths[index]!;
    const stride = size > 56 >> index ? 2 : 1;
    const block = (inChannels: number, side: number, blockStride: number): PublishedBlock => ({
      inChannels,
      outChannels,
      width: outChannels / family.ratio,
      height: side,
      mapWidth: side,
      groups: family.groupWidth ? outChannels / family.ratio / family.groupWidth : 1,
      stride: blockStride,
      squeeze: family.excitation ? Math.round(inChannels / 4) : 0,
    });
    const first = block(channels, size, stride);
    size /= stride;
    channels = outChannels;
    return { first, rest: block(channels, size, 1), depth };
  });
}
