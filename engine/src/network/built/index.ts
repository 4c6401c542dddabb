import { expectArgument, expectOptions } from '../../arguments/expect.js';
import { aNumber, anInteger, anObject, aText, numbers } from '../../arguments/kinds.js';
import { didYouMean } from '../../did-you-mean.js';
import { FoveaError } from '../../errors.js';
import type { Network } from '../network.js';
import { builtConvNext } from './convnext.js';
import type { BuiltOptions } from './layers.js';
import { builtMobileNetV2 } from './mobilenet.js';
import { builtRegNet, type RegNetVariant } from './regnet.js';
import { builtResNet } from './resnet.js';

export { builtConvNext, type ConvNextVariant } from './convnext.js';
export type { BuiltOptions } from './layers.js';
export { builtMobileNetV2 } from './mobilenet.js';
export { builtRegNet, type RegNetOptions, type RegNetVariant } from './regnet.js';
export { builtResNet, type ResNetOptions } from './resnet.js';

const regNet = (variant: RegNetVariant) => (options: BuiltOptions) => builtRegNet({ ...options, variant });

/** Name of an architecture, as torchvision spells it; editors offer those that there are. */
export type BuiltNetworkName =
  | 'resnet18'
  | 'resnet34'
  | 'resnet50'
  | 'resnet101'
  | 'resnet152'
  | 'wide_resnet50_2'
  | 'wide_resnet101_2'
  | 'resnext50_32x4d'
  | 'resnext101_32x8d'
  | 'regnet_x_400mf'
  | 'regnet_x_800mf'
  | 'regnet_x_1_6gf'
  | 'regnet_x_3_2gf'
  | 'regnet_y_400mf'
  | 'regnet_y_800mf'
  | 'regnet_y_1_6gf'
  | 'regnet_y_3_2gf'
  | 'mobilenet_v2'
  | 'convnext_tiny'
  | 'convnext_small'
  | 'convnext_base'
  | (string & Record<never, never>);

/** Architectures by torchvision's names. */
const ARCHITECTURES: Readonly<Record<string, (options: BuiltOptions) => Network>> = {
  resnet18: (options) => builtResNet({ ...options, depth: 18 }),
  resnet34: (options) => builtResNet({ ...options, depth: 34 }),
  resnet50: (options) => builtResNet({ ...options, depth: 50 }),
  resnet101: (options) => builtResNet({ ...options, depth: 101 }),
  resnet152: (options) => builtResNet({ ...options, depth: 152 }),
  wide_resnet50_2: (options) => builtResNet({ ...options, depth: 50, widthPerGroup: 128 }),
  wide_resnet101_2: (options) => builtResNet({ ...options, depth: 101, widthPerGroup: 128 }),
  resnext50_32x4d: (options) => builtResNet({ ...options, depth: 50, groups: 32, widthPerGroup: 4 }),
  resnext101_32x8d: (options) => builtResNet({ ...options, depth: 101, groups: 32, widthPerGroup: 8 }),
  regnet_x_400mf: regNet('x_400mf'),
  regnet_x_800mf: regNet('x_800mf'),
  regnet_x_1_6gf: regNet('x_1_6gf'),
  regnet_x_3_2gf: regNet('x_3_2gf'),
  regnet_y_400mf: regNet('y_400mf'),
  regnet_y_800mf: regNet('y_800mf'),
  regnet_y_1_6gf: regNet('y_1_6gf'),
  regnet_y_3_2gf: regNet('y_3_2gf'),
  mobilenet_v2: builtMobileNetV2,
  convnext_tiny: (options) => builtConvNext({ ...options, variant: 'tiny' }),
  convnext_small: (options) => builtConvNext({ ...options, variant: 'small' }),
  convnext_base: (options) => builtConvNext({ ...options, variant: 'base' }),
};

/** Names that `builtNetwork` knows, as torchvision spells them. */
export const builtNetworkNames: readonly string[] = Object.keys(ARCHITECTURES);

const builtOptionKinds = { classes: aNumber, inputSize: aNumber, maskers: anObject, seed: anInteger };

/**
 * An architecture by name, with random weights: enough to predict and to measure, without a file.
 * @throws FoveaError `unknown-name` for a name not in `builtNetworkNames`
 *
 * @example
 * ```ts
 * import { blocksOf, builtNetwork } from '@fovea/engine';
 *
 * const network = builtNetwork('resnet50');
 * console.log(blocksOf(network).length); // 16
 * ```
 */
export function builtNetwork(name: BuiltNetworkName, options: BuiltOptions = {}): Network {
  expectArgument(name, aText, 'builtNetwork: name');
  expectOptions(options, builtOptionKinds, 'builtNetwork');
  if (options.maskers)
    expectArgument(options.maskers.granularity, numbers, 'builtNetwork: maskers.granularity');
  if (!Object.hasOwn(ARCHITECTURES, name)) {
    throw new FoveaError(
      'unknown-name',
      `network ${name}: known are ${builtNetworkNames.join(', ')}${didYouMean(name, builtNetworkNames)}`,
    );
  }
  return ARCHITECTURES[name]!(options);
}
