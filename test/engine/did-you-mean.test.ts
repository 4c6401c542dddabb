import { builtNetworkNames, getDevice, getStrategy, loadShippedModel, predict } from '@fovea/engine';
import { getBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { didYouMean } from '../../engine/src/did-you-mean.js';
import { checkDevice } from '../../engine/src/predict/check-device.js';
import { publishedStages } from '../../engine/src/predict/published/networks.js';
import { resolveMaskers } from '../../engine/src/run/maskers.js';
import { parseRecipe } from '../../engine/src/train/recipe.js';
import { smallNetwork } from './support/small-network.js';

describe('didYouMean', () => {
  it.each([
    ['mobilenet-v2', 'mobilenet_v2'],
    ['MobileNetV2', 'mobilenet_v2'],
    ['ResNet50', 'resnet50'],
    ['resnet_50', 'resnet50'],
    ['restnet50', 'resnet50'],
    ['regnety-800mf', 'regnet_y_800mf'],
    ['regnet_x_1.6gf', 'regnet_x_1_6gf'],
    ['wide-resnet-50-2', 'wide_resnet50_2'],
    ['resnext50', 'resnet50 or resnext50_32x4d'],
    ['resnet81', 'resnet18'],
  ])('takes %s for %s', (given, meant) => {
    expect(didYouMean(given, builtNetworkNames)).toBe(`; did you mean ${meant}?`);
  });

  it('names at most three, all as near', () => {
    expect(didYouMean('resnet', builtNetworkNames)).toBe('; did you mean resnet18, resnet34 or resnet50?');
    expect(didYouMean('a10', ['a100', 'a101'])).toBe('; did you mean a100 or a101?');
  });

  it.each(['alexnet', 'vgg16', '', 'x', '50', '--', undefined, null, 5])('takes %o for nothing', (given) => {
    expect(didYouMean(given, builtNetworkNames)).toBe('');
  });

  it('is not held up by a text of any length', () => {
    expect(didYouMean('a'.repeat(1e6), ['b'.repeat(1e6 + 1), 'dense'])).toBe('');
  });
});

describe('names that are almost right', () => {
  const network = smallNetwork();
  it.each<[string, () => unknown, string]>([
    ['strategy', () => getStrategy('streamd'), 'streamed'],
    ['backend', () => getBackend('Native'), 'native'],
    ['device', () => getDevice('cpu_avx2'), 'cpu-avx2'],
    ['calibrated device', () => getDevice('thismachine'), 'this-machine'],
    ['field of a device', () => checkDevice({ name: 'x', laanes: 1 } as never), 'lanes'],
    ['masker', () => resolveMaskers(network, { masker: 'salience' as never }), 'saliency'],
    ['cost model', () => predict(network, { device: 'tx2', model: 'publishd' as never }), 'published'],
    ['published network', () => publishedStages('ResNet50'), 'resnet50'],
    ['shipped network', () => loadShippedModel('quicklook'), 'quick-look'],
    ['field of a recipe', () => parseRecipe({ sead: 1 }, 'x'), 'seed'],
  ])('%s', async (_, ask, meant) => {
    await expect((async () => ask())()).rejects.toThrow(`; did you mean ${meant}?`);
  });
});
