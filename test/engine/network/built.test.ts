import { blocksOf, builtNetwork, describeNetwork, type FoveaError, predict } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { builtMobileNetV2 } from '../../../engine/src/network/built/mobilenet.js';
import { RandomWeights } from '../../../engine/src/network/built/random-weights.js';
import { builtRegNet } from '../../../engine/src/network/built/regnet.js';
import { builtResNet } from '../../../engine/src/network/built/resnet.js';
import { convolutionsOf } from '../../../engine/src/network/convolutions.js';
import { multiplyAdds } from '../support/networks.js';

describe('built networks', () => {
  it.each([
    ['resnet18', 8, 1.81],
    ['resnet50', 16, 4.09],
    ['resnet101', 33, 7.8],
    ['resnext50_32x4d', 16, 4.23],
    ['regnet_x_400mf', 22, 0.41],
    ['regnet_y_400mf', 16, 0.4],
    ['regnet_y_800mf', 14, 0.83],
    ['mobilenet_v2', 17, 0.3],
    ['convnext_tiny', 18, 4.46],
    ['convnext_small', 36, 8.68],
    ['convnext_base', 36, 15.36],
  ])('%s has torchvision’s %i blocks and %f G multiply-adds', (name, blocks, giga) => {
    const network = builtNetwork(name);
    expect(blocksOf(network)).toHaveLength(blocks);
    expect(multiplyAdds(network) / 1e9).toBeCloseTo(giga, 1);
  });

  it('gives RegNetY-800MF its published widths and depths', () => {
    const blocks = blocksOf(builtRegNet({ variant: 'y_800mf' }));
    const widths = blocks.map(({ branch }) => branch[2]!.outChannels);
    expect(widths).toEqual([64, ...Array(3).fill(144), ...Array(8).fill(320), ...Array(2).fill(784)]);
    expect(blocks.every(({ branch }) => branch[1]!.groups === branch[1]!.outChannels / 16)).toBe(true);
    expect(blocks[1]!.attention!.reduce!.outChannels).toBe(16);
  });

  it('gives ConvNeXt its published parameters, but for layer scales, which fold into the layers before them', () => {
    // 28.6 million; normalisations behind no convolution have a depthwise one that leaves values as they are.
    const [scales, same] = [3 * 96 + 3 * 192 + 9 * 384 + 3 * 768, 2 * (96 + 192 + 384 + 768)];
    const { parameters, adaptiveBlocks } = describeNetwork(builtNetwork('convnext_tiny'));
    expect(parameters).toBe(28_589_128 - scales + same);
    expect(adaptiveBlocks).toBe(18);
  });

  it('makes only shape-preserving inverted blocks adaptive', () => {
    const blocks = blocksOf(builtMobileNetV2());
    expect(blocks.filter(({ adaptive }) => adaptive)).toHaveLength(10);
  });

  it('repeats its weights for a seed and changes them with it', () => {
    const first = (seed: number) => blocksOf(builtResNet({ depth: 18, seed }))[0]!.branch[0]!.weight;
    expect(first(3)).toEqual(first(3));
    expect(first(3)).not.toEqual(first(4));
  });

  it('has the same weights whenever they are first read, the last of them too', () => {
    const values = (backwards: boolean) => {
      const convolutions = convolutionsOf(builtResNet({ depth: 18, seed: 7 }));
      const inOrder = backwards ? convolutions.toReversed() : convolutions;
      const read = new Map(inOrder.map(({ name, weight, bias }) => [name, { weight, bias }]));
      return convolutions.map(({ name }) => read.get(name)!);
    };
    const [forwards, backwards] = [values(false), values(true)];
    for (const [i, { weight, bias }] of forwards.entries()) {
      expect(Buffer.from(weight.buffer).equals(Buffer.from(backwards[i]!.weight.buffer))).toBe(true);
      expect(bias).toEqual(backwards[i]!.bias);
    }
    const { weight, bias } = forwards.at(-1)!;
    expect([...weight.slice(-3)]).toEqual([0.021662723273038864, -0.09851430356502533, 0.04840536043047905]);
    expect([...bias.slice(-2)]).toEqual([-0.000616339675616473, 0.11064807325601578]);
  });

  it('draws later what it would draw at once', () => {
    for (const length of [0, 1, 2, 31, 4096, 100_003]) {
      const [plain, skipping] = [new RandomWeights(5), new RandomWeights(5)];
      const later = skipping.normalLater(length, 2);
      for (let i = 0; i < length; i++) plain.next();
      expect(skipping.next()).toBe(plain.next());
      expect(later()).toEqual(new RandomWeights(5).normal(length, 2));
      expect(later()).toBe(later());
    }
  });

  it('is described, planned and predicted without its weights being made', () => {
    for (const name of ['resnet50', 'mobilenet_v2', 'regnet_y_800mf']) {
      const network = builtNetwork(name);
      for (const convolution of convolutionsOf(network)) {
        for (const field of ['weight', 'bias'] as const)
          Object.defineProperty(convolution, field, {
            get: () => {
              throw new Error(`${field} of ${convolution.name} is read`);
            },
          });
      }
      describeNetwork(network);
      for (const strategy of ['dense', 'unfused', 'lasnet', 'streamed', 'auto'])
        predict(network, { device: 'cpu-avx2', strategy, granularity: 4, rate: 0.4 });
    }
  });

  it('gives adaptive blocks maskers at one granularity a stage', () => {
    const blocks = blocksOf(builtResNet({ depth: 18, maskers: { granularity: [8, 4, 7, 1] } }));
    expect(blocks.map(({ granularity }) => granularity)).toEqual([8, 8, 4, 4, 7, 7, 1, 1]);
    expect(blocks.every(({ masker, branch }) => masker?.weight.length === branch[0]!.inChannels)).toBe(true);
  });

  it('refuses what it does not know, naming it', () => {
    expect(() => builtNetwork('vgg16')).toThrow(/vgg16.*resnet50/);
    expect(() => builtResNet({ depth: 42 as 50 })).toThrow(/42/);
    expect(() => builtResNet({ depth: 18, maskers: { granularity: [4] } })).toThrow(/4 stages.*got 1/);
    try {
      builtResNet({ depth: 50, classes: 0 });
      expect.unreachable();
    } catch (error) {
      expect((error as FoveaError).code).toBe('bad-argument');
    }
  });
});
