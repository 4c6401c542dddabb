import { existsSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { FoveaError } from '../errors.js';
import { readFileBytes } from '../file.js';
import { type CheckpointConfig, parseCheckpointConfig } from './checkpoint/config.js';
import { networkFromStateDict } from './checkpoint/resnet.js';
import { parseSafetensors } from './checkpoint/safetensors.js';
import type { Network } from './network.js';
import { importOnnx } from './onnx/import.js';

export interface LoadOptions {
  /**
   * A checkpoint's configuration, or the path of its JSON file. Left out, the `.json` file beside the
   * checkpoint is read when there is one.
   */
  readonly config?: string | CheckpointConfig;
  /** The output of an ONNX model to compute, where it has several. Default: the first. */
  readonly output?: string;
}

/**
 * Loads a network from a file, recognised by its content: an ONNX model, or a `.safetensors` checkpoint
 * with torchvision's ResNet names, with or without LASNet's maskers.
 *
 * @throws FoveaError `io` when a file cannot be read, `bad-file` when its content is damaged, `unsupported`
 *   when it is whole but holds nothing that can be run
 */
export async function loadNetwork(path: string, { config, output }: LoadOptions = {}): Promise<Network> {
  const bytes = await readFileBytes(path);
  const name = basename(path, extname(path));
  if (looksLikeSafetensors(bytes)) {
    return networkFromStateDict(parseSafetensors(bytes, path), await configOf(path, config), name);
  }
  return importOnnx(bytes, name, path, output);
}

/** A safetensors file begins with the header's length and the header with a brace; ONNX begins with a tag. */
function looksLikeSafetensors(bytes: Uint8Array): boolean {
  return bytes.length > 8 && bytes[8] === 0x7b;
}

async function configOf(path: string, given: LoadOptions['config']): Promise<CheckpointConfig> {
  if (typeof given === 'object') return parseCheckpointConfig(given, 'the given configuration');
  const beside = `${path.slice(0, path.length - extname(path).length)}.json`;
  if (given === undefined && !existsSync(beside)) return {};
  const file = given ?? beside;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(await readFileBytes(file)));
  } catch (cause) {
    if (cause instanceof FoveaError) throw cause;
    throw new FoveaError('bad-file', `${file} is not valid JSON`, { cause });
  }
  return parseCheckpointConfig(value, file);
}
