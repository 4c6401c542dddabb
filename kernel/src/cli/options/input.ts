import { FoveaError, type Network, preprocess, Tensor } from '@fovea/engine';
import {
  decodeImage,
  imageChannels,
  imageFormats,
  looksLikeImage,
  looksLikeSafetensors,
  readFileBytes,
} from '@fovea/engine/internal';
import { float32Of, parseSafetensors } from '@fovea/engine/train';
import { type PreprocessingOptions, parsePreprocessing, refusePreprocessing } from './preprocessing.js';

/**
 * The images of a file: `input` of a `.safetensors` file, taken as it is, or an image, scaled, cropped and
 * normalised by the options.
 *
 * @throws FoveaError `bad-argument` for such options beside an array, which is normalised already, `io` when it cannot
 *   be read, `bad-file` when it is damaged, `bad-shape` when `input` is missing or not (N, C, H, W)
 */
export async function readInput(
  path: string,
  network: Network,
  options: PreprocessingOptions = {},
): Promise<Tensor> {
  const { size = network.inputShape, how } = parsePreprocessing(options);
  const bytes = await readFileBytes(path);
  if (looksLikeImage(bytes)) {
    const { height, width } = size;
    return preprocess(await decodeImage(bytes, path), {
      ...network.preprocessing,
      ...how,
      height,
      width,
      channels: imageChannels(network),
    });
  }
  refusePreprocessing(
    options,
    ['size', 'resize', 'crop', 'mean', 'std'],
    `is for images; ${path} is read as an array, which is taken as it is`,
  );
  if (!looksLikeSafetensors(bytes)) {
    throw new FoveaError(
      'bad-file',
      `${path} is neither an image that can be read (${imageFormats}) nor a .safetensors file`,
    );
  }
  const file = parseSafetensors(bytes, path);
  const stored = file.tensors.get('input');
  if (stored?.shape.length !== 4) {
    throw new FoveaError(
      'bad-shape',
      `${path}: an array "input" of shape (N, C, H, W) is needed, got ${stored ? `(${stored.shape.join(', ')})` : 'none'}`,
    );
  }
  return Tensor.fromNCHW(
    stored.shape as [number, number, number, number],
    float32Of(file, 'input', stored.shape),
  );
}
