import { FoveaError } from '../../errors.js';
import type { CheckpointConfig } from './config.js';
import type { ExcitationForm, Layers } from './layers.js';

type ConvolutionAndNorm = readonly [convolution: string, norm: string];

/** A block's layers by their names, in order. */
export interface StoredBlock {
  readonly name: string;
  /** -1 where names do not show it. */
  readonly stage: number;
  readonly convolutions: readonly ConvolutionAndNorm[];
  /** The module that holds squeeze-and-excitation, before the last convolution. */
  readonly excitation?: { readonly name: string } & Omit<ExcitationForm, 'activation'>;
}

/** How a library names the parts of an EfficientNet. */
export interface EfficientNetNames {
  readonly anchor: string;
  readonly stem: ConvolutionAndNorm;
  readonly blocks: (layers: Layers) => readonly StoredBlock[];
  readonly head: (blocks: readonly StoredBlock[]) => ConvolutionAndNorm;
  readonly classifier: string;
  readonly isTrunk: RegExp;
  /** True for weights from TensorFlow, whose padding and batch norms differ. */
  readonly fromTensorFlow: (source: string, config: CheckpointConfig) => boolean;
  /** True where the library itself has TensorFlow's batch norms. */
  readonly wideEpsilon: (form: string, blocks: number) => boolean;
  /** The note for weights that may or may not come from TensorFlow. */
  readonly assumption?: string;
}

/**
 * The numbers that names hold at the groups of a pattern, in order: of a block, or of a stage and a block in it.
 * @throws FoveaError `bad-file` where one is left out: the network would run without that block
 */
function positions(layers: Layers, pattern: RegExp): number[][] {
  const seen = new Map<string, number[]>();
  for (const array of layers.file.tensors.keys()) {
    const match = pattern.exec(array);
    if (match) seen.set(match.slice(1).join('.'), match.slice(1).map(Number));
  }
  const sorted = [...seen.values()].sort(([a, b = 0], [c, d = 0]) => a! - c! || b - d);
  sorted.forEach(([stage, position], i) => {
    const [before, last = 0] = sorted[i - 1] ?? [];
    const first = i === 0 ? stage! <= 1 && !position : false;
    const next =
      position === undefined
        ? stage === before! + 1
        : stage === before
          ? position === last + 1
          : stage === before! + 1 && position === 0;
    if (first || next) return;
    throw new FoveaError(
      'bad-file',
      `${layers.file.source}: a block is missing before ${[stage, position].filter((n) => n !== undefined).join('.')}`,
    );
  });
  return sorted;
}

/** Those of the layers that the file has. */
function present(layers: Layers, block: string, parts: readonly ConvolutionAndNorm[]): ConvolutionAndNorm[] {
  return parts
    .filter(([convolution]) => layers.has(`${block}.${convolution}.weight`))
    .map(([convolution, norm]) => [`${block}.${convolution}`, `${block}.${norm}`]);
}

const packageNames: EfficientNetNames = {
  anchor: '_blocks.0._depthwise_conv.weight',
  stem: ['_conv_stem', '_bn0'],
  blocks: (layers) =>
    positions(layers, /^_blocks\.(\d{1,3})\._depthwise_conv\.weight$/).map(([position]) => {
      const name = `_blocks.${position}`;
      return {
        name,
        stage: -1,
        convolutions: present(layers, name, [
          ['_expand_conv', '_bn0'],
          ['_depthwise_conv', '_bn1'],
          ['_project_conv', '_bn2'],
        ]),
        ...(layers.has(`${name}._se_reduce.weight`)
          ? { excitation: { name, reduce: '_se_reduce', expand: '_se_expand' } }
          : {}),
      };
    }),
  head: () => ['_conv_head', '_bn1'],
  classifier: '_fc',
  isTrunk: /^_(?!fc\.)/,
  fromTensorFlow: () => true,
  wideEpsilon: () => true,
};

/** timm's kinds of block: plain, fused, depthwise separable, inverted. */
function timmBlock(layers: Layers, name: string): readonly ConvolutionAndNorm[] {
  const has = (part: string) => layers.has(`${name}.${part}.weight`);
  const parts: readonly ConvolutionAndNorm[] = has('conv_exp')
    ? [
        ['conv_exp', 'bn1'],
        ['conv_pwl', 'bn2'],
      ]
    : has('conv_pwl')
      ? [
          ['conv_pw', 'bn1'],
          ['conv_dw', 'bn2'],
          ['conv_pwl', 'bn3'],
        ]
      : has('conv_dw')
        ? [
            ['conv_dw', 'bn1'],
            ['conv_pw', 'bn2'],
          ]
        : [['conv', 'bn1']];
  return parts.map(([convolution, norm]) => [`${name}.${convolution}`, `${name}.${norm}`]);
}

const timm = (anchor: string): EfficientNetNames => ({
  anchor,
  stem: ['conv_stem', 'bn1'],
  blocks: (layers) =>
    positions(layers, /^blocks\.(\d{1,2})\.(\d{1,3})\.conv\w*\.weight$/).map(([stage, position]) => {
      const name = `blocks.${stage}.${position}`;
      return {
        name,
        stage: stage!,
        convolutions: timmBlock(layers, name),
        ...(layers.has(`${name}.se.conv_reduce.weight`)
          ? { excitation: { name: `${name}.se`, reduce: 'conv_reduce', expand: 'conv_expand' } }
          : {}),
      };
    }),
  head: () => ['conv_head', 'bn2'],
  classifier: 'classifier',
  isTrunk: /^(conv_stem|bn1|blocks|conv_head|bn2)\./,
  fromTensorFlow: (source, { arch, name }) => /(^|[\\/._-])tf_/.test(arch ?? name ?? source),
  wideEpsilon: () => false,
  assumption:
    'padding and batch norm are read as those of networks that timm trained itself; for one of its tf_ networks say ' +
    '"arch": "tf_efficientnet" in the configuration',
});

const torchvision: EfficientNetNames = {
  anchor: 'features.1.0.block.0.0.weight',
  stem: ['features.0.0', 'features.0.1'],
  blocks: (layers) =>
    positions(layers, /^features\.(\d{1,2})\.(\d{1,3})\.block\.0\.0\.weight$/).map(([stage, position]) => {
      const name = `features.${stage}.${position}`;
      const parts = [0, 1, 2, 3].map((part) => `block.${part}`);
      const excited = parts.find((part) => layers.has(`${name}.${part}.fc1.weight`));
      return {
        name,
        stage: stage! - 1,
        convolutions: present(
          layers,
          name,
          parts.map((part) => [`${part}.0`, `${part}.1`]),
        ),
        ...(excited === undefined
          ? {}
          : { excitation: { name: `${name}.${excited}`, reduce: 'fc1', expand: 'fc2' } }),
      };
    }),
  head: (blocks) => {
    const last = blocks.at(-1)!.stage + 2;
    return [`features.${last}.0`, `features.${last}.1`];
  },
  classifier: 'classifier.1',
  isTrunk: /^features\./,
  fromTensorFlow: () => false,
  // torchvision gives B5 to B7 and V2 batch norms of 1e-3, as their weights come from TensorFlow's recipe.
  wideEpsilon: (form, blocks) => form === 'EfficientNetV2' || blocks >= 39,
};

/** The EfficientNet-PyTorch package's names, timm's (V1 and V2), torchvision's. */
export const efficientNetNames: readonly EfficientNetNames[] = [
  packageNames,
  timm('blocks.0.0.conv_dw.weight'),
  timm('blocks.0.0.conv.weight'),
  torchvision,
];
