import type { Network } from '../network.js';
import { parseCheckpointConfig } from './config.js';
import { parseSafetensors } from './safetensors.js';
import { networkFromStateDict } from './state-dict.js';

/**
 * Reads a network from a checkpoint's bytes, without files.
 * @param bytes a `.safetensors` file of a ResNet or RegNet by torchvision's or timm's names, with or without maskers
 * @param config the content of the JSON file beside it, parsed; empty where there is none
 * @throws FoveaError `bad-file` for damaged bytes, `unsupported` when they hold nothing that can be run
 */
export function readCheckpoint(bytes: Uint8Array, config: object = {}, name = 'checkpoint'): Network {
  return networkFromStateDict(
    parseSafetensors(bytes, name),
    parseCheckpointConfig(config, `the configuration of ${name}`),
    name,
  );
}
