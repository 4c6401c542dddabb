import { readFileBytes } from '../../file.js';
import { parseSafetensors, type Safetensors } from './safetensors.js';

/**
 * Reads a safetensors file from disk.
 * @throws FoveaError `io` or `bad-file`
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  return parseSafetensors(await readFileBytes(path), path);
}
