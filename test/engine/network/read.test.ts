import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { blocksOf, loadNetwork } from '@fovea/engine';
import { storeNetwork } from '@fovea/engine/internal';
import { toOnnx, toOnnxWithExternalData } from '@fovea/engine/onnx';
import { readNetwork } from '@fovea/engine/web';
import { describe, expect, it, vi } from 'vitest';
import { learnedMasker, resolveMaskers, run } from '../../../engine/src/index.js';
import { randomImages, relativeError, smallNetwork } from '../support/small-network.js';

// As in a browser.
vi.mock('onnxruntime-node', () => {
  throw new Error('a browser has none');
});

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));

describe('a network from bytes, without files and without onnxruntime', () => {
  it.each([
    ['what Fovea stored', storeNetwork],
    ['an ONNX model', (network: ReturnType<typeof smallNetwork>) => toOnnx(network, { maskers: true })],
  ])('reads %s, maskers included', async (_, write) => {
    const network = smallNetwork();
    const read = await readNetwork(write(network), { name: 'copy' });
    expect(blocksOf(read)).toHaveLength(blocksOf(network).length);
    const images = randomImages(network);
    const options = { backend: 'reference', masker: 'learned', strategy: 'lasnet' } as const;
    const [expected, actual] = [await run(network, images, options), await run(read, images, options)];
    expect(relativeError(actual.output.data, expected.output.data)).toBeLessThan(1e-5);
    expect(actual.masks.map(({ cells }) => [...cells])).toEqual(
      expected.masks.map(({ cells }) => [...cells]),
    );
    expect(resolveMaskers(read, {}).map(({ kind }) => kind)).toEqual(
      blocksOf(read).map(() => learnedMasker().kind),
    );
  });

  it.each(['checkpoints/laudnet-resnet.pth.tar', 'checkpoints/resnet-legacy.pth'])(
    'reads %s as loadNetwork does',
    async (name) => {
      const path = fixture(name);
      const read = await readNetwork(readFileSync(path), { name: 'same' });
      expect({ ...read, name: '' }).toEqual({ ...(await loadNetwork(path)), name: '' });
    },
  );

  it('takes the configuration beside a checkpoint', async () => {
    const path = fixture('lasnet-uneven.safetensors');
    const config = JSON.parse(readFileSync(fixture('lasnet-uneven.json'), 'utf8')) as object;
    expect(await readNetwork(readFileSync(path), { name: 'lasnet-uneven', config })).toEqual(
      await loadNetwork(path),
    );
  });

  it('refuses pieces that only onnxruntime computes, in one line that names them', async () => {
    await expect(
      readNetwork(readFileSync(fixture('networks/mid_Einsum.onnx')), { name: 'mid' }),
    ).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(
        /^mid has pieces that only onnxruntime computes \(.*Einsum.*\).*accepted$/,
      ),
    });
  });

  it('refuses damaged bytes, weights in other files, and a configuration that nothing asks for', async () => {
    await expect(readNetwork(new Uint8Array(64).fill(255))).rejects.toMatchObject({ code: 'bad-file' });
    const { model } = toOnnxWithExternalData(smallNetwork(), 'weights.bin');
    await expect(readNetwork(model)).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('load the model by its path'),
    });
    await expect(readNetwork(storeNetwork(smallNetwork()), { config: {} })).rejects.toMatchObject({
      code: 'bad-argument',
    });
  });
});
