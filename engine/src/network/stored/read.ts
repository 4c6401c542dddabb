import { FoveaError } from '../../errors.js';
import { float32Of, type Safetensors } from '../checkpoint/safetensors.js';
import type { Network } from '../network.js';
import { decodeModel } from '../onnx/decode.js';
import { loadExternalData } from '../onnx/external-data.js';
import { learnShapes, networkShapes } from '../walk.js';
import { checkNetwork } from './check-network.js';
import { earlierFormat, fromEarlierFormat } from './earlier-format.js';
import { storedFormat } from './write.js';

/** Deeper than any network is nested; a forged file must not exhaust the stack. */
const deepest = 16;

/** Whether a safetensors file holds a whole network, as {@link storeNetwork} writes it. */
export function isStoredNetwork({ metadata }: Safetensors): boolean {
  return metadata.format?.startsWith('fovea network') ?? false;
}

/**
 * Reads a network that {@link storeNetwork} wrote, also before blocks had attention of other kinds.
 * @throws FoveaError `bad-file` naming what is wrong; `bad-shape` when its layers do not fit each other
 */
export async function networkFromStored(file: Safetensors): Promise<Network> {
  const { source, metadata } = file;
  const fail = (what: string, cause?: unknown): never => {
    throw new FoveaError('bad-file', `${source}: ${what}`, { cause });
  };
  if (metadata.format !== storedFormat && metadata.format !== earlierFormat) {
    fail(`written as "${metadata.format}"; this version reads "${storedFormat}"`);
  }
  let tree: unknown;
  try {
    tree = JSON.parse(metadata.network ?? '');
  } catch (cause) {
    fail('the description of the network is not valid JSON', cause);
  }
  const left = new Set(file.tensors.keys());
  const decode = (value: unknown, depth: number): unknown => {
    if (depth > deepest) fail(`the description of the network is nested more than ${deepest} deep`);
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((entry) => decode(entry, depth + 1));
    const { $array: array, $number: number } = value as { $array?: unknown; $number?: unknown };
    if (array !== undefined) {
      // Each array once: a small file that names one many times must not fill the memory.
      if (typeof array !== 'string' || !left.delete(array)) {
        fail(`array ${JSON.stringify(array)} is not in the file, or is named twice`);
      }
      const tensor = file.tensors.get(array as string)!;
      return tensor.format === 'U8' ? tensor.bytes.slice() : float32Of(file, array as string);
    }
    if (number !== undefined) return Number(number);
    const entries = Object.entries(value).map(([key, entry]) => [key, decode(entry, depth + 1)] as const);
    return Object.fromEntries(entries);
  };
  const decoded = decode(tree, 0);
  const network = checkNetwork(
    metadata.format === earlierFormat ? fromEarlierFormat(decoded) : decoded,
    source,
  );
  if (left.size > 0) fail(`array ${JSON.stringify([...left][0])} belongs to nothing`);
  for (const node of network.nodes) {
    // A piece that keeps its weights in other files of this machine is refused here.
    if (node.kind === 'foreign') await loadExternalData(decodeModel(node.model, source), source, undefined);
  }
  await learnShapes(network, network.inputShape);
  networkShapes(network, { batch: 1, ...network.inputShape });
  return network;
}
