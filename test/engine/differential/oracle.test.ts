import { loadNetwork, Tensor } from '@fovea/engine';
import { float32Of, readSafetensors } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { relativeError } from '../support/small-network.js';
import { convolveInLoops, fastConvolve } from './convolution.js';
import { oracle } from './oracle.js';
import { makePlanes } from './planes.js';

const fixture = (name: string) => new URL(`../../fixtures/${name}`, import.meta.url).pathname;

describe('the oracle', () => {
  it.each(['lasnet-tiny', 'lasnet-uneven'])(
    'computes what the published code computes on the checkpoint %s',
    async (name) => {
      const network = await loadNetwork(fixture(`${name}.safetensors`));
      const published = await readSafetensors(fixture(`${name}.ref.safetensors`));
      const shape = published.tensors.get('input')!.shape as [number, number, number, number];
      const blocks = network.nodes.flatMap((node) => (node.kind === 'block' ? [node.block] : []));
      const { output, masks } = await oracle(
        network,
        Tensor.fromNCHW(shape, float32Of(published, 'input', shape)),
        {
          granularity: blocks.map(({ granularity }) => granularity!),
          decide: ({ block, C, values }) => {
            const { weight, bias } = block.masker!;
            const margin = (cell: number) =>
              weight.reduce((sum, w, c) => sum + w * values[cell * C + c]!, bias);
            return {
              cells: Uint8Array.from({ length: values.length / C }, (_, cell) => (margin(cell) >= 0 ? 1 : 0)),
            };
          },
        },
      );
      expect(relativeError(output.data, float32Of(published, 'logits', [shape[0], 10]))).toBeLessThan(1e-5);
      expect(masks).toHaveLength(blocks.length);
      for (const { block, rows, columns, cells } of masks) {
        expect([...cells]).toEqual([...float32Of(published, `mask.${block}`, [shape[0], rows, columns])]);
      }
    },
  );
});

describe('its fast convolution', () => {
  const geometry = {
    name: 'conv',
    inChannels: 8,
    outChannels: 12,
    kernel: [3, 3] as const,
    stride: [1, 1] as const,
    padding: [1, 1, 1, 1] as const,
    dilation: [1, 1] as const,
    groups: 1,
    activation: 'none' as const,
  };
  it.each([
    geometry,
    { ...geometry, kernel: [1, 1] as const, padding: [0, 0, 0, 0] as const, stride: [2, 2] as const },
    { ...geometry, kernel: [3, 5] as const, padding: [0, 1, 2, 3] as const, stride: [2, 1] as const },
    { ...geometry, dilation: [2, 2] as const, padding: [2, 2, 2, 2] as const, groups: 4 },
    { ...geometry, outChannels: 8, groups: 8, activation: 'hardswish' as const },
  ])('is the plain one, kernel $kernel, stride $stride, padding $padding, groups $groups', async (shape) => {
    const { inChannels, outChannels, kernel, groups } = shape;
    const length = (outChannels * inChannels * kernel[0] * kernel[1]) / groups;
    const convolution = {
      ...shape,
      weight: Float32Array.from({ length }, (_, i) => Math.sin(i * 1.3)),
      bias: Float32Array.from({ length: outChannels }, (_, i) => Math.cos(i)),
    };
    const input = makePlanes({ N: 2, C: inChannels, H: 9, W: 11 }, (_n, _c, _y, _x, at) =>
      Math.sin(at * 0.7),
    );
    const [plain, fast] = [
      await convolveInLoops(input, convolution),
      await fastConvolve()(input, convolution),
    ];
    expect({ ...fast, data: 0 }).toEqual({ ...plain, data: 0 });
    expect(relativeError(fast.data, plain.data)).toBeLessThan(1e-6);
  });
});
