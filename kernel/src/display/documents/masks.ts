import {
  activeFraction,
  blocksOf,
  FoveaError,
  type Mask,
  type Network,
  type Tensor,
  topClasses,
} from '@fovea/engine';
import { spreadCells } from '@fovea/engine/backend';
import {
  aMask,
  aNetwork,
  aPosition,
  aText,
  either,
  expectArgument,
  expectFields,
  listOf,
} from '@fovea/engine/files';
import { aPicture, masksOfRun, masksOptionKinds } from '../argument-kinds.js';
import type { MasksBlock, MasksDocument } from '../mime.js';
import { type Picture, type PictureOptions, type PictureSource, pictures } from '../picture.js';
import { onImage } from './token-grid.js';

/** The parts of a run's result that the picture of its masks needs. */
export interface MasksSource {
  readonly masks: readonly Mask[];
  /** Logits or probabilities, `[N, 1, 1, classes]`, for the most probable classes. */
  readonly output?: Tensor;
  readonly profile?: { readonly strategy: string };
}

/** Title, names and size of a masks document. */
export interface MasksDocumentOptions extends PictureOptions {
  readonly title?: string;
  /** Names of the images, where the sources carry none. */
  readonly names?: readonly string[];
  /** Class names, where the network carries none. */
  readonly labels?: readonly string[];
  /** How many classes to name per image. Default 3. */
  readonly top?: number;
}

/**
 * The document of where a network computed on each image.
 * @param result what `run` returned, or anything with its masks
 * @param images the images that ran, in batch order: one source per image, or a tensor of the whole batch
 * @throws FoveaError `bad-argument` when there are fewer pictures than images in the masks' batch
 */
export function masksDocument(
  result: MasksSource,
  images: PictureSource | readonly PictureSource[],
  network: Network,
  options: MasksDocumentOptions = {},
): MasksDocument {
  expectArgument(result, masksOfRun, 'showMasks: result');
  expectArgument(images, either(aPicture, listOf(aPicture, 'such pictures')), 'showMasks: images');
  expectArgument(network, aNetwork, 'showMasks: network');
  expectFields(options, masksOptionKinds, 'showMasks: options');
  const { title, names, labels = network.labels, top = 3 } = options;
  const sources = Array.isArray(images) ? (images as readonly PictureSource[]) : [images as PictureSource];
  const shown = sources.flatMap((source) => pictures(source, options));
  const batch = result.masks[0]?.batch ?? shown.length;
  if (shown.length < batch) {
    throw new FoveaError(
      'bad-argument',
      `the masks cover ${batch} images, but ${shown.length} were given to show them on`,
    );
  }
  const blocks = new Map(blocksOf(network).map((block) => [block.index, block]));
  return {
    version: 1,
    ...(title === undefined ? {} : { title }),
    network: network.name,
    ...(result.profile === undefined ? {} : { strategy: result.profile.strategy }),
    images: shown.slice(0, batch).map((picture: Picture, image) => {
      const classes = result.output === undefined ? [] : topClasses(result.output, image, top, labels);
      return {
        name: names?.[image] ?? picture.name,
        width: picture.width,
        height: picture.height,
        png: Buffer.from(picture.png).toString('base64'),
        ...(classes.length === 0
          ? {}
          : { top: classes.map(({ label, probability }) => ({ label, probability })) }),
        blocks: result.masks.map((mask) => {
          const block = blocks.get(mask.block);
          const drawn = onImage(mask, network);
          const made = masksBlock(drawn, image, block?.name ?? `block ${mask.block}`, block?.stage ?? 0);
          return drawn === mask ? made : { ...made, rate: rateOf(mask, image) };
        }),
      };
    }),
  };
}

/** One image's share of a mask, as the document writes it. */
export function masksBlock(mask: Mask, image: number, name: string, stage: number): MasksBlock {
  expectArgument(mask, aMask, 'masksBlock: mask');
  expectArgument(image, aPosition, 'masksBlock: image');
  expectArgument(name, aText, 'masksBlock: name');
  expectArgument(stage, aPosition, 'masksBlock: stage');
  if (image >= mask.batch)
    throw new FoveaError(
      'bad-argument',
      `masksBlock: image ${image} of ${mask.batch}; 0 to ${mask.batch - 1} are accepted`,
    );
  const { rows, columns, height, width, granularity } = mask;
  const count = rows * columns;
  const cells = mask.cells.subarray(image * count, (image + 1) * count);
  return {
    index: mask.block,
    name,
    stage,
    granularity,
    rate: rateOf(mask, image),
    rows,
    columns,
    height,
    width,
    cells: Array.from(cells, (cell) => (cell ? '1' : '0')).join(''),
    ...(mask.margins === undefined
      ? {}
      : { margins: packMargins(mask.margins.subarray(image * count, (image + 1) * count)) }),
  };
}

/** Share of an image's output pixels that a mask has computed. */
function rateOf(mask: Mask, image: number): number {
  const { rows, columns, height, width } = mask;
  const cells = mask.cells.subarray(image * rows * columns, (image + 1) * rows * columns);
  return activeFraction(spreadCells(cells, mask, 1, height, width));
}

/** Margins as signed bytes of one common scale. */
function packMargins(margins: Float32Array): { scale: number; base64: string } {
  let largest = 0;
  for (const margin of margins) if (Number.isFinite(margin)) largest = Math.max(largest, Math.abs(margin));
  const scale = largest === 0 ? 1 : largest / 127;
  const bytes = Int8Array.from(margins, (margin) => {
    if (Number.isFinite(margin)) return Math.round(margin / scale);
    return margin > 0 ? 127 : -127;
  });
  return { scale, base64: Buffer.from(bytes.buffer).toString('base64') };
}
