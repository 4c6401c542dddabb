import type { NetworkNode } from '../../network/network.js';
import type { NetworkShapes } from '../../network/walk.js';
import { Features } from './features.js';
import type { NativeSetting } from './native-block.js';
import { addLevels, convolutionFeatures } from './native-convolution.js';
import { convolutionPass } from './native-pass.js';

/** The native backend's amounts for a dense node outside blocks; undefined where shapes are not known. */
export function nativeNodeFeatures(
  node: Exclude<NetworkNode, { kind: 'block' | 'foreign' }>,
  shapes: NetworkShapes,
  { machine, threads }: NativeSetting,
): Features | undefined {
  const input = shapes.values.get(node.inputs[0]!);
  const output = shapes.values.get(node.output);
  if (!input || !output) return undefined;
  const features = new Features();
  const [N, H, W, C] = input;
  const inputBytes = 4 * N * H * W * C;
  const outputBytes = 4 * output[0] * output[1] * output[2] * output[3];
  if (node.kind === 'convolution') {
    const { kernel, inChannels, groups } = node.convolution;
    const [batch, height, width] = output;
    const pass = convolutionPass(node.convolution, { batch, height, width }, N * H * W);
    features.addAll(convolutionFeatures(pass, machine, threads));
    // Few input channels: the map is first copied into a padded one.
    if (groups === 1 && inChannels <= 4 && kernel[1] > 1)
      features.add('copyBytes', (2 * inputBytes) / threads);
    return features;
  }
  features.add('passes', 1);
  const window =
    node.kind === 'max-pool' || node.kind === 'average-pool'
      ? outputBytes * node.kernel[0] * node.kernel[1]
      : inputBytes * node.inputs.length;
  // A global pool gives each image to one thread; other passes are shared by rows.
  const share = node.kind === 'global-pool' ? Math.max(1 / threads, 1 / N) : 1 / threads;
  if (node.kind === 'add' || node.kind === 'activation') features.add('elements', (outputBytes / 4) * share);
  else features.add('poolBytes', window * share);
  addLevels(features, 'read', inputBytes * node.inputs.length * share, inputBytes, machine);
  addLevels(features, 'write', outputBytes * share, outputBytes, machine);
  return features;
}
