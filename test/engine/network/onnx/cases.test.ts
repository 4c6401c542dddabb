import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadNetwork, type NetworkRunOptions, run, Tensor } from '@fovea/engine';
import { readSafetensors } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { float32Of } from '../../../../engine/src/network/checkpoint/safetensors.js';
import { relativeError } from '../../support/small-network.js';

const folder = fileURLToPath(new URL('../../../fixtures/networks/', import.meta.url));
const names = readdirSync(folder).flatMap((file) => (file.endsWith('.onnx') ? [file.slice(0, -5)] : []));
const backends = ['reference', 'native', 'onnx'] as const;

/** The network of a file, an input, and what onnxruntime 1.32 made of it. */
async function read(name: string) {
  const network = await loadNetwork(`${folder}${name}.onnx`);
  const file = await readSafetensors(`${folder}${name}.safetensors`);
  const dims = file.tensors.get('input')!.shape as [number, number, number, number];
  return {
    network,
    input: Tensor.fromNCHW(dims, float32Of(file, 'input')),
    expected: float32Of(file, 'expected'),
  };
}

describe('a network after a public report', () => {
  it.each(names)('%s agrees with onnxruntime on every backend', async (name) => {
    const { network, input, expected } = await read(name);
    for (const backend of backends) {
      const { output } = await run(network, input, { backend, masker: 'random', rate: 1 });
      expect(relativeError(output.data, expected), backend).toBeLessThan(1e-4);
    }
  });

  it.each(names)('%s is computed alike by every backend with random masks', async (name) => {
    const { network, input } = await read(name);
    const options: NetworkRunOptions = { masker: 'random', rate: 0.4, seed: 3, granularity: 4 };
    const plain = await run(network, input, { ...options, backend: 'reference' });
    for (const backend of backends) {
      const { output, masks } = await run(network, input, { ...options, backend });
      expect(
        masks.map(({ cells }) => cells),
        backend,
      ).toEqual(plain.masks.map(({ cells }) => cells));
      expect(relativeError(output.data, plain.output.data), backend).toBeLessThan(1e-4);
    }
  });
});
