import type { Activation, Block, Convolution } from '../network.js';
import { type Architecture, stageDepths } from './architecture.js';
import type { Layers } from './layers.js';

/** How a library names the parts of a RegNet. */
interface Names {
  readonly anchor: string;
  readonly stem: readonly [convolution: string, norm: string];
  readonly pattern: RegExp;
  /** Number of a stage's first block. */
  readonly first: number;
  readonly block: (stage: number, position: number) => string;
  /** The branch's convolutions and their norms, in a block. */
  readonly branch: readonly (readonly [convolution: string, norm: string])[];
  readonly projection: readonly [convolution: string, norm: string];
  readonly excitation: string;
  /** Modules in a block that may hold a masker. */
  readonly maskers: readonly string[];
  readonly heads: readonly string[];
  readonly isTrunk: RegExp;
}

/** torchvision's, which LASNet and LAUDNet keep. */
const torchvision: Names = {
  anchor: 'trunk_output.block1.block1-0.f.a.0.weight',
  stem: ['stem.0', 'stem.1'],
  pattern: /^trunk_output\.block([1-9])\.block[1-9]-(\d{1,3})\.f\.a\.0\.weight$/,
  first: 0,
  block: (stage, position) => `trunk_output.block${stage + 1}.block${stage + 1}-${position}`,
  branch: [
    ['f.a.0', 'f.a.1'],
    ['f.b.0', 'f.b.1'],
    ['f.c.0', 'f.c.1'],
  ],
  projection: ['proj.0', 'proj.1'],
  excitation: 'f.se',
  maskers: ['', '.f'],
  heads: ['fc'],
  isTrunk: /^(stem|trunk_output)\./,
};

const timm: Names = {
  anchor: 's1.b1.conv1.conv.weight',
  stem: ['stem.conv', 'stem.bn'],
  pattern: /^s([1-9])\.b(\d{1,3})\.conv1\.conv\.weight$/,
  first: 1,
  block: (stage, position) => `s${stage + 1}.b${position + 1}`,
  branch: [
    ['conv1.conv', 'conv1.bn'],
    ['conv2.conv', 'conv2.bn'],
    ['conv3.conv', 'conv3.bn'],
  ],
  projection: ['downsample.conv', 'downsample.bn'],
  excitation: 'se',
  maskers: [''],
  heads: ['head.fc'],
  isTrunk: /^(stem|s\d|final_conv)\./,
};

function architecture(names: Names): Architecture {
  return {
    name: 'RegNet',
    anchor: names.anchor,
    heads: names.heads,
    isTrunk: (array) => names.isTrunk.test(array),
    read(layers, chain) {
      const [stem, norm] = names.stem;
      chain.convolution(layers.convolution(stem, { norm, stride: 2, activation: 'relu' }));
      const depths = stageDepths(layers, names.pattern, names.first, names.block);
      let index = 0;
      depths.forEach((depth, stage) => {
        for (let position = 0; position < depth; position++) {
          chain.block(block(layers, names, stage, position, index++));
        }
      });
    },
  };
}

/** RegNetX and RegNetY by torchvision's names, with LASNet's or LAUDNet's maskers, and by timm's. */
export const regnets: readonly Architecture[] = [architecture(torchvision), architecture(timm)];

function block(layers: Layers, names: Names, stage: number, position: number, index: number): Block {
  const name = names.block(stage, position);
  const stride = position === 0 ? 2 : 1;
  const branch: Convolution[] = [];
  names.branch.forEach(([convolution, norm], i) => {
    const activation: Activation = i === 2 ? 'none' : 'relu';
    const inChannels = i === 1 ? { inChannels: branch[0]!.outChannels } : {};
    const step = i === 1 ? stride : 1;
    branch.push(
      layers.convolution(`${name}.${convolution}`, {
        norm: `${name}.${norm}`,
        stride: step,
        activation,
        ...inChannels,
      }),
    );
  });
  const [projection, norm] = names.projection.map((part) => `${name}.${part}`) as [string, string];
  const excitation = layers.excitation(`${name}.${names.excitation}`, 1);
  const modules = names.maskers.map((module) => `${name}${module}`);
  const masker = layers.masker(modules, branch[0]!.inChannels);
  return {
    index,
    stage,
    name,
    kind: 'bottleneck',
    branch,
    ...(excitation ? { attention: excitation } : {}),
    ...(layers.has(`${projection}.weight`)
      ? { projection: layers.convolution(projection, { norm, stride, activation: 'none' }) }
      : {}),
    activation: 'relu',
    ...(masker ? { masker } : {}),
    adaptive: true,
  };
}
