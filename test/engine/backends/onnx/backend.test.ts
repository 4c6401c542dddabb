import {
  Tensor as EngineTensor,
  FoveaError,
  loadNetwork,
  type NetworkRunOptions,
  Random,
  run,
  type Tensor,
} from '@fovea/engine';
import { getBackend } from '@fovea/engine/backend';
import { openDense } from '@fovea/engine/onnx';
import { float32Of, readSafetensors } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { randomImages, type SmallNetworkOptions, smallNetwork } from '../../support/small-network.js';

/** Largest difference, relative to the largest value. */
function difference(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  let [worst, largest] = [0, 1e-12];
  for (let i = 0; i < a.data.length; i++) {
    worst = Math.max(worst, Math.abs(a.data[i]! - b.data[i]!));
    largest = Math.max(largest, Math.abs(b.data[i]!));
  }
  return worst / largest;
}

async function agreesWithReference(options: SmallNetworkOptions, run_: NetworkRunOptions, batch = 2) {
  const network = smallNetwork(options);
  const images = randomImages(network, batch);
  const reference = await run(network, images, { ...run_, backend: 'reference' });
  const result = await run(network, images, { ...run_, backend: 'onnx', threads: 1 });
  expect(result.masks.map(({ cells }) => cells)).toEqual(reference.masks.map(({ cells }) => cells));
  expect(difference(result.output, reference.output)).toBeLessThan(1e-4);
  return result;
}

const whole = 1000;

describe('onnx backend', () => {
  it.each([1, 2, 3, 4, 7, whole])(
    'agrees with the reference at S = %i and every rate',
    async (granularity) => {
      for (const rate of [0, 0.1, 0.5, 1]) {
        await agreesWithReference({ seed: 3 }, { masker: 'random', rate, seed: 5, granularity });
      }
    },
  );

  it.each<[string, SmallNetworkOptions]>([
    ['basic blocks', { kind: 'basic' }],
    ['grouped convolutions', { groups: 4 }],
    ['depthwise convolutions without activation after the sum', { kind: 'inverted' }],
    ['squeeze-and-excitation', { excite: true }],
    ['squeeze-and-excitation with groups', { excite: true, groups: 4 }],
    ['strides at every block', { strides: [2, 1, 2] }],
    ['maps of one pixel', { height: 3, mapWidth: 2, strides: [2, 2, 1] }],
    ['wide maps', { height: 5, mapWidth: 23 }],
  ])('agrees with the reference on %s', async (_, options) => {
    for (const strategy of ['streamed', 'lasnet', 'unfused', 'dense']) {
      for (const excitation of ['exact', 'active'] as const) {
        for (const [rate, granularity] of [
          [0.1, 3],
          [0.5, 2],
          [1, 4],
        ] as const) {
          await agreesWithReference(options, {
            strategy,
            excitation,
            granularity,
            masker: 'random',
            rate,
            seed: 2,
          });
        }
      }
    }
  });

  it('agrees with the reference on random shapes', async () => {
    const random = new Random(42);
    for (let round = 0; round < 12; round++) {
      const kind = (['bottleneck', 'basic', 'inverted'] as const)[random.below(3)]!;
      await agreesWithReference(
        {
          kind,
          seed: round,
          groups: [1, 2, 4][random.below(3)]!,
          height: 4 + random.below(14),
          mapWidth: 4 + random.below(14),
          strides: Array.from({ length: 1 + random.below(3) }, () => 1 + random.below(2)),
          excite: random.below(2) === 1,
        },
        { masker: 'random', rate: random.next(), seed: round, granularity: 1 + random.below(6) },
        1 + random.below(3),
      );
    }
  });

  it.each(['lasnet-tiny', 'lasnet-uneven'])(
    'gives the masks and logits that %s was saved with',
    async (name) => {
      const fixture = (suffix: string) =>
        new URL(`../../../fixtures/${name}${suffix}`, import.meta.url).pathname;
      const network = await loadNetwork(fixture('.safetensors'));
      const saved = await readSafetensors(fixture('.ref.safetensors'));
      const shape = saved.tensors.get('input')!.shape as [number, number, number, number];
      const { output, masks } = await run(network, EngineTensor.fromNCHW(shape, float32Of(saved, 'input')), {
        backend: 'onnx',
      });
      const logits = float32Of(saved, 'logits');
      for (let i = 0; i < logits.length; i++)
        expect(Math.abs(output.data[i]! - logits[i]!)).toBeLessThan(1e-4);
      for (const mask of masks) {
        expect(Array.from(mask.cells)).toEqual(Array.from(float32Of(saved, `mask.${mask.block}`)));
      }
    },
  );

  it('reports what it did and what it avoided', async () => {
    const { profile } = await agreesWithReference({}, { masker: 'random', rate: 0.25, granularity: 2 });
    const dense = await agreesWithReference({}, { strategy: 'dense' });
    expect(profile.source).toBe('onnx');
    expect(profile.flops + profile.flopsAvoided).toBeCloseTo(dense.profile.flops, 0);
    expect(profile.blocks.map(({ rate }) => rate).every((rate) => rate >= 0 && rate <= 1)).toBe(true);
    const first = profile.ops.filter(({ block }) => block === 0).flatMap(({ primitives }) => primitives);
    expect(first).toEqual([
      'mask',
      'index',
      'projection',
      'conv1',
      'gather',
      'conv2',
      'conv3',
      'scatter',
      'add',
    ]);
  });

  it('stops when it is aborted', async () => {
    const network = smallNetwork();
    const stop = new AbortController();
    const running = run(network, randomImages(network), {
      backend: 'onnx',
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
    await expect(run(network, randomImages(network), { backend: 'onnx' })).resolves.toBeDefined();
  });

  it('lets runs follow each other when they are started together', async () => {
    const network = smallNetwork();
    const images = [1, 2, 3].map((seed) => randomImages(network, 1, seed));
    const together = await Promise.all(images.map((image) => run(network, image, { backend: 'onnx' })));
    for (const [i, image] of images.entries()) {
      const alone = await run(network, image, { backend: 'reference' });
      expect(difference(together[i]!.output, alone.output)).toBeLessThan(1e-4);
    }
  });

  it('refuses a run after it was disposed', async () => {
    const network = smallNetwork();
    const session = await getBackend('onnx').open(network, { batch: 1, height: 13, width: 11 });
    session.dispose();
    await expect(session.run(randomImages(network), {} as never)).rejects.toThrow(FoveaError);
  });
});

describe('dense baseline', () => {
  it('computes what the reference computes', async () => {
    for (const options of [
      {},
      { kind: 'basic' },
      { kind: 'inverted' },
      { excite: true, groups: 4 },
    ] as const) {
      const network = smallNetwork(options);
      const images = randomImages(network, 3);
      const session = await openDense(network, { batch: 3, height: 13, width: 11 });
      const { output, ms } = await session.run(images);
      await session.dispose();
      const reference = await run(network, images, { strategy: 'dense', backend: 'reference' });
      expect(difference(output, reference.output)).toBeLessThan(1e-4);
      expect(ms).toBeGreaterThan(0);
      expect(session.source).toBe('written');
    }
  });

  it('refuses a size that its layers do not allow, naming the layer', async () => {
    const network = smallNetwork();
    const [stem] = network.nodes;
    if (stem?.kind !== 'convolution') throw new TypeError('the stem is a convolution');
    const bare = { ...stem, convolution: { ...stem.convolution, padding: [0, 0, 0, 0] as const } };
    const strict = { ...network, nodes: [bare, ...network.nodes.slice(1)] };
    await expect(openDense(strict, { batch: 1, height: 2, width: 11 })).rejects.toMatchObject({
      code: 'bad-shape',
      message: expect.stringContaining('stem'),
    });
  });

  it('refuses zero threads', async () => {
    await expect(openDense(smallNetwork(), { batch: 1, height: 13, width: 11, threads: 0 })).rejects.toThrow(
      /threads 0/,
    );
  });
});
