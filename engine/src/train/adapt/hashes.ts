import { createHash } from 'node:crypto';
import type { RgbImage } from '../../image/decode.js';
import type { Network } from '../../network/network.js';
import type { Tensor } from '../../tensor.js';

/** SHA-256 of all that a network computes with: its nodes, their weights, and its maskers. */
export function networkHash({ nodes, input, output, inputShape }: Network): string {
  const hash = createHash('sha256');
  // Arrays are hashed as bytes in the order that they are met, and named by their length in the text around them.
  const text = JSON.stringify({ nodes, input, output, inputShape }, (_, value: unknown) => {
    if (!ArrayBuffer.isView(value)) return value;
    hash.update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    return `${value.constructor.name} of ${value.byteLength} bytes`;
  });
  return hash.update(text).digest('hex');
}

/** SHA-256 of images, their sizes and their order. */
export function imagesHash(images: Tensor | readonly RgbImage[]): string {
  const hash = createHash('sha256');
  const add = (extents: readonly number[], { buffer, byteOffset, byteLength }: ArrayBufferView) =>
    hash.update(`${extents.join('x')};`).update(new Uint8Array(buffer, byteOffset, byteLength));
  if ('shape' in images) add(images.shape, images.data);
  else for (const { width, height, data } of images) add([height, width], data);
  return hash.digest('hex');
}
