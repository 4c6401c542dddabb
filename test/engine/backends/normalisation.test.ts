import { blocksOf, makePlan, type Network, Random, randomMasker, run, Tensor } from '@fovea/engine';
import { type Convolution, nativeBackendWith, webgpuBackendWith } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { backends, missingOf } from '../support/backends.js';
import { convNext, normalised } from '../support/convnext.js';
import { denseThenMask } from '../support/dense-then-mask.js';
import { randomConvolution, randomImages, relativeError } from '../support/small-network.js';

/** A network of one convolution. */
function alone(convolution: Convolution, height: number, width: number): Network {
  const { inChannels: channels } = convolution;
  return {
    ...{ name: 'alone', format: 'built', input: 'input', output: 'out', notes: [] },
    inputShape: { channels, height, width },
    nodes: [{ kind: 'convolution', name: 'only', inputs: ['input'], output: 'out', convolution }],
  };
}

describe.each(backends)('$name normalises over the channels of each pixel', ({ name, missing }) => {
  const here = it.skipIf(missing !== undefined);

  here.each([true, false])(
    'in blocks, behind additions and in heads, as dense-then-mask does (centred: %s)',
    async (centred) => {
      const network = convNext({ centred });
      const images = randomImages(network, 2);
      for (const rate of [0, 0.4, 1]) {
        for (const granularity of [1, 2, 3]) {
          const masker = randomMasker(rate, 5);
          const { logits, cells } = await denseThenMask(network, images, masker, granularity);
          for (const strategy of ['dense', 'unfused', 'lasnet', 'streamed'] as const) {
            const what = strategy === 'dense' ? { masker: randomMasker(1) } : { masker };
            if (strategy === 'dense' && rate < 1) continue;
            const { output, masks } = await run(network, images, {
              ...{ ...what, backend: name, strategy, granularity, threads: 2 },
            });
            if (strategy !== 'dense') expect(masks.map((mask) => mask.cells)).toEqual(cells);
            expect(relativeError(output.data, logits)).toBeLessThan(1e-4);
          }
        }
      }
    },
  );

  here('of one, few and many channels, with every kind of convolution and activation', async () => {
    const random = new Random(3);
    for (const [inChannels, outChannels, kernel, groups, activation] of [
      [3, 1, 3, 1, 'none'],
      [3, 5, 3, 1, 'relu'],
      [6, 6, 3, 6, 'silu'],
      [8, 24, 3, 4, 'leaky-relu 0.1'],
      [32, 48, 3, 1, 'relu'],
      [48, 200, 1, 1, 'gelu'],
    ] as const) {
      const layer = randomConvolution(random, 'only', inChannels, outChannels, {
        kernel,
        groups,
        activation,
      });
      for (const centred of [true, false]) {
        const network = alone(normalised(random, layer, centred), 9, 10);
        const images = randomImages(network, 2);
        const wanted = await run(network, images, { backend: 'reference' });
        const { output } = await run(network, images, { backend: name, threads: 2 });
        expect(relativeError(output.data, wanted.output.data)).toBeLessThan(1e-4);
      }
    }
  });

  here('before slopes of channels', async () => {
    const random = new Random(4);
    const layer = normalised(random, randomConvolution(random, 'only', 7, 21, { kernel: 3 }));
    const slopes = Float32Array.from({ length: 21 }, () => random.normal());
    const network = alone({ ...layer, activation: 'prelu', slopes }, 6, 5);
    const images = randomImages(network, 1);
    const wanted = await run(network, images, { backend: 'reference' });
    const { output } = await run(network, images, { backend: name, threads: 1 });
    expect(relativeError(output.data, wanted.output.data)).toBeLessThan(1e-4);
  });

  here('of channels that are all alike', async () => {
    const layer = normalised(new Random(5), {
      ...randomConvolution(new Random(5), 'only', 4, 12),
      weight: new Float32Array(48),
      bias: new Float32Array(12).fill(0.3),
    });
    const network = alone(layer, 3, 3);
    const { output } = await run(network, randomImages(network, 1), { backend: name });
    for (let pixel = 0; pixel < 9; pixel++) {
      const values = output.data.subarray(12 * pixel, 12 * pixel + 12);
      expect(relativeError(values, layer.normalisation.shift)).toBeLessThan(1e-3);
    }
  });
});

describe('a large mean takes nothing from a normalisation', () => {
  // onnxruntime takes the variance from sums of squares, which leaves it no digits there.
  const able = backends.filter(({ name, missing }) => name !== 'onnx' && missing === undefined);
  it.each(able)('$name', async ({ name: backend }) => {
    const random = new Random(6);
    const layer = normalised(random, randomConvolution(random, 'only', 16, 100));
    const network = alone({ ...layer, bias: layer.bias.map((value) => value + 3000) }, 8, 8);
    const images = randomImages(network, 1);
    const wanted = await run(network, images, { backend: 'reference' });
    const { output } = await run(network, images, { backend });
    expect(relativeError(output.data, wanted.output.data)).toBeLessThan(1e-3);
  });
});

const native = await missingOf('native');

describe.skipIf(native !== undefined)('native code at the sizes of ConvNeXt-Tiny', () => {
  it.each([
    [56, 96],
    [28, 192],
    [14, 384],
    [7, 768],
  ])(
    'maps with sides of %i and %i channels',
    async (side, C) => {
      const stage = convNext({ channels: [C], blocks: 2, sides: [4 * side, 4 * side], learned: false });
      // The blocks alone: their input is given, so that plain loops take seconds.
      const [first, second] = blocksOf(stage);
      const network: Network = {
        ...stage,
        inputShape: { channels: C, height: side, width: side },
        nodes: [
          { kind: 'block', name: 'first', inputs: ['input'], output: 'a', block: first! },
          { kind: 'block', name: 'second', inputs: ['a'], output: 'b', block: second! },
        ],
        output: 'b',
      };
      const images = randomImages(network, 1);
      for (const [granularity, rate] of [
        [1, 0.5],
        [4, 0.3],
        [7, 1],
      ] as const) {
        const plain = await run(network, images, {
          ...{ backend: 'reference', strategy: 'unfused', masker: randomMasker(rate, 2), granularity },
        });
        for (const strategy of ['unfused', 'lasnet', 'streamed', 'auto'] as const) {
          for (const threads of [1, 2]) {
            const { output } = await run(network, images, {
              ...{ backend: 'native', strategy, masker: randomMasker(rate, 2), granularity, threads },
            });
            expect(relativeError(output.data, plain.output.data)).toBeLessThan(1e-4);
          }
        }
      }
    },
    120_000,
  );

  it('gives the same bits for any number of threads and size of bands', async () => {
    const network = convNext({ channels: [24, 48], sides: [64, 48] });
    const images = randomImages(network, 1);
    const plan = makePlan(network, { strategy: 'streamed' });
    const first = await run(network, images, { backend: 'native', plan, threads: 1 });
    for (const threads of [1, 2, 3]) {
      for (const bandPixels of [0, 5, 40]) {
        const backend = nativeBackendWith({ bandPixels });
        const { output } = await run(network, images, { backend, plan, threads });
        expect(output.data).toEqual(first.output.data);
      }
    }
  });
});

/** Whether this machine has no GPU, or none for half precision. */
const lacking = {
  f32: (await webgpuBackendWith({ precision: 'f32' }).check!()) !== undefined,
  f16: (await webgpuBackendWith({ precision: 'f16' }).check!()) !== undefined,
};

describe('on a GPU', () => {
  const network = convNext({ channels: [12], blocks: 1 });
  const images = randomImages(network, 1);
  const how = { masker: randomMasker(0.5, 3), granularity: 2, strategy: 'streamed' };

  for (const [precision, most] of [
    ['f32', 1e-4],
    ['f16', 0.02],
  ] as const) {
    const backend = webgpuBackendWith({ precision, tune: true });
    it.skipIf(lacking[precision])(
      `is as exact as ${precision}, with kernels and fusions that were timed`,
      async () => {
        const wanted = await run(network, images, { ...how, backend: 'reference' });
        const { output } = await run(network, images, { ...how, backend });
        expect(relativeError(output.data, wanted.output.data)).toBeLessThan(most);
      },
    );
  }
});

describe('a value that is no number', () => {
  it.skipIf(native !== undefined)('is not hidden by a normalisation', async () => {
    const random = new Random(7);
    const layer = normalised(random, randomConvolution(random, 'only', 3, 20));
    const broken = alone({ ...layer, bias: layer.bias.fill(3e38) }, 4, 4);
    const images = new Tensor([1, 4, 4, 3], new Float32Array(48).fill(3e38));
    const { output } = await run(broken, images, { backend: 'native' });
    expect(output.data.every(Number.isNaN)).toBe(true);
  });

  it('is refused in scale and shift', async () => {
    const random = new Random(8);
    const layer = normalised(random, randomConvolution(random, 'only', 3, 4));
    layer.normalisation.scale[2] = Number.NaN;
    const network = alone(layer, 4, 4);
    await expect(run(network, randomImages(network), { backend: 'reference' })).rejects.toThrow(
      /only normalisation scale 2 is NaN/,
    );
  });
});
