import { blocksOf, describeNetwork, type Network, run } from '@fovea/engine';
import type { Convolution } from '@fovea/engine/backend';
import { writeSafetensors } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { readNetwork } from '../../../../engine/src/network/read.js';
import { convNext } from '../../support/convnext.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const network = convNext({ channels: [12, 20], learned: false });

type Arrays = Record<string, { shape: number[]; values: Float32Array }>;

/** What the parts of a network are called. */
interface Names {
  readonly before: (stage: number) => readonly [string, string];
  readonly block: (stage: number, position: number) => string;
  readonly parts: readonly [string, string, string, string, string];
  readonly head: readonly [string, string];
  /** Extents that layer scale has behind its channels. */
  readonly scaleAxes: readonly number[];
}

const namings: readonly [string, Names][] = [
  [
    'torchvision',
    {
      before: (stage) => [`features.${2 * stage}.0`, `features.${2 * stage}.1`],
      block: (stage, position) => `features.${2 * stage + 1}.${position}`,
      parts: ['block.0', 'block.2', 'block.3', 'block.5', 'layer_scale'],
      head: ['classifier.0', 'classifier.2'],
      scaleAxes: [1, 1],
    },
  ],
  [
    'timm',
    {
      before: (stage) =>
        stage === 0 ? ['stem.0', 'stem.1'] : [`stages.${stage}.downsample.0`, `stages.${stage}.downsample.1`],
      block: (stage, position) => `stages.${stage}.blocks.${position}`,
      parts: ['conv_dw', 'norm', 'mlp.fc1', 'mlp.fc2', 'gamma'],
      head: ['head.norm', 'head.fc'],
      scaleAxes: [],
    },
  ],
  [
    'the authors',
    {
      before: (stage) => [`downsample_layers.${stage}.0`, `downsample_layers.${stage}.1`],
      block: (stage, position) => `stages.${stage}.${position}`,
      parts: ['dwconv', 'norm', 'pwconv1', 'pwconv2', 'gamma'],
      head: ['norm', 'head'],
      scaleAxes: [],
    },
  ],
];

/** The network's arrays under those names, each block's last layer divided by a layer scale. */
function arraysOf({ before, block, parts, head, scaleAxes }: Names): Arrays {
  const arrays: Arrays = {};
  const convolution = (
    name: string,
    { outChannels, inChannels, groups, kernel, weight, bias }: Convolution,
  ) => {
    arrays[`${name}.weight`] = { shape: [outChannels, inChannels / groups, ...kernel], values: weight };
    arrays[`${name}.bias`] = { shape: [outChannels], values: bias };
  };
  const linear = (name: string, layer: Convolution) => {
    convolution(name, layer);
    arrays[`${name}.weight`]!.shape = [layer.outChannels, layer.inChannels];
  };
  const norm = (name: string, { normalisation, outChannels }: Convolution) => {
    arrays[`${name}.weight`] = { shape: [outChannels], values: normalisation!.scale };
    arrays[`${name}.bias`] = { shape: [outChannels], values: normalisation!.shift };
  };
  const layers = new Map<string, Convolution>();
  for (const node of network.nodes) if (node.kind === 'convolution') layers.set(node.name, node.convolution);
  convolution(before(0)[0], layers.get('stem')!);
  norm(before(0)[1], layers.get('stem')!);
  norm(before(1)[0], layers.get('downsample1.norm')!);
  convolution(before(1)[1], layers.get('downsample1')!);
  norm(head[0], layers.get('head.norm')!);
  linear(head[1], layers.get('head')!);
  const [spatial, normal, expand, project, scale] = parts;
  blocksOf(network).forEach(({ stage, branch }, index) => {
    const name = block(stage, index % 2);
    const [first, second, third] = branch as [Convolution, Convolution, Convolution];
    convolution(`${name}.${spatial}`, first);
    norm(`${name}.${normal}`, first);
    linear(`${name}.${expand}`, second);
    const factors = Float32Array.from({ length: third.outChannels }, (_, c) => 0.25 * (1 + (c % 4)));
    const each = third.inChannels;
    linear(`${name}.${project}`, {
      ...third,
      weight: third.weight.map((value, i) => value / factors[Math.floor(i / each)]!),
      bias: third.bias.map((value, c) => value / factors[c]!),
    });
    arrays[`${name}.${scale}`] = { shape: [third.outChannels, ...scaleAxes], values: factors };
  });
  return arrays;
}

const read = (arrays: Arrays): Promise<Network> => readNetwork(writeSafetensors(arrays));

describe.each(namings)('a state dict of a ConvNeXt by the names of %s', (_, names) => {
  it('is the network, under a prefix too', async () => {
    const images = randomImages(network, 2);
    const { output } = await run(network, images, { backend: 'reference', strategy: 'dense' });
    for (const prefix of ['', 'module.']) {
      const entries = Object.entries(arraysOf(names)).map(([name, array]) => [`${prefix}${name}`, array]);
      const found = await read(Object.fromEntries(entries));
      expect(found.notes).toEqual([]);
      expect(describeNetwork(found)).toMatchObject({ blocks: 4, adaptiveBlocks: 4 });
      expect(blocksOf(found).map(({ stage }) => stage)).toEqual([0, 0, 1, 1]);
      const again = await run(found, images, { backend: 'reference', strategy: 'dense' });
      expect(relativeError(again.output.data, output.data)).toBeLessThan(1e-5);
    }
  });

  it('may have no classifier and no layer scale', async () => {
    const { parts, head } = names;
    const left = Object.entries(arraysOf(names)).filter(
      ([name]) => !name.startsWith(`${head[1]}.`) && (!name.endsWith(parts[4]) || parts[4] === 'layer_scale'),
    );
    const found = await read(Object.fromEntries(left));
    expect(found.notes).toEqual([expect.stringMatching(/no classifier/)]);
    expect(found.nodes.at(-1)).toMatchObject({ convolution: { normalisation: { epsilon: 1e-6 } } });
  });

  it('is refused with layers of another form, and without one of its own', async () => {
    const arrays = arraysOf(names);
    const grn = `${names.block(0, 0)}.grn.weight`;
    await expect(read({ ...arrays, [grn]: { shape: [1], values: new Float32Array(1) } })).rejects.toThrow(
      grn,
    );
    const { [`${names.before(1)[1]}.weight`]: _, ...rest } = arrays;
    await expect(read(rest)).rejects.toThrow(/there is no array/);
    const gamma = `${names.block(1, 0)}.${names.parts[4]}`;
    const short = { shape: [3], values: new Float32Array(3) };
    await expect(read({ ...arrays, [gamma]: short })).rejects.toThrow(/has 3 values/);
  });
});
