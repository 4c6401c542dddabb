import { FoveaError } from '../errors.js';
import { reworded } from '../reworded.js';
import type { Network } from './network.js';

/**
 * An error at another input size than the file's, with what mends it where the file may have fixed sizes: exporters write
 * those of the image that they traced into operators that onnxruntime runs. Every other error is given back as it is.
 */
export function atOtherSize(
  network: Network,
  { height, width }: { readonly height: number; readonly width: number },
  error: unknown,
): unknown {
  const { inputShape, nodes } = network;
  if (!(error instanceof FoveaError) || (error.code !== 'bad-shape' && error.code !== 'unsupported'))
    return error;
  if (height === inputShape.height && width === inputShape.width) return error;
  if (nodes.every(({ kind }) => kind !== 'foreign')) return error;
  const hint =
    `; what runs in onnxruntime of this network may fit ${inputShape.height} x ${inputShape.width} alone: export it for ` +
    `${height} x ${width}, or with dynamic axes`;
  if (error.message.endsWith(hint)) return error;
  return reworded(error, `${error.message}${hint}`);
}
