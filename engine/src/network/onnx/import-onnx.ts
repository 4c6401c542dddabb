import { expectArgument, expectOptional } from '../../arguments/expect.js';
import { aText, aUint8Array } from '../../arguments/kinds.js';
import type { Network } from '../network.js';
import { importModel } from './import.js';
import { readerBeside } from './model-folder.js';

/**
 * Imports an ONNX model: batch norm folded, residual blocks found by structure, whatever the engine has no
 * node for kept as a foreign node.
 *
 * @param path path of the file, for external data and the dense baseline; undefined for bytes from memory
 * @param outputName the output to compute; the first when left out
 * @throws FoveaError `bad-file` when the file is damaged, `unsupported` when its input is no image,
 *   `unknown-name` when it has no such output
 */
export async function importOnnx(
  bytes: Uint8Array,
  name: string,
  path?: string,
  outputName?: string,
): Promise<Network> {
  expectArgument(bytes, aUint8Array, 'importOnnx: bytes');
  expectArgument(name, aText, 'importOnnx: name');
  expectOptional(path, aText, 'importOnnx: path');
  expectOptional(outputName, aText, 'importOnnx: outputName');
  return importModel(bytes, name, {
    path,
    readBeside: path === undefined ? undefined : readerBeside(path),
    outputName,
  });
}
