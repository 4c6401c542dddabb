import type { Block, Convolution } from '../network.js';
import type { Architecture } from './architecture.js';
import type { Layers } from './layers.js';

/** How a library names the parts of a ConvNeXt. */
interface Names {
  readonly anchor: string;
  readonly block: (stage: number, position: number) => string;
  /** What stands before a stage: a convolution and a normalisation, which is the second of the first stage alone. */
  readonly before: (stage: number) => readonly [first: string, second: string];
  /** Of a block: depthwise convolution, normalisation, both linear layers, and layer scale. */
  readonly parts: readonly [string, string, string, string, string];
  readonly headNorm: string;
  readonly head: string;
  readonly isTrunk: RegExp;
}

const torchvision: Names = {
  anchor: 'features.1.0.layer_scale',
  block: (stage, position) => `features.${2 * stage + 1}.${position}`,
  before: (stage) => [`features.${2 * stage}.0`, `features.${2 * stage}.1`],
  parts: ['block.0', 'block.2', 'block.3', 'block.5', 'layer_scale'],
  headNorm: 'classifier.0',
  head: 'classifier.2',
  isTrunk: /^features\./,
};

const timm: Names = {
  anchor: 'stages.0.blocks.0.conv_dw.weight',
  block: (stage, position) => `stages.${stage}.blocks.${position}`,
  before: (stage) =>
    stage === 0 ? ['stem.0', 'stem.1'] : [`stages.${stage}.downsample.0`, `stages.${stage}.downsample.1`],
  parts: ['conv_dw', 'norm', 'mlp.fc1', 'mlp.fc2', 'gamma'],
  headNorm: 'head.norm',
  head: 'head.fc',
  isTrunk: /^(stem|stages)\./,
};

/** Those of the authors. */
const original: Names = {
  anchor: 'stages.0.0.dwconv.weight',
  block: (stage, position) => `stages.${stage}.${position}`,
  before: (stage) => [`downsample_layers.${stage}.0`, `downsample_layers.${stage}.1`],
  parts: ['dwconv', 'norm', 'pwconv1', 'pwconv2', 'gamma'],
  headNorm: 'norm',
  head: 'head',
  isTrunk: /^(downsample_layers|stages)\./,
};

function architecture(names: Names): Architecture {
  return {
    name: 'ConvNeXt',
    anchor: names.anchor,
    heads: [names.head],
    isTrunk: (array) => names.isTrunk.test(array),
    read(layers, chain) {
      let index = 0;
      for (let stage = 0; isBlock(layers, names, stage, 0); stage++) {
        const [first, second] = names.before(stage);
        if (stage === 0) {
          const stem = patches(layers, first);
          chain.convolution(layers.normalised(stem, second));
        } else {
          const downsample = patches(layers, second);
          chain.convolution(layers.normalisation(first, downsample.inChannels));
          chain.convolution(downsample);
        }
        for (let position = 0; isBlock(layers, names, stage, position); position++)
          chain.block(block(layers, names, stage, position, index++));
      }
    },
    beforeHead(layers, chain) {
      if (!layers.has(`${names.headNorm}.weight`)) return;
      const [channels] = layers.shape(`${names.headNorm}.weight`, 1);
      chain.convolution(layers.normalisation(names.headNorm, channels!));
    },
  };
}

/** ConvNeXts (Liu et al. 2022) by the names of torchvision, of timm and of the authors; layer scale is folded. */
export const convNexts: readonly Architecture[] = [torchvision, timm, original].map(architecture);

const isBlock = (layers: Layers, { block, parts }: Names, stage: number, position: number) =>
  layers.has(`${block(stage, position)}.${parts[0]}.weight`);

/** A convolution whose windows tile the map. */
function patches(layers: Layers, name: string): Convolution {
  const [, , height] = layers.shape(`${name}.weight`, 4);
  return {
    ...layers.convolution(name, { stride: height!, activation: 'none' }),
    padding: [0, 0, 0, 0],
  };
}

function block(layers: Layers, names: Names, stage: number, position: number, index: number): Block {
  const name = names.block(stage, position);
  const [spatial, norm, expand, project, scale] = names.parts.map((part) => `${name}.${part}`) as [
    ...Names['parts'],
  ];
  const [inChannels] = layers.shape(`${spatial}.weight`, 4);
  const depthwise = layers.convolution(spatial, { activation: 'none', inChannels: inChannels! });
  const masker = layers.masker([name], depthwise.inChannels);
  return {
    ...{ index, stage, name, kind: 'inverted', activation: 'none', adaptive: true },
    branch: [
      layers.normalised(depthwise, norm),
      { ...layers.pointwise(expand), activation: 'gelu' },
      layers.scaled(layers.pointwise(project), scale),
    ],
    ...(masker ? { masker } : {}),
  };
}
