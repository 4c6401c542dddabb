import { expectArgument, expectOptions } from '../arguments/expect.js';
import { anObject, aText, aUint8Array } from '../arguments/kinds.js';
import { FoveaError } from '../errors.js';
import { reworded } from '../reworded.js';
import { type CheckpointConfig, configKey, parseCheckpointConfig } from './checkpoint/config.js';
import { looksLikePyTorch, readPyTorch } from './checkpoint/pytorch/read.js';
import { findStateDict } from './checkpoint/pytorch/state-dict.js';
import { parseSafetensors, type Safetensors } from './checkpoint/safetensors.js';
import { networkFromStateDict } from './checkpoint/state-dict.js';
import type { Network } from './network.js';
import { importModel } from './onnx/import.js';
import { isStoredNetwork, networkFromStored } from './stored/read.js';

/** What a network is read from, beside its bytes. */
export interface NetworkSource {
  readonly name: string;
  /** What messages call it: a path, or the name. */
  readonly source: string;
  /** Whether a configuration was given. */
  readonly hasConfig: boolean;
  /** The configuration of a checkpoint that does not bring its own. */
  config(): CheckpointConfig | Promise<CheckpointConfig>;
  /** Reads what is neither a safetensors file nor one of PyTorch's. */
  other(): Network | Promise<Network>;
}

/**
 * Reads a network from bytes, recognised by their content.
 * @throws FoveaError `bad-file` for damaged bytes, `unsupported` when they hold nothing that can be run,
 *   `bad-argument` for a configuration of a network that describes itself
 */
export async function networkFromBytes(bytes: Uint8Array, from: NetworkSource): Promise<Network> {
  const { name, source, hasConfig } = from;
  if (looksLikeSafetensors(bytes)) {
    const file = parseSafetensors(bytes, source);
    if (!isStoredNetwork(file)) {
      const own = hasConfig ? undefined : ownConfig(file, source);
      return networkFromStateDict(file, own ?? (await from.config()), name);
    }
    if (!hasConfig) return networkFromStored(file);
    throw new FoveaError(
      'bad-argument',
      `${source} describes its network itself; a configuration is for checkpoints`,
    );
  }
  if (looksLikePyTorch(bytes)) {
    const { file, settings, notes } = findStateDict(readPyTorch(bytes, source));
    return networkFromStateDict(file, { ...settings, ...(await from.config()) }, name, notes);
  }
  return from.other();
}

/** How {@link readNetwork} reads bytes. */
export interface ReadNetworkOptions {
  /** What to call the network where the bytes do not say. Default `network`. */
  readonly name?: string;
  /** The content of the JSON file beside a checkpoint, parsed. */
  readonly config?: object;
  /** The output of an ONNX model to compute, where it has several. Default: the first. */
  readonly output?: string;
}

/**
 * Reads a network from bytes, without files: what Fovea saved itself, an ONNX model, or a checkpoint by torchvision's
 * or timm's names (`.safetensors`, or what `torch.save` writes), with or without maskers.
 * @throws FoveaError `bad-file` for damaged bytes, `unsupported` when they hold nothing that can be run, or a piece that
 *   only onnxruntime knows
 */
export async function readNetwork(bytes: Uint8Array, options: ReadNetworkOptions = {}): Promise<Network> {
  expectArgument(bytes, aUint8Array, 'readNetwork: bytes');
  const kinds = { name: aText, config: anObject, output: aText };
  const { name = 'network', config, output } = expectOptions(options, kinds, 'readNetwork');
  const network = await networkFromBytes(bytes, {
    name,
    source: name,
    hasConfig: config !== undefined,
    config: () => (config ? parseCheckpointConfig(config, `the configuration of ${name}`) : {}),
    other: async () => {
      try {
        return await importModel(bytes, name, { outputName: output });
      } catch (error) {
        if (!(error instanceof FoveaError) || error.code !== 'bad-file') throw error;
        const message = `${error.message}; nor does it begin like a safetensors file, or what torch.save writes`;
        throw reworded(error, message);
      }
    },
  });
  const refusal = refusalWithoutOnnxruntime(network);
  if (refusal) throw new FoveaError('unsupported', refusal);
  return network;
}

/** Why a network cannot run where there is no onnxruntime, as in a browser; undefined when it can. */
export function refusalWithoutOnnxruntime({ name, nodes }: Network): string | undefined {
  const operators = nodes.flatMap((node) => (node.kind === 'foreign' ? node.operators : []));
  if (operators.length === 0) return undefined;
  return (
    `${name} has pieces that only onnxruntime computes (${[...new Set(operators)].sort().join(', ')}), ` +
    'and a browser has no onnxruntime: networks without them are accepted'
  );
}

/** A safetensors file begins with the header's length and the header with a brace; ONNX begins with a tag. */
export function looksLikeSafetensors(bytes: Uint8Array): boolean {
  return bytes.length > 8 && bytes[8] === 0x7b;
}

/** What a checkpoint's own metadata says of it. */
function ownConfig({ metadata }: Safetensors, source: string): CheckpointConfig | undefined {
  const own = metadata[configKey];
  return own === undefined
    ? undefined
    : parseCheckpointConfig(parseJson(new TextEncoder().encode(own), source), source);
}

/** @throws FoveaError `bad-file` */
export function parseJson(bytes: Uint8Array, source: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new FoveaError('bad-file', `${source} is not valid JSON`, { cause });
  }
}
