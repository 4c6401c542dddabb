import type { Network } from '../network.js';
import { type BuiltOptions, NetworkBuilder } from './layers.js';

/** Expansion, output channels, blocks and first stride of each stage (Sandler et al. 2018, table 2). */
const STAGES = [
  { expansion: 1, channels: 16, blocks: 1, stride: 1 },
  { expansion: 6, channels: 24, blocks: 2, stride: 2 },
  { expansion: 6, channels: 32, blocks: 3, stride: 2 },
  { expansion: 6, channels: 64, blocks: 4, stride: 2 },
  { expansion: 6, channels: 96, blocks: 3, stride: 1 },
  { expansion: 6, channels: 160, blocks: 3, stride: 2 },
  { expansion: 6, channels: 320, blocks: 1, stride: 1 },
] as const;

/**
 * MobileNetV2 with random weights, in torchvision's form. Only blocks that keep their shape have a shortcut
 * and can be adaptive; the seven stages take seven granularities.
 * @throws FoveaError `bad-argument` for options out of range
 */
export function builtMobileNetV2(options: BuiltOptions = {}): Network {
  const build = new NetworkBuilder('mobilenet_v2', options, STAGES.length);
  build.dense(build.convolution('features.0.0', 3, 32, { kernel: 3, stride: 2, activation: 'relu6' }));
  let inChannels = 32;
  let feature = 1;
  STAGES.forEach(({ expansion, channels, blocks, stride: firstStride }, stage) => {
    for (let position = 0; position < blocks; position++) {
      const name = `features.${feature++}`;
      const stride = position === 0 ? firstStride : 1;
      const hidden = inChannels * expansion;
      const adaptive = stride === 1 && inChannels === channels;
      const branch = [];
      if (expansion > 1)
        branch.push(build.convolution(`${name}.conv.0.0`, inChannels, hidden, { activation: 'relu6' }));
      branch.push(
        build.convolution(`${name}.conv.${branch.length}.0`, hidden, hidden, {
          kernel: 3,
          stride,
          groups: hidden,
          activation: 'relu6',
        }),
      );
      branch.push(
        build.convolution(`${name}.conv.${branch.length}`, hidden, channels, { gain: adaptive ? 0.25 : 1 }),
      );
      build.block({ stage, name, kind: 'inverted', branch, activation: 'none', adaptive });
      inChannels = channels;
    }
  });
  build.dense(build.convolution(`features.${feature}.0`, inChannels, 1280, { activation: 'relu6' }));
  build.head('avgpool', 'classifier.1', 1280, options.classes);
  return build.finish();
}
