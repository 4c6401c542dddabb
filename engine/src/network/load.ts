import { existsSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { expectArgument, expectOptions } from '../arguments/expect.js';
import { anObject, aText, either } from '../arguments/kinds.js';
import { readFileBytes } from '../file.js';
import { type CheckpointConfig, parseCheckpointConfig } from './checkpoint/config.js';
import { readShards, shardsOf } from './checkpoint/shards.js';
import { networkFromStateDict } from './checkpoint/state-dict.js';
import type { Network } from './network.js';
import { importOnnx } from './onnx/import-onnx.js';
import { networkFromBytes, parseJson } from './read.js';

/** How `loadNetwork` reads a file. */
export interface LoadOptions {
  /**
   * A checkpoint's configuration, or the path of its JSON file. Left out, what its own metadata says is taken, or
   * the `.json` file beside it when there is one.
   */
  readonly config?: string | CheckpointConfig;
  /** The output of an ONNX model to compute, where it has several. Default: the first. */
  readonly output?: string;
}

const loadOptionKinds = { config: either(aText, anObject), output: aText };

/**
 * Loads a network from a file, recognised by its content: what Fovea saved itself, an ONNX model, or a checkpoint of a
 * ResNet, RegNet, EfficientNet or ConvNeXt by torchvision's or timm's names, with or without LASNet's or LAUDNet's maskers.
 * Checkpoints are `.safetensors` files,
 * the index of several such files, or what `torch.save` writes (`.pth`, `.pt`, `.pth.tar`), read as data only.
 *
 * @throws FoveaError `io` when a file cannot be read, `bad-file` when its content is damaged, `unsupported`
 *   when it is whole but holds nothing that can be run
 *
 * @example
 * ```ts
 * import { mkdtemp, rm } from 'node:fs/promises';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { loadNetwork, loadShippedModel } from '@fovea/engine';
 * import { saveNetwork } from '@fovea/engine/train';
 *
 * const folder = await mkdtemp(join(tmpdir(), 'models-'));
 * const file = join(folder, 'mine.safetensors');
 * await saveNetwork(file, await loadShippedModel('quick-look'));
 * console.log((await loadNetwork(file)).labels);
 * await rm(folder, { recursive: true });
 * ```
 */
export async function loadNetwork(path: string, options: LoadOptions = {}): Promise<Network> {
  expectArgument(path, aText, 'loadNetwork: path');
  const { config, output } = expectOptions(options, loadOptionKinds, 'loadNetwork');
  const bytes = await readFileBytes(path);
  const name = basename(path, extname(path));
  const configuration = () => configOf(path, config);
  return networkFromBytes(bytes, {
    name,
    source: path,
    hasConfig: config !== undefined,
    config: configuration,
    async other() {
      const shards = bytes[0] === 0x7b ? shardsOf(parseJson(bytes, path)) : undefined;
      if (!shards) return importOnnx(bytes, name, path, output);
      return networkFromStateDict(await readShards(shards, path), await configuration(), name);
    },
  });
}

/** The configuration that was given, or that of the JSON file beside the checkpoint. */
async function configOf(path: string, given: LoadOptions['config']): Promise<CheckpointConfig> {
  if (typeof given === 'object') return parseCheckpointConfig(given, 'the given configuration');
  const beside = `${path.slice(0, path.length - extname(path).length)}.json`;
  if (given === undefined && !existsSync(beside)) return {};
  const file = given ?? beside;
  return parseCheckpointConfig(parseJson(await readFileBytes(file), file), file);
}
