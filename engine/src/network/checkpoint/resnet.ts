import { FoveaError } from '../../errors.js';
import type { Activation, Block, Convolution } from '../network.js';
import { type Architecture, stageDepths } from './architecture.js';
import type { Chain } from './chain.js';
import type { CheckpointConfig } from './config.js';
import type { Layers } from './layers.js';

const nameOf = (stage: number, position: number) => `layer${stage + 1}.${position}`;

/**
 * ResNets, ResNeXts and Wide-ResNets by torchvision's and timm's names (`layer1.0.conv1.weight`,
 * `layer1.0.bn1.running_mean`, …): plain or deep stem, projections bare or behind an average pool (ResNet-D),
 * attention at the branch's end, LASNet's and LAUDNet's maskers. Widths, groups and depths come from the
 * arrays; strides are torchvision's (2 on the first 3x3 of stages 2 to 4).
 */
export const resnet: Architecture = {
  name: 'ResNet',
  anchor: 'layer1.0.conv1.weight',
  heads: ['fc', 'head.fc'],
  isTrunk: (array) => /^(conv1|bn1|layer\d+|maxpool)\./.test(array),
  read(layers, chain, config, notes) {
    stem(layers, chain, config, notes);
    const depths = stageDepths(layers, /^layer([1-9]\d?)\.(\d{1,3})\.conv1\.weight$/, 0, nameOf);
    let index = 0;
    depths.forEach((depth, stage) => {
      for (let position = 0; position < depth; position++)
        chain.block(block(layers, stage, position, index++));
    });
  },
};

function stem(layers: Layers, chain: Chain, config: CheckpointConfig, notes: string[]): void {
  if (layers.has('conv1.0.weight')) {
    // Three 3x3 convolutions in the place of the 7x7 one (He et al. 2018, ResNet-C and -D).
    chain.convolution(layers.convolution('conv1.0', { norm: 'conv1.1', stride: 2, activation: 'relu' }));
    chain.convolution(layers.convolution('conv1.3', { norm: 'conv1.4', activation: 'relu' }));
    chain.convolution(layers.convolution('conv1.6', { norm: 'bn1', activation: 'relu' }));
    chain.maxPool('maxpool');
    return;
  }
  const [, , height] = layers.shape('conv1.weight', 4);
  const small = config.stem === undefined ? height! <= 3 : config.stem === 'cifar';
  const stride = small ? 1 : 2;
  chain.convolution(layers.convolution('conv1', { norm: 'bn1', stride, activation: 'relu' }));
  if (!small) chain.maxPool('maxpool');
  else if (config.stem === undefined) {
    notes.push(
      'its 3x3 stem is read as that of networks for small images: stride 1, no pooling; ' +
        'say "stem": "imagenet" in the configuration where it has both',
    );
  }
}

function block(layers: Layers, stage: number, position: number, index: number): Block {
  const name = nameOf(stage, position);
  const stride = stage > 0 && position === 0 ? 2 : 1;
  const bottleneck = layers.has(`${name}.conv3.weight`);
  const strides = bottleneck ? [1, stride, 1] : [stride, 1];
  const branch: Convolution[] = [];
  strides.forEach((step, i) => {
    const activation: Activation = i === strides.length - 1 ? 'none' : 'relu';
    const form = { norm: `${name}.bn${i + 1}`, stride: step, activation };
    const before = branch[i - 1];
    // Only a bottleneck's middle convolution has groups.
    const inChannels = bottleneck && i === 1 ? before!.outChannels : undefined;
    branch.push(
      layers.convolution(`${name}.conv${i + 1}`, {
        ...form,
        ...(inChannels === undefined ? {} : { inChannels }),
      }),
    );
  });
  const shortcut = projectionOf(layers, `${name}.downsample`, stride);
  const attention = layers.attention(`${name}.se`, branch.length - 1);
  const masker = layers.masker([name], branch[0]!.inChannels);
  return {
    index,
    stage,
    name,
    kind: bottleneck ? 'bottleneck' : 'basic',
    branch,
    ...(attention ? { attention } : {}),
    ...shortcut,
    activation: 'relu',
    ...(masker ? { masker } : {}),
    adaptive: true,
  };
}

function projectionOf(
  layers: Layers,
  name: string,
  stride: number,
): Pick<Block, 'projection' | 'projectionPool'> {
  if (layers.file.tensors.get(`${name}.1.weight`)?.shape.length !== 4) {
    if (!layers.has(`${name}.0.weight`)) return {};
    return {
      projection: layers.convolution(`${name}.0`, { norm: `${name}.1`, stride, activation: 'none' }),
    };
  }
  const projection = layers.convolution(`${name}.1`, { norm: `${name}.2`, activation: 'none' });
  if (stride === 1) return { projection };
  if (projection.kernel[0] * projection.kernel[1] === 1)
    return { projection, projectionPool: { size: [stride, stride], ceilMode: true } };
  throw new FoveaError(
    'unsupported',
    `${layers.file.source}: ${projection.name} is ${projection.kernel.join('x')} behind a pool; 1x1 is accepted`,
  );
}
