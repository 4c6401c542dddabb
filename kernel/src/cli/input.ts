import {
  decodeImage,
  FoveaError,
  float32Of,
  looksLikeImage,
  type Network,
  parseSafetensors,
  preprocess,
  readFileBytes,
  Tensor,
} from '@fovea/engine';

/**
 * The images of a file: `input` of a `.safetensors` file, taken as it is, or an image, scaled, cropped and
 * normalised as torchvision's networks expect.
 *
 * @throws FoveaError `io` when it cannot be read, `bad-file` when it is damaged, `bad-shape` when `input` is
 *   missing or not (N, C, H, W)
 */
export async function readInput(path: string, network: Network): Promise<Tensor> {
  const bytes = await readFileBytes(path);
  if (looksLikeImage(bytes)) {
    const { channels, height, width } = network.inputShape;
    const image = await decodeImage(bytes, path);
    return preprocess(image, { height, width, channels: channels === 1 ? 1 : 3 });
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
