import type { Network } from '../network.js';
import { type BuiltOptions, NetworkBuilder } from './layers.js';

/** Blocks and channels of each stage (Liu et al. 2022, section 3). */
const VARIANTS = {
  tiny: { blocks: [3, 3, 9, 3], channels: [96, 192, 384, 768] },
  small: { blocks: [3, 3, 27, 3], channels: [96, 192, 384, 768] },
  base: { blocks: [3, 3, 27, 3], channels: [128, 256, 512, 1024] },
} as const;

/** Names of the ConvNeXts that are built. */
export type ConvNextVariant = keyof typeof VARIANTS;

/**
 * ConvNeXt with random weights, in torchvision's form, its layer scale folded into the last linear layers. All blocks
 * are adaptive; the four stages take four granularities.
 * @throws FoveaError `bad-argument` for options out of range
 */
export function builtConvNext({
  variant = 'tiny',
  ...options
}: BuiltOptions & { readonly variant?: ConvNextVariant } = {}): Network {
  const { blocks, channels } = VARIANTS[variant];
  const build = new NetworkBuilder(`convnext_${variant}`, options, blocks.length);
  const patches = (side: number) => ({ kernel: side, stride: side, padding: 0 });
  build.dense(build.normalised('features.0.0', 3, channels[0], patches(4)));
  channels.forEach((width, stage) => {
    if (stage > 0) {
      const before = channels[stage - 1]!;
      build.normalisation(`features.${2 * stage}.0`, before);
      build.dense(build.convolution(`features.${2 * stage}.1`, before, width, patches(2)));
    }
    for (let position = 0; position < blocks[stage]!; position++) {
      const name = `features.${2 * stage + 1}.${position}`;
      build.block({
        stage,
        name,
        kind: 'inverted',
        branch: [
          build.normalised(`${name}.block.0`, width, width, { kernel: 7, groups: width }),
          build.convolution(`${name}.block.3`, width, 4 * width, { activation: 'gelu' }),
          build.convolution(`${name}.block.5`, 4 * width, width, { gain: 0.25 }),
        ],
        activation: 'none',
        adaptive: true,
      });
    }
  });
  build.head('avgpool', 'classifier.2', channels[3], options.classes, 'classifier.0');
  return build.finish();
}
