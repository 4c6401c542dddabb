import { run } from '@fovea/engine';
import { getBackend } from '@fovea/engine/backend';
import { openDense } from '@fovea/engine/onnx';
import { describe, expect, it, vi } from 'vitest';
import { randomImages, smallNetwork } from '../../support/small-network.js';

vi.mock('onnxruntime-node', () => {
  throw new Error('the library is not there');
});

describe('a machine without onnxruntime', () => {
  const refusal = {
    code: 'backend-unavailable',
    message: expect.stringMatching(
      /onnxruntime-node cannot be loaded.*NODE_INSTALL=skip npm install onnxruntime-node/,
    ),
  };

  it('says so where it is needed', async () => {
    const network = smallNetwork();
    await expect(run(network, randomImages(network), { backend: 'onnx' })).rejects.toMatchObject(refusal);
    await expect(openDense(network, { batch: 1, height: 13, width: 11 })).rejects.toMatchObject(refusal);
    await expect(getBackend('onnx').open(network, { batch: 1, height: 13, width: 11 })).rejects.toMatchObject(
      refusal,
    );
  });

  it('runs everything else', async () => {
    const network = smallNetwork();
    const { output } = await run(network, randomImages(network), { backend: 'reference' });
    expect(output.shape).toEqual([1, 1, 1, 10]);
  });
});
