import {
  builtNetwork,
  customMasker,
  loadNetwork,
  type Profile,
  randomMasker,
  run,
  Tensor,
} from '@fovea/engine';
import { float32Of, readSafetensors } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { interpolations } from '../../../engine/src/network/sampling.js';
import { backends } from '../support/backends.js';
import { withJoins } from '../support/joined-network.js';
import { randomImages, relativeError, smallNetwork } from '../support/small-network.js';

const fixture = (name: string) => new URL(`../../fixtures/${name}`, import.meta.url).pathname;

describe.each(backends)('backend $name', ({ name: backend, missing }) => {
  const there = it.skipIf(missing !== undefined);

  describe.each(['lasnet-tiny', 'lasnet-uneven'])('on the checkpoint %s', (name) => {
    there.each(['unfused', 'lasnet', 'streamed'])(
      'reproduces the published semantics with strategy %s: masks cell for cell, logits within 1e-4',
      async (strategy) => {
        const network = await loadNetwork(fixture(`${name}.safetensors`));
        const expected = await readSafetensors(fixture(`${name}.ref.safetensors`));
        const shape = expected.tensors.get('input')!.shape as [number, number, number, number];
        const input = Tensor.fromNCHW(shape, float32Of(expected, 'input', shape));
        const { output, masks } = await run(network, input, { backend, strategy, threads: 2 });
        const logits = float32Of(expected, 'logits', [shape[0], 10]);
        expect(relativeError(output.data, logits)).toBeLessThan(1e-4);
        for (const mask of masks) {
          const cells = float32Of(expected, `mask.${mask.block}`, [shape[0], mask.rows, mask.columns]);
          expect([...mask.cells]).toEqual([...cells]);
        }
        expect(masks.map((mask) => mask.block)).toEqual(
          network.nodes.flatMap((node) => (node.kind === 'block' ? [node.block.index] : [])),
        );
      },
    );
  });

  if (backend === 'reference') return;

  describe('agrees with the reference within 1e-4', () => {
    const kinds = [
      { kind: 'bottleneck' as const, groups: 1, excite: false },
      { kind: 'bottleneck' as const, groups: 4, excite: true },
      { kind: 'basic' as const, groups: 1, excite: false },
      { kind: 'inverted' as const, groups: 1, excite: false },
      { kind: 'preactivated' as const, groups: 1, excite: false },
      { kind: 'separable' as const, groups: 1, excite: false },
    ];
    for (const kind of kinds) {
      for (const strategy of ['dense', 'unfused', 'lasnet', 'streamed']) {
        there(`${kind.kind}${kind.excite ? ' with excitation and groups' : ''}, ${strategy}`, async () => {
          const network = smallNetwork({ ...kind, height: 15, mapWidth: 18, strides: [1, 1, 2, 1] });
          const images = randomImages(network, 2);
          for (const granularity of [1, 2, 3, 4, 7, Number.POSITIVE_INFINITY]) {
            for (const rate of [0, 0.1, 0.5, 1]) {
              const options = { strategy, granularity, masker: randomMasker(rate, 3), threads: 2 };
              const expected = await run(network, images, { ...options, backend: 'reference' });
              const actual = await run(network, images, { ...options, backend });
              expect(
                relativeError(actual.output.data, expected.output.data),
                `S ${granularity}, r ${rate}`,
              ).toBeLessThan(1e-4);
              expect(actual.masks.map((mask) => mask.cells)).toEqual(
                expected.masks.map((mask) => mask.cells),
              );
              // onnxruntime's graphs compute in other pieces, and count those; what dense would need is the same.
              const counted = ({ flops, flopsAvoided }: Profile) =>
                backend === 'onnx' ? flops + flopsAvoided : flops;
              expect(counted(actual.profile), `FLOPs at S ${granularity}, r ${rate}`).toBeCloseTo(
                counted(expected.profile),
                -1,
              );
            }
          }
        });
      }
    }

    there.each(['unfused', 'lasnet', 'streamed'])(
      'with maskers that read the block’s input, %s',
      async (strategy) => {
        const network = smallNetwork({ height: 16, mapWidth: 16 });
        const images = randomImages(network, 2);
        const brightest = customMasker(({ pooled, shape, batch, rows, columns }) =>
          Array.from({ length: batch * rows * columns }, (_, cell) => pooled[cell * shape.inChannels]! - 0.3),
        );
        for (const masker of ['saliency' as const, 'learned' as const, brightest]) {
          const rate = masker === 'saliency' ? { rate: 0.4 } : {};
          const options = { strategy, masker, ...rate, granularity: 2, threads: 1 };
          const expected = await run(network, images, { ...options, backend: 'reference' });
          const actual = await run(network, images, { ...options, backend });
          expect(relativeError(actual.output.data, expected.output.data)).toBeLessThan(1e-4);
          expect(actual.masks.map((mask) => mask.cells)).toEqual(expected.masks.map((mask) => mask.cells));
        }
      },
    );

    // Widths whose channels begin and end at every place of a GPU's vectors of four.
    there.each([12, 10, 7])('on joined maps of %i channels', async (channels) => {
      for (const interpolation of interpolations) {
        const whole = withJoins(smallNetwork({ channels, height: 15, mapWidth: 18 }), interpolation);
        // Without the pool and the classifier, behind which no error of a pixel would be seen.
        const nodes = whole.nodes.slice(0, -2);
        const network = { ...whole, nodes, output: nodes.at(-1)!.output };
        const images = randomImages(network, 3);
        for (const [threads, strategy] of [
          [1, 'unfused'],
          [2, 'streamed'],
        ] as const) {
          const options = { masker: randomMasker(0.5), granularity: 2, strategy, threads };
          const expected = await run(network, images, { ...options, backend: 'reference' });
          const actual = await run(network, images, { ...options, backend });
          expect(
            relativeError(actual.output.data, expected.output.data),
            `${interpolation}, ${strategy}`,
          ).toBeLessThan(1e-5);
        }
      }
    });

    there('on a whole ResNet-18 of small images', async () => {
      const network = builtNetwork('resnet18', { inputSize: 64, classes: 10 });
      const images = randomImages(network);
      const options = { masker: randomMasker(0.5), granularity: [4, 2, 2, 1], strategy: 'streamed' };
      const expected = await run(network, images, { ...options, backend: 'reference' });
      const actual = await run(network, images, { ...options, backend });
      expect(relativeError(actual.output.data, expected.output.data)).toBeLessThan(1e-4);
    });
  });
});
