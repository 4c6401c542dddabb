import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadNetwork, run, type Tensor, topClasses } from '@fovea/engine';
import { openDense } from '@fovea/engine/onnx';
import { afterAll, describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { loadRuntime } from '../../../../engine/src/onnxruntime.js';
import { backends } from '../../support/backends.js';
import { conv, model } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-order-'));
afterAll(() => rmSync(folder, { recursive: true }));

const batch = 2;
const map = (g: GraphBuilder, x: string) => g.node('Tanh', [conv(g, x, 3, 5)]);
const reshaped = (...dims: number[]) =>
  model((g, x) => g.node('Tanh', [g.node('Reshape', [map(g, x), g.integers(dims)])]));

/** Outputs of every rank: what makes them, and their extents for two images of 3 x 8 x 8. */
const outputs: readonly (readonly [string, Uint8Array, readonly number[]])[] = [
  ['rank 1', reshaped(-1), [batch * 5 * 64]],
  ['rank 2', reshaped(0, -1), [batch, 320]],
  ['rank 3', reshaped(0, 5, 64), [batch, 5, 64]],
  [
    'rank 3 in another order',
    model((g, x) =>
      g.node('Transpose', [g.node('Reshape', [map(g, x), g.integers([0, 5, 64])])], { perm: [0, 2, 1] }),
    ),
    [batch, 64, 5],
  ],
  ['a map of one pixel', model((g, x) => g.node('GlobalAveragePool', [map(g, x)])), [batch, 5, 1, 1]],
  ['a vector', model((g, x) => g.node('Flatten', [g.node('GlobalAveragePool', [map(g, x)])])), [batch, 5]],
  ['a map', model((g, x) => map(g, x)), [batch, 5, 8, 8]],
  ['rank 5', reshaped(0, 5, 2, 4, 8), [batch, 5, 2, 4, 8]],
];

/** onnxruntime's own output, untouched. */
async function ownOutput(path: string, images: Tensor) {
  const runtime = await loadRuntime();
  const session = await runtime.InferenceSession.create(path);
  const [N, H, W, C] = images.shape;
  const feed = new runtime.Tensor('float32', images.toNCHW(), [N, C, H, W]);
  const [output] = Object.values(await session.run({ x: feed }));
  return { dims: [...output!.dims], values: output!.data as Float32Array };
}

describe.each(backends)('outputs on backend $name', ({ name: backend, missing }) => {
  it.skipIf(missing !== undefined).each(outputs)(
    'are saved in the order of the file: %s',
    async (name, bytes, dims) => {
      const path = join(folder, `${name.replaceAll(' ', '-')}.onnx`);
      writeFileSync(path, bytes);
      const network = await loadNetwork(path);
      const images = randomImages(network, batch);
      const expected = await ownOutput(path, images);
      expect(expected.dims).toEqual(dims);
      // The second run has been lowered with the output's shape known.
      for (let repeat = 0; repeat < 2; repeat++) {
        const { output } = await run(network, images, { backend });
        const saved = output.toFileOrder(network.outputRank);
        expect(saved.dims).toEqual(dims);
        expect(relativeError(saved.values, expected.values)).toBeLessThan(1e-5);
        expect(topClasses(output, 0, 3)).toHaveLength(
          output.shape[1] * output.shape[2] === 1 && dims.length % 2 === 0 ? 3 : 0,
        );
      }
      const dense = await openDense(network, { batch, height: 8, width: 8 });
      const own = (await dense.run(images)).output.toFileOrder(network.outputRank);
      await dense.dispose();
      expect(own.dims).toEqual(dims);
    },
  );
});
