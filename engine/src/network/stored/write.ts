import { FoveaError } from '../../errors.js';
import { type NamedTensor, writeSafetensors } from '../checkpoint/safetensors.js';
import type { Network } from '../network.js';

/** What the metadata of such a file says it is. */
export const storedFormat = 'fovea network 2';

/**
 * Writes a network with its maskers as one safetensors file: the arrays under the names of what holds them, everything
 * else as JSON in the metadata, where each array is `{ "$array": name }`.
 * @throws FoveaError `unsupported` for a network that holds something else than plain values and arrays of them
 */
export function storeNetwork(network: Network): Uint8Array<ArrayBuffer> {
  // Where the network came from means nothing to a reader of the file.
  const { onnxPath: _, onnxOutput: __, ...kept } = network;
  const arrays: Record<string, NamedTensor> = {};
  const nameFor = (wanted: string) => {
    let name = wanted;
    for (let i = 2; Object.hasOwn(arrays, name); i++) name = `${wanted}:${i}`;
    return name;
  };
  const encode = (value: unknown, path: string): unknown => {
    if (value instanceof Float32Array || value instanceof Uint8Array) {
      const name = nameFor(path);
      arrays[name] = { shape: [value.length], values: value };
      return { $array: name };
    }
    if (typeof value === 'number' && !Number.isFinite(value)) return { $number: String(value) };
    if (Array.isArray(value)) return value.map((entry, i) => encode(entry, `${path}.${i}`));
    if (typeof value === 'object' && value !== null) {
      if (Object.getPrototypeOf(value) !== Object.prototype) {
        throw new FoveaError('unsupported', `${network.name}: ${path} is no plain value; it cannot be saved`);
      }
      // A named object starts a path.
      const own = (value as { name?: unknown }).name;
      const at = typeof own === 'string' && own !== '' ? own : path;
      const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
      return Object.fromEntries(entries.map(([key, entry]) => [key, encode(entry, `${at}.${key}`)]));
    }
    return value;
  };
  const text = JSON.stringify(encode(kept, 'network'));
  return writeSafetensors(arrays, { format: storedFormat, network: text });
}
