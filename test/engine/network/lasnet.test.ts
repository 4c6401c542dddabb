import { blocksOf, describeNetwork, loadNetwork } from '@fovea/engine';
import { float32Of, parseSafetensors, readSafetensors } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { networkFromStateDict } from '../../../engine/src/network/checkpoint/state-dict.js';

const fixture = (name: string) => new URL(`../../fixtures/${name}`, import.meta.url).pathname;

describe('LASNet checkpoints', () => {
  it('takes depths, widths and maskers from the arrays', async () => {
    const network = await loadNetwork(fixture('lasnet-tiny.safetensors'));
    const blocks = blocksOf(network);
    expect(network.inputShape).toEqual({ channels: 3, height: 64, width: 64 });
    expect(blocks.map((block) => block.name)).toEqual([
      'layer1.0',
      'layer2.0',
      'layer2.1',
      'layer3.0',
      'layer3.1',
      'layer4.0',
    ]);
    expect(blocks.map((block) => block.stage)).toEqual([0, 1, 1, 2, 2, 3]);
    expect(blocks.map((block) => block.granularity)).toEqual([4, 2, 4, 1, 2, 1]);
    expect(blocks.map((block) => block.projection !== undefined)).toEqual([
      true,
      true,
      false,
      true,
      false,
      true,
    ]);
    expect(blocks.every((block) => block.adaptive && block.kind === 'bottleneck')).toBe(true);
    expect(network.notes).toEqual([]);
  });

  it('puts the stride on the 3x3 convolution and the projection', async () => {
    const blocks = blocksOf(await loadNetwork(fixture('lasnet-tiny.safetensors')));
    const strides = blocks.map((block) => block.branch.map(({ stride }) => stride[0]).join(''));
    expect(strides).toEqual(['111', '121', '111', '121', '111', '121']);
    expect(blocks.map((block) => block.projection?.stride[0] ?? 0)).toEqual([1, 2, 0, 2, 0, 2]);
  });

  it('folds the two logits of a masker to their difference', async () => {
    const path = fixture('lasnet-tiny.safetensors');
    const [block] = blocksOf(await loadNetwork(path));
    const file = await readSafetensors(path);
    const weight = float32Of(file, 'layer1.0.masker.conv2.weight', [2, 16, 1, 1]);
    const bias = float32Of(file, 'layer1.0.masker.conv2.bias', [2]);
    expect(block!.masker!.bias).toBe(bias[0]! - bias[1]!);
    expect(block!.masker!.weight[3]).toBe(Math.fround(weight[3]! - weight[16 + 3]!));
  });

  it('folds batch norm into the convolution', async () => {
    const path = fixture('lasnet-uneven.safetensors');
    const [block] = blocksOf(await loadNetwork(path));
    const file = await readSafetensors(path);
    const of = (name: string) => float32Of(file, `layer1.0.${name}`)[2]!;
    const factor = of('bn1.weight') / Math.sqrt(of('bn1.running_var') + 1e-5);
    const conv1 = block!.branch[0]!;
    const perChannel = conv1.weight.length / conv1.outChannels;
    const raw = float32Of(file, 'layer1.0.conv1.weight');
    expect(conv1.weight[2 * perChannel]).toBeCloseTo(raw[2 * perChannel]! * factor, 6);
    expect(conv1.bias[2]).toBeCloseTo(of('bn1.bias') - of('bn1.running_mean') * factor, 6);
  });

  it('describes shapes at any input size', async () => {
    const network = await loadNetwork(fixture('lasnet-uneven.safetensors'));
    const description = describeNetwork(network, { height: 80, width: 112 });
    expect(description.blocks).toBe(5);
    const shapes = description.nodes.filter((node) => node.block).map((node) => node.shape);
    expect(shapes.map((shape) => shape!.slice(0, 2))).toEqual([
      [20, 28],
      [10, 14],
      [5, 7],
      [5, 7],
      [3, 4],
    ]);
    expect(description.adaptiveFlops).toBeLessThan(description.flops);
  });

  it.each([
    ['depths other than the file holds', { layers: [1, 1, 1, 1] }, /holds \[1, 2, 2, 1\] blocks per stage/],
    [
      'a granularity list of the wrong length',
      { granularity: [4, 2] },
      /2 granularities; one per block \(6\)/,
    ],
    ['granularity 0', { granularity: [4, 2, 4, 0, 2, 1] }, /granularity \[4,2,4,0,2,1\]/],
    ['another architecture', { arch: 'vit' }, /arch "vit"/],
    ['a negative size', { size: -1 }, /size -1/],
    ['too few labels', { labels: ['cat'] }, /1 labels for 10 logits/],
  ])('refuses a configuration with %s', async (_, config, message) => {
    await expect(loadNetwork(fixture('lasnet-tiny.safetensors'), { config } as never)).rejects.toThrow(
      message,
    );
  });

  it.each([
    ['conv1.weight', /no array "conv1.weight"/],
    ['layer1.0.conv1.weight', /no state dict of a ResNet/],
    ['layer2.0.conv1.weight', /block layer2.0 is missing/],
    ['layer1.0.bn2.running_var', /no array "layer1.0.bn2.running_var"/],
    ['fc.weight', /no array "fc.weight"/],
    ['layer1.0.masker.conv2.bias', /no array "layer1.0.masker.conv2.bias"/],
  ])('names the array when %s is missing', async (name, message) => {
    const file = await readSafetensors(fixture('lasnet-tiny.safetensors'));
    const tensors = new Map([...file.tensors].filter(([key]) => key !== name));
    expect(() => networkFromStateDict({ ...file, tensors }, {}, 'x')).toThrow(message);
  });

  it('refuses a file that is whole but no state dict', () => {
    const file = parseSafetensors(Uint8Array.from([2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d]), 'empty.safetensors');
    expect(() => networkFromStateDict(file, {}, 'x')).toThrow(/no state dict of a ResNet/);
  });
});
