import { FoveaError } from '../errors.js';
import { maskGrid } from '../mask/geometry.js';

/** A LASNet-style ResNet to be trained: torchvision's layout with one masker a block. */
export interface Architecture {
  readonly kind: 'bottleneck' | 'basic';
  /** Blocks per stage. */
  readonly layers: readonly number[];
  /** Channels of the first stage's 3x3 convolutions; they double with every stage. */
  readonly width: number;
  /** Nominal input side, pixels. */
  readonly size: number;
  readonly classes: number;
  /** Granularity S per stage. */
  readonly granularity: readonly number[];
}

/** One convolution of the architecture, with the batch norm that follows it. */
export interface ConvolutionShape {
  /** Name of the convolution and of its batch norm in the state dict. */
  readonly name: string;
  readonly norm: string;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly inSide: number;
  readonly outSide: number;
}

/** One block: its convolutions, its mask's grid and the map that the mask is dilated on. */
export interface BlockGeometry {
  readonly name: string;
  readonly stage: number;
  readonly branch: readonly ConvolutionShape[];
  readonly projection?: ConvolutionShape;
  readonly granularity: number;
  /** Cells per side of the mask. */
  readonly cells: number;
  /** Index in `branch` of the last spatial convolution; what comes before it runs on the dilated mask. */
  readonly spatial: number;
}

/** Every layer of an architecture with its shape. */
export interface Layout {
  readonly architecture: Architecture;
  readonly stem: ConvolutionShape;
  /** Side of the map that the stem's max pool writes. */
  readonly pooledSide: number;
  readonly blocks: readonly BlockGeometry[];
  readonly features: number;
}

const expansion = { bottleneck: 4, basic: 1 } as const;

const positive = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;

/**
 * Lays an architecture out.
 * @throws FoveaError `bad-argument` naming the field that is out of range
 */
export function layoutOf(architecture: Architecture): Layout {
  check(architecture);
  const { kind, layers, width, size, granularity } = architecture;
  const half = (side: number) => Math.ceil(side / 2);
  const stem: ConvolutionShape = {
    name: 'conv1',
    norm: 'bn1',
    inChannels: 3,
    outChannels: width,
    kernel: 7,
    stride: 2,
    padding: 3,
    inSide: size,
    outSide: half(size),
  };
  const pooledSide = half(stem.outSide);
  const blocks: BlockGeometry[] = [];
  let channels = width;
  let side = pooledSide;
  layers.forEach((depth, stage) => {
    const inner = width * 2 ** stage;
    const outChannels = inner * expansion[kind];
    for (let position = 0; position < depth; position++) {
      const name = `layer${stage + 1}.${position}`;
      const stride = stage > 0 && position === 0 ? 2 : 1;
      const outSide = stride === 2 ? half(side) : side;
      const shape = (
        i: number,
        from: number,
        to: number,
        kernel: number,
        step: number,
      ): ConvolutionShape => ({
        name: `${name}.conv${i}`,
        norm: `${name}.bn${i}`,
        inChannels: from,
        outChannels: to,
        kernel,
        stride: step,
        padding: kernel >> 1,
        inSide: i === 1 ? side : kind === 'bottleneck' && i === 2 ? side : outSide,
        outSide: kind === 'bottleneck' && i === 1 ? side : outSide,
      });
      const branch =
        kind === 'bottleneck'
          ? [
              shape(1, channels, inner, 1, 1),
              shape(2, inner, inner, 3, stride),
              shape(3, inner, outChannels, 1, 1),
            ]
          : [shape(1, channels, inner, 3, stride), shape(2, inner, inner, 3, 1)];
      blocks.push({
        name,
        stage,
        branch,
        ...(stride !== 1 || channels !== outChannels
          ? {
              projection: {
                name: `${name}.downsample.0`,
                norm: `${name}.downsample.1`,
                inChannels: channels,
                outChannels,
                kernel: 1,
                stride,
                padding: 0,
                inSide: side,
                outSide,
              },
            }
          : {}),
        granularity: granularity[stage]!,
        cells: maskGrid(outSide, outSide, granularity[stage]!).rows,
        spatial: 1,
      });
      channels = outChannels;
      side = outSide;
    }
  });
  return { architecture, stem, pooledSide, blocks, features: channels };
}

function check({ kind, layers, width, size, classes, granularity }: Architecture): void {
  const fail = (what: string): never => {
    throw new FoveaError('bad-argument', `architecture: ${what}`);
  };
  if (kind !== 'bottleneck' && kind !== 'basic') fail(`kind "${kind}"; bottleneck and basic are accepted`);
  if (!Array.isArray(layers) || layers.length < 1 || layers.length > 6 || !layers.every(positive)) {
    fail(`layers ${JSON.stringify(layers)}; one to six counts of at least 1 are accepted`);
  }
  if (layers.some((depth) => depth > 64)) fail(`layers [${layers.join(', ')}]; at most 64 blocks a stage`);
  if (!positive(width) || width > 512) fail(`width ${width}; an integer from 1 to 512 is accepted`);
  if (!positive(size) || size < 32 || size > 1024) fail(`size ${size}; 32 to 1024 pixels are accepted`);
  if (!positive(classes) || classes < 2 || classes > 10000)
    fail(`classes ${classes}; 2 to 10000 are accepted`);
  if (!Array.isArray(granularity) || granularity.length !== layers.length || !granularity.every(positive)) {
    fail(
      `granularity ${JSON.stringify(granularity)}; one S of at least 1 per stage (${layers.length}) is accepted`,
    );
  }
}

/** Multiply-adds of a convolution on one image. */
function macsOf({ inChannels, outChannels, kernel, outSide }: ConvolutionShape): number {
  return inChannels * outChannels * kernel * kernel * outSide * outSide;
}

/**
 * Multiply-adds of one image: per block what is always paid (masker, projection), what follows the dilated
 * rate, and what follows the rate; then everything outside blocks.
 */
export function costsOf(layout: Layout): {
  readonly blocks: readonly { readonly fixed: number; readonly dilated: number; readonly active: number }[];
  readonly rest: number;
} {
  const sum = (shapes: readonly ConvolutionShape[]) =>
    shapes.reduce((total, shape) => total + macsOf(shape), 0);
  return {
    blocks: layout.blocks.map(({ branch, projection, cells, spatial }) => ({
      fixed: (projection ? macsOf(projection) : 0) + 2 * cells * cells * branch[0]!.inChannels,
      dilated: sum(branch.slice(0, spatial)),
      active: sum(branch.slice(spatial)),
    })),
    rest: macsOf(layout.stem) + layout.features * layout.architecture.classes,
  };
}
