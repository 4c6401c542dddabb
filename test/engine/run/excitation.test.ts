import {
  blocksOf,
  describeNetwork,
  loadNetwork,
  makePlan,
  type Network,
  type Plan,
  type Primitive,
  randomMasker,
  run,
  Tensor,
} from '@fovea/engine';
import { spreadCells } from '@fovea/engine/backend';
import { float32Of, readSafetensors } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { ATTENTION_KINDS } from '../support/attention.js';
import { backends } from '../support/backends.js';
import { denseThenMask } from '../support/dense-then-mask.js';
import {
  randomImages,
  relativeError,
  type SmallNetworkOptions,
  smallNetwork,
} from '../support/small-network.js';

const strategies = ['unfused', 'lasnet', 'streamed'];
const fixture = (name: string) => new URL(`../../fixtures/networks/${name}`, import.meta.url).pathname;

/** Blocks that are excited after each of their convolutions, the last one included. */
const places: readonly (readonly [string, SmallNetworkOptions])[] = [
  ['a bottleneck after conv1', { excite: true, exciteAfter: 0 }],
  ['a bottleneck after conv2', { excite: true, exciteAfter: 1 }],
  ['a bottleneck after conv3', { excite: true, exciteAfter: 2 }],
  ['a basic block after conv1', { kind: 'basic', excite: true, exciteAfter: 0 }],
  ['a basic block after conv2', { kind: 'basic', excite: true, exciteAfter: 1 }],
  ['an inverted block after its last', { kind: 'inverted', excite: true, exciteAfter: 2 }],
  ['a branch of one convolution', { kind: 'single', excite: true, exciteAfter: 0 }],
];

const kinds = {
  squeeze: 'squeeze-and-excitation',
  slide: 'ECA',
  pools: 'attention by two pools',
  pixels: 'CBAM',
  response: 'global response normalisation',
};

const everyPlace = ATTENTION_KINDS.flatMap((attention) =>
  places.map(([where, options]) => [`${where}: ${kinds[attention]}`, { ...options, attention }] as const),
);

describe.each(backends)('attention on backend $name', ({ name: backend, missing }) => {
  const there = it.skipIf(missing !== undefined);

  for (const [where, options] of everyPlace) {
    there(`that pools everything is dense-then-mask in ${where}, for every strategy`, async () => {
      const network = smallNetwork({ ...options, strides: [1, 1, 2, 1] });
      const images = randomImages(network, 2);
      for (const [rate, granularity] of [
        [0, 2],
        [0.4, 2],
        [0.5, Number.POSITIVE_INFINITY],
        [1, 3],
      ] as const) {
        const masker = randomMasker(rate, 5);
        const expected = await denseThenMask(network, images, masker, granularity);
        for (const strategy of strategies) {
          const { output, masks, profile } = await run(network, images, {
            ...{ backend, strategy, masker, granularity, threads: 2 },
          });
          const said = `${strategy}, rate ${rate}, S ${granularity}`;
          expect(relativeError(output.data, expected.logits), said).toBeLessThan(1e-5);
          expect(masks.map(({ cells }) => cells)).toEqual(expected.cells);
          const adaptive = profile.blocks.filter(({ mode }) => mode === 'adaptive');
          for (const [i, { rate: reported }] of adaptive.entries()) {
            const { height, width } = masks[i]!;
            const active = spreadCells(masks[i]!.cells, masks[i]!, 2, height, width);
            const share = active.reduce((sum, pixel) => sum + pixel, 0) / active.length;
            expect(reported, said).toBeCloseTo(share, 6);
          }
        }
      }
    });

    there(`that pools active pixels does so in ${where}, whatever the strategy`, async () => {
      // So large and so empty that what a spatial attention reads is not everything.
      const network = smallNetwork({ ...options, seed: 2, height: 28, mapWidth: 30, strides: [1, 2, 1] });
      const images = randomImages(network, 2);
      const masker = randomMasker(options.attention === 'pixels' ? 0.015 : 0.4, 5);
      const settings = { masker, granularity: 2, excitation: 'active' } as const;
      const expected = await run(network, images, { ...settings, backend: 'reference', strategy: 'unfused' });
      const exact = await run(network, images, { ...settings, backend: 'reference', excitation: 'exact' });
      expect(relativeError(expected.output.data, exact.output.data)).toBeGreaterThan(1e-4);
      for (const strategy of strategies) {
        const { output } = await run(network, images, { ...settings, backend, strategy, threads: 2 });
        expect(relativeError(output.data, expected.output.data), strategy).toBeLessThan(1e-4);
      }
    });
  }

  there('reads an SE-ResNet: the add follows the mask, and the mask saves what it promises', async () => {
    const network = await loadNetwork(fixture('se_bottleneck_end_lin0.onnx'));
    expect(blocksOf(network)[0]!.attention!.after).toBe(2);
    const saved = await readSafetensors(fixture('se_bottleneck_end_lin0.safetensors'));
    const shape = saved.tensors.get('input')!.shape as [number, number, number, number];
    const input = Tensor.fromNCHW(shape, float32Of(saved, 'input', shape));
    const whole = await run(network, input, { backend, masker: 'random', rate: 1 });
    expect(relativeError(whole.output.toNCHW(), float32Of(saved, 'expected'))).toBeLessThan(1e-4);
    const masker = randomMasker(0.4, 2);
    for (const strategy of strategies) {
      const half = await run(network, input, { backend, strategy, masker, granularity: 2 });
      const oracle = await denseThenMask(network, input, masker, 2);
      expect(relativeError(half.output.data, oracle.logits), strategy).toBeLessThan(1e-4);
    }
  });

  there('computes less where active pixels are pooled, and only the rest where all are', async () => {
    const network = smallNetwork({ excite: true, exciteAfter: 2 });
    const { flops, adaptiveFlops, adaptiveFlopsActive } = describeNetwork(network);
    expect(adaptiveFlops).toBe(0);
    const images = randomImages(network);
    const spent = async (excitation: 'exact' | 'active') => {
      const options = { backend, strategy: 'streamed', masker: 'random', rate: 0, excitation } as const;
      return (await run(network, images, options)).profile.flops;
    };
    if (backend !== 'onnx') expect(await spent('exact')).toBe(flops);
    expect(await spent('active')).toBeLessThanOrEqual(flops - adaptiveFlopsActive);
  });
});

describe('a branch of one convolution', () => {
  it.each(backends.filter(({ missing }) => missing === undefined))(
    'that runs before the mask is known is added under the mask, on $name',
    async ({ name: backend }) => {
      const network = smallNetwork({ kind: 'single', strides: [1, 1, 2, 1] });
      const images = randomImages(network, 2);
      const masker = randomMasker(0.4, 3);
      const expected = await denseThenMask(network, images, masker, 2);
      for (const strategy of strategies) {
        const { output } = await run(network, images, { backend, strategy, masker, granularity: 2 });
        expect(relativeError(output.data, expected.logits), strategy).toBeLessThan(1e-5);
      }
      const dense = await run(network, images, { backend, strategy: 'dense' });
      const everywhere = await denseThenMask(network, images, randomMasker(1), 2);
      expect(relativeError(dense.output.data, everywhere.logits)).toBeLessThan(1e-5);
    },
  );
});

describe('a plan that pools or adds before the mask is known', () => {
  const planOf = (network: Network, order: string): Plan => {
    const plan = makePlan(network, { strategy: 'unfused' });
    const groups = order.split(' ').map((primitive) => ({ primitives: [primitive as Primitive] }));
    return { ...plan, blocks: [{ ...plan.blocks[0]!, groups }] };
  };
  const excited = smallNetwork({ excite: true, exciteAfter: 0, strides: [1] });
  const single = smallNetwork({ kind: 'single', strides: [1] });

  it.each([
    ['excite', excited, 'pool mask conv1 excite index projection conv2 conv3 scatter add'],
    ['add', single, 'pool mask projection conv1 add index'],
  ])('is refused: %s', async (primitive, network, order) => {
    await expect(run(network, randomImages(network), { plan: planOf(network, order) })).rejects.toThrow(
      `"index" must come before "${primitive}"`,
    );
  });
});
