import type {
  Activation,
  ConvolutionActivation,
  Interpolation,
  MapStatistics,
  PixelWeighting,
} from '@fovea/engine/backend';
import type { AttentionKind } from '../support/attention.js';

/**
 * One differential test, as plain data: a network, pictures, maskers, and the runs that must all compute the same.
 * `npm run fuzz -- engine --case FILE` reads one from a file.
 */
export interface Case {
  /** Of weights, pictures and places of cells. */
  readonly seed: number;
  readonly stem: StemCase;
  readonly blocks: readonly BlockCase[];
  /** Additions behind a block of what an earlier block made, which so is read once more than the chain reads it. */
  readonly skips: readonly { readonly after: number; readonly of: number }[];
  /** Where channels of two blocks' maps come side by side, as skips read once more. */
  readonly joins?: readonly JoinCase[];
  /** Width of a classifier on a global pool; 0: the last block's map is the output, where no error averages out. */
  readonly classes: number;
  readonly height: number;
  readonly width: number;
  /** Different pictures; each run takes a batch of them. */
  readonly pictures: number;
  readonly excitation: 'exact' | 'active';
  readonly runs: readonly RunCase[];
}

/**
 * What lies behind a block: its map and that of an earlier block of the same shape, both made larger, the first by the
 * interpolation and the second by repeating pixels; side by side; as many channels of both as each has; and the map
 * made as small again by the largest of the pixels.
 */
export interface JoinCase {
  readonly after: number;
  readonly of: number;
  readonly factor: readonly [number, number];
  readonly interpolation: Interpolation;
  /** The first channel, as a share of those of one map. */
  readonly first: number;
  /** Those channels times their means, in either order, and then times themselves; or times the first of them. */
  readonly product?: 'scale' | 'scaled' | 'square' | 'pixels';
  /** What its values are normalised by; left out, nothing. */
  readonly statistics?: MapStatistics;
  /** How its pixels attend to each other, as they are queries, keys and values; left out, not at all. */
  readonly attends?: PixelWeighting;
  /** Whether they do so in windows as large as the factor, shifted or not, by softmax with a bias; left out, in such patches. */
  readonly windows?: 'plain' | 'shifted';
}

export interface StemCase {
  readonly channels: number;
  readonly kernel: number;
  readonly stride: number;
  /** A max pool of stride 2 behind the convolution. */
  readonly pool: boolean;
}

export interface BlockCase {
  /**
   * `single` has one convolution, `convnext` a depthwise one before two pointwise ones, `separable` an activation and three
   * pairs of a depthwise and a pointwise one.
   */
  readonly kind: 'single' | 'basic' | 'bottleneck' | 'inverted' | 'convnext' | 'separable';
  /** Channels between the convolutions. */
  readonly width: number;
  /** Output channels. */
  readonly channels: number;
  readonly stride: number;
  /** Whether the stride is conv1's though it is not the spatial one. */
  readonly stridesFirst: boolean;
  /** Height of the spatial convolutions' kernels, and their width where there is no other. */
  readonly kernel: number;
  readonly kernelWidth?: number;
  readonly dilation: number;
  /** Pixels by which the kernels lie lower and further right than in the middle, −1 to 1. */
  readonly shift: number;
  /** True: the shortcut is pooled by the stride before its projection (ResNet-D). */
  readonly pooledShortcut?: boolean;
  /** Where the spatial convolution of a stride above 1 has its odd zero when its padding follows from the map's size. */
  readonly samePadding?: 'upper' | 'lower';
  /** Of the spatial convolution of a bottleneck. */
  readonly groups: number;
  /** Channels that squeeze-and-excitation squeezes to; 0: none. */
  readonly squeeze: number;
  /** Whether that stands behind the branch; before its last convolution otherwise. */
  readonly squeezesLast: boolean;
  /** What attention it is; left out, squeeze-and-excitation. */
  readonly attention?: AttentionKind;
  /** Set where a max-pool of 3x3 stands behind the branch's first convolution. */
  readonly pools?: true;
  /** What is normalised over channels: the spatial convolutions of the branch, or everything; left out, nothing. */
  readonly normalised?: 'spatial' | 'all';
  /** Set where the mean is left out of that. */
  readonly uncentred?: true;
  /** Inside the branch. */
  readonly inner: ConvolutionActivation;
  /** After the add. */
  readonly outer: Activation;
  /** S, 0 for the whole map. */
  readonly granularity: number;
  readonly masker: MaskerKind;
  /** Fraction of active cells aimed at. */
  readonly rate: number;
  /** True: runs without a mask. */
  readonly dense: boolean;
}

/** `custom` answers numbers, `custom-later` a promise of booleans. */
export type MaskerKind = 'learned' | 'saliency' | 'fixed' | 'random' | 'custom' | 'custom-later';

export interface RunCase {
  readonly backend: 'native' | 'onnx' | 'reference' | 'webgpu';
  /** A strategy's name, or the groups of each block: primitives between spaces, groups between bars. */
  readonly plan: string | readonly string[];
  /** Seed of random rewrites of all blocks. */
  readonly rewrite?: number;
  readonly threads: number;
  /** Pixels in each band of a native stream; 0: as many as suit the caches. */
  readonly bandPixels: number;
  /** The batch: numbers of pictures, which may repeat. */
  readonly batch: readonly number[];
}

/** A block without a shortcut cannot leave anything out. */
export function isAdaptive(block: BlockCase, inChannels: number): boolean {
  return block.kind !== 'inverted' || (block.stride === 1 && block.channels === inChannels);
}

/** Channels that each block reads. */
export function inputChannels({ stem, blocks }: Case, index: number): number {
  return index === 0 ? stem.channels : blocks[index - 1]!.channels;
}

/** One line: what is run, on what. */
export function summary(test: Case): string {
  const blocks = test.blocks.map(
    ({
      kind,
      width,
      channels,
      stride,
      groups,
      squeeze,
      squeezesLast,
      attention,
      pools,
      normalised,
      uncentred,
      granularity,
      masker,
      dense,
    }) =>
      `${kind} ${width}-${channels}${stride > 1 ? `/${stride}` : ''}${groups > 1 ? ` g${groups}` : ''}` +
      `${squeeze > 0 ? ` ${attention ?? 'squeeze'}${squeezesLast ? ' last' : ''}` : ''}${pools ? ' pools' : ''}${normalised ? ` normalised ${normalised}${uncentred ? ' uncentred' : ''}` : ''} S${granularity || 'whole'} ${dense ? 'dense' : masker}`,
  );
  const joined = test.joins?.length ? `, ${test.joins.length} joined` : '';
  return `${test.pictures} of ${test.height} x ${test.width}, stem ${test.stem.channels}, ${blocks.join(', ')}${joined}`;
}

export function describeRun({ backend, plan, rewrite, threads, bandPixels, batch }: RunCase): string {
  const name = typeof plan === 'string' ? plan : 'plan of its own';
  const bands = bandPixels > 0 ? `, bands of ${bandPixels} pixels` : '';
  const edits = rewrite === undefined ? '' : ` rewritten by seed ${rewrite}`;
  return `${backend}, ${name}${edits}, ${threads} threads${bands}, pictures ${batch.join(' ')}`;
}
