import {
  FoveaError,
  type Network,
  type Preprocessing,
  type PreprocessOptions,
  preprocess,
  type Tensor,
} from '@fovea/engine';
import {
  aNetwork,
  aNumber,
  aSize,
  aText,
  aUint8Array,
  didYouMean,
  either,
  expectArgument,
  expectOptions,
  numbers,
} from '@fovea/engine/files';
import {
  decodeImage,
  drawScene,
  type ImageSize,
  imageChannels,
  normalised,
  readFileBytes,
} from '@fovea/engine/internal';
import { objectLabels } from '@fovea/engine/train';

/** A picture as a network takes it; `showMasks` takes it as it is. */
export interface NetworkImage {
  readonly name: string;
  /** `[1, H, W, C]`, normalised; as torchvision's models expect where nothing else was asked for. */
  readonly tensor: Tensor;
}

/** What a network takes: its nominal size, of grey images or of colour, and its own way of normalising them. */
function inputOf(target: Network | ImageSize): PreprocessOptions & { readonly channels: 1 | 3 } {
  expectArgument(target, either(aNetwork, aSize), 'the size wanted:');
  if (!('nodes' in target)) return { height: target.height, width: target.width, channels: 3 };
  const { height, width } = target.inputShape;
  return { ...target.preprocessing, height, width, channels: imageChannels(target) };
}

/**
 * Reads a picture for a network as `fovea infer` does: scaled and cropped to the network's input, and normalised.
 *
 *     const image = await fovea.readImage('dog.jpg', network);
 *     const result = await run(network, image.tensor);
 *     fovea.showMasks(result, image, network);
 *
 * @param source path of a PNG, JPEG, WebP, GIF, TIFF or AVIF file, or such a file's bytes
 * @param target the network, or the size wanted
 * @param how crop, stretch, mean and deviation; the network's own when left out, or as torchvision evaluates
 * @throws FoveaError `io` when the file cannot be read, `bad-file` when it holds no picture
 */
export async function readImage(
  source: string | Uint8Array,
  target: Network | ImageSize,
  how: Preprocessing = {},
): Promise<NetworkImage> {
  expectArgument(source, either(aText, aUint8Array), 'readImage: source');
  expectOptions(how, { fit: aText, cropFraction: aNumber, mean: numbers, deviation: numbers }, 'readImage');
  const input = inputOf(target);
  const name = typeof source === 'string' ? source.split(/[\\/]/).at(-1)! : 'image';
  const bytes = typeof source === 'string' ? await readFileBytes(source) : source;
  return { name, tensor: await preprocess(await decodeImage(bytes, name), { ...input, ...how }) };
}

/** Name of a sample image; editors offer those that there are. */
export type SampleImageName =
  | 'ball'
  | 'cactus'
  | 'fish'
  | 'flower'
  | 'house'
  | 'mug'
  | 'mushroom'
  | 'rocket'
  | 'sailboat'
  | 'star'
  | (string & Record<never, never>);

/** Names that `sampleImage` accepts. */
export const sampleImageNames: readonly string[] = objectLabels;

/** Sample images are not among those that the shipped network was trained or tested on. */
const sampleSeed = 20_240_607;
const drawnSide = 224;

/**
 * A drawn picture of one object, always the same for the same name.
 * @throws FoveaError `unknown-name` listing the names
 */
export async function sampleImage(name: SampleImageName, target: Network | ImageSize): Promise<NetworkImage> {
  expectArgument(name, aText, 'sampleImage: name');
  const input = inputOf(target);
  const { height, width } = input;
  const fits = height === width && height >= 64 && height <= drawnSide;
  const { pixels, size } = drawSample(name, fits ? height : drawnSide);
  if (fits) return { name, tensor: normalised([pixels], input) };
  const drawn = { width: size, height: size, data: pixels };
  // A drawn scene has no margin to crop away.
  return { name, tensor: await preprocess(drawn, { ...input, cropFraction: 1 }) };
}

/** The bytes of a sample image, red, green, blue. */
export function drawSample(
  name: string,
  side: number,
): { readonly pixels: Uint8Array; readonly size: number } {
  const label = sampleImageNames.indexOf(name);
  if (label < 0) {
    throw new FoveaError(
      'unknown-name',
      `no sample image "${name}"; there are ${sampleImageNames.join(', ')}${didYouMean(name, sampleImageNames)}`,
    );
  }
  return drawScene(sampleSeed, label, label, side);
}
