import { FoveaError } from '../../errors.js';
import type { Activation, Block, Convolution } from '../network.js';
import type { Architecture } from './architecture.js';
import type { Chain } from './chain.js';
import type { CheckpointConfig } from './config.js';
import { type EfficientNetNames, efficientNetNames, type StoredBlock } from './efficientnet-names.js';
import type { Layers } from './layers.js';

/** What the arrays of an EfficientNet do not hold; deduced from the kernels of its stages. */
interface Form {
  readonly name: string;
  /** Side of the kernel of each stage's blocks. */
  readonly kernels: readonly number[];
  /** Of each stage's first block. */
  readonly strides: readonly number[];
  /** Which stages have squeeze-and-excitation. */
  readonly excited: (stage: number) => boolean;
  /** The first stages, whose blocks are full convolutions (EfficientNetV2). */
  readonly fused: number;
  readonly activation: Activation;
}

const strides = [1, 2, 2, 2, 1, 2, 1];
const v1 = { kernels: [3, 3, 5, 3, 5, 5, 3], strides, fused: 0 };
const v2 = { strides, fused: 3, excited: (stage: number) => stage >= 3, activation: 'silu' } as const;

/** Tan and Le 2019 (table 1) and 2021 (table 4), the Lite form of TensorFlow, Sandler et al. 2018 (table 2). */
const forms: readonly Form[] = [
  { name: 'EfficientNet', ...v1, excited: () => true, activation: 'silu' },
  { name: 'EfficientNet-Lite', ...v1, excited: () => false, activation: 'relu6' },
  { name: 'EfficientNetV2', ...v2, kernels: [3, 3, 3, 3, 3, 3] },
  { name: 'EfficientNetV2', ...v2, kernels: [3, 3, 3, 3, 3, 3, 3] },
  {
    name: 'MobileNetV2',
    kernels: [3, 3, 3, 3, 3, 3, 3],
    strides,
    fused: 0,
    excited: () => false,
    activation: 'relu6',
  },
];

/** Sides of the images that the published networks are for, by their blocks and the channels of the last one. */
const sides: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  EfficientNet: {
    '16:320': 224,
    '23:320': 240,
    '23:352': 260,
    '26:384': 300,
    '32:448': 380,
    '39:512': 456,
    '45:576': 528,
    '55:640': 600,
    '61:704': 672,
  },
  'EfficientNet-Lite': { '16:320': 224, '21:320': 240, '21:352': 260, '24:384': 280, '30:448': 300 },
  EfficientNetV2: { '40:256': 384, '57:512': 480, '79:640': 480 },
};

/** How TensorFlow feeds EfficientNet-Lite: `(byte − 127) / 128`. */
const liteStatistics = {
  mean: [127 / 255, 127 / 255, 127 / 255],
  std: [128 / 255, 128 / 255, 128 / 255],
} as const;

/** TensorFlow's EfficientNets, however they came here, and torchvision's largest. */
const tensorFlowEpsilon = 1e-3;

function architecture(names: EfficientNetNames): Architecture {
  return {
    name: 'EfficientNet',
    anchor: names.anchor,
    heads: [names.classifier],
    isTrunk: (array) => names.isTrunk.test(array),
    defaults(layers, config) {
      const blocks = storedBlocks(layers, names);
      const { name } = formOf(layers, blocks);
      const [outChannels] = layers.shape(`${blocks.at(-1)!.convolutions.at(-1)![0]}.weight`, 4);
      const size = sides[name]?.[`${blocks.length}:${outChannels}`];
      const converted = names.fromTensorFlow(layers.file.source, config);
      return {
        ...(size === undefined ? {} : { size }),
        ...(converted && name === 'EfficientNet-Lite' ? liteStatistics : {}),
      };
    },
    read: (layers, chain, config, notes) => read(names, layers, chain, config, notes),
  };
}

/**
 * EfficientNets (V1, V2, Lite) and timm's MobileNetV2 by the names of timm, torchvision and the EfficientNet-PyTorch
 * package. Widths, depths, kernels and squeeze-and-excitation come from the arrays; strides and activations from the
 * published form that has these kernels. Those that come from TensorFlow pad by size.
 */
export const efficientNets: readonly Architecture[] = efficientNetNames.map(architecture);

function read(
  names: EfficientNetNames,
  layers: Layers,
  chain: Chain,
  config: CheckpointConfig,
  notes: string[],
): void {
  const blocks = storedBlocks(layers, names);
  const form = formOf(layers, blocks);
  const { activation } = form;
  const converted = names.fromTensorFlow(layers.file.source, config);
  if (names.assumption && !converted && form.name !== 'MobileNetV2') notes.push(names.assumption);
  const epsilon = converted || names.wideEpsilon(form.name, blocks.length) ? tensorFlowEpsilon : 1e-5;
  const [stem, stemNorm] = names.stem;
  const stemForm = { norm: stemNorm, stride: 2, activation, epsilon, padsBySize: converted };
  chain.convolution(layers.convolution(stem, stemForm));
  let channels = layers.shape(`${stem}.weight`, 4)[0]!;
  blocks.forEach((stored, index) => {
    const stride = blocks[index - 1]?.stage === stored.stage ? 1 : form.strides[stored.stage]!;
    const block = blockOf(layers, stored, {
      index,
      stride,
      channels,
      activation,
      epsilon,
      padsBySize: converted,
    });
    chain.block(block);
    channels = block.branch.at(-1)!.outChannels;
  });
  const [head, headNorm] = names.head(blocks);
  chain.convolution(layers.convolution(head, { norm: headNorm, activation, epsilon }));
}

/** The blocks of the file, cut into stages where the library's names do not say where one begins. */
function storedBlocks(layers: Layers, names: EfficientNetNames): readonly StoredBlock[] {
  const blocks = names.blocks(layers);
  if (blocks.every(({ stage }) => stage >= 0)) return blocks;
  let stage = -1;
  let before: number | undefined;
  return blocks.map((block) => {
    const [outChannels] = layers.shape(`${block.convolutions.at(-1)![0]}.weight`, 4);
    if (outChannels !== before) stage++;
    before = outChannels;
    return { ...block, stage };
  });
}

/** @throws FoveaError `unsupported` for a network whose strides and activations could only be guessed */
function formOf(layers: Layers, blocks: readonly StoredBlock[]): Form {
  const stages = 1 + Math.max(...blocks.map(({ stage }) => stage));
  const found = forms.find(
    ({ kernels, excited, fused }) =>
      kernels.length === stages &&
      blocks.every((block) => {
        const sides = block.convolutions.map(([name]) => layers.shape(`${name}.weight`, 4));
        const side = kernels[block.stage]!;
        const spatial = sides.filter(([, , height, width]) => height! * width! > 1);
        const depthwise = spatial.every(([, perGroup]) => perGroup === 1);
        return (
          spatial.length === 1 &&
          spatial[0]![2] === side &&
          spatial[0]![3] === side &&
          (block.excitation !== undefined) === excited(block.stage) &&
          depthwise === block.stage >= fused
        );
      }),
  );
  if (found) return found;
  throw new FoveaError(
    'unsupported',
    `${layers.file.source}: its blocks have the names of an EfficientNet, but not the kernels and the ` +
      'squeeze-and-excitation of EfficientNet V1, V2 or Lite or of MobileNetV2: its strides and activations are not ' +
      'known; export this network to ONNX',
  );
}

function blockOf(
  layers: Layers,
  { name, stage, convolutions, excitation }: StoredBlock,
  at: {
    readonly index: number;
    readonly stride: number;
    /** Written before the block. */
    readonly channels: number;
    readonly activation: Activation;
    readonly epsilon: number;
    readonly padsBySize: boolean;
  },
): Block {
  const branch: Convolution[] = [];
  // Of one convolution alone, as in EfficientNetV2's first stage, the activation comes before the addition.
  const linear = convolutions.length > 1 ? convolutions.length - 1 : -1;
  convolutions.forEach(([convolution, norm], i) => {
    const [, , kernel] = layers.shape(`${convolution}.weight`, 4);
    const stride = kernel! > 1 ? at.stride : 1;
    branch.push(
      layers.convolution(convolution, {
        norm,
        stride,
        activation: i === linear ? 'none' : at.activation,
        inChannels: branch[i - 1]?.outChannels ?? at.channels,
        epsilon: at.epsilon,
        padsBySize: at.padsBySize,
      }),
    );
  });
  const found =
    excitation &&
    layers.excitation(excitation.name, convolutions.length - 2, {
      ...excitation,
      activation: at.activation,
    });
  const masker = layers.masker([name], at.channels);
  return {
    index: at.index,
    stage,
    name,
    kind: 'inverted',
    branch,
    ...(found ? { attention: found } : {}),
    activation: 'none',
    ...(masker ? { masker } : {}),
    adaptive: at.stride === 1 && at.channels === branch.at(-1)!.outChannels,
  };
}
