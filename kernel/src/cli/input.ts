import { readFile } from 'node:fs/promises';
import { FoveaError, float32Of, type Network, parseSafetensors, Tensor } from '@fovea/engine';

/**
 * The images of a file: `input` of a `.safetensors` file, taken as it is.
 *
 * @throws FoveaError `io` when it cannot be read, `bad-file` when it is damaged, `bad-shape` when `input` is
 *   missing or not (N, C, H, W)
 */
export async function readInput(path: string, _network: Network): Promise<Tensor> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new FoveaError('io', `cannot read ${path}: ${(cause as Error).message}`, { cause });
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
