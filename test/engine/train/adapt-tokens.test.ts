import { blocksOf, type NetworkRunOptions, run } from '@fovea/engine';
import { importOnnx } from '@fovea/engine/onnx';
import { adaptMaskers, canTrain } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { conv, floats, model } from '../support/onnx-graphs.js';
import { randomImages, relativeError } from '../support/small-network.js';
import { normalised, transformer, withToken } from '../support/transformer-graphs.js';

/** A small ViT: a piece puts the token before the pixels, another one takes it for the classifier. */
const bytes = model((g, x) => {
  const stem = g.node('Relu', [conv(g, x, 3, 8)]);
  const tokens = [1, 2].reduce((value) => transformer(g, value, 8, 2, { pixels: 65 }), withToken(g, stem));
  const first = g.node('Gather', [normalised(g, tokens, 8), g.integers([0], [])], { axis: 1 });
  return g.node('Gemm', [first, floats(g, 8, 5)]);
});

describe.skipIf(!canTrain())('maskers of tokens (need the native kernels)', () => {
  it('are adapted behind the piece that puts the tokens in a row', async () => {
    const network = await importOnnx(bytes, 'tokens');
    expect(network.nodes[1]?.kind).toBe('foreign');
    const images = randomImages(network, 10);
    const options = { flops: 0.92, steps: 40, batch: 4, seed: 3, threads: 2 } as const;
    const adapted = await adaptMaskers(network, images, options);
    expect(adapted.blocks).toHaveLength(2);
    expect(adapted.flops).toBeGreaterThan(0.9);
    expect(adapted.flops).toBeLessThan(0.94);
    expect(adapted.kept.divergence).toBeLessThanOrEqual(adapted.kept.fitted);
    // The same work and the same images give the same maskers.
    const again = await adaptMaskers(network, images, options);
    const weights = (of: typeof network) => blocksOf(of).map(({ masker }) => [...masker!.weight]);
    expect(weights(again.network)).toEqual(weights(adapted.network));
    const masks: NetworkRunOptions = { masker: 'learned' };
    const native = await run(adapted.network, images, { ...masks, backend: 'native' });
    const plain = await run(adapted.network, images, { ...masks, backend: 'reference' });
    expect(relativeError(native.output.data, plain.output.data)).toBeLessThan(1e-4);
  });
});
