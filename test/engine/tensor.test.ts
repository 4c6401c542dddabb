import { builtNetwork, makePlan, Random, randomMasker, saliencyMasker, Tensor } from '@fovea/engine';
import { describe, expect, it } from 'vitest';

describe('batches put together', () => {
  it('hold the images in their order, as copies', () => {
    const two = new Tensor([2, 1, 1, 2], Float32Array.of(1, 2, 3, 4));
    const one = new Tensor([1, 1, 1, 2], Float32Array.of(5, 6));
    const all = Tensor.concat([two, one]);
    expect(all.shape).toEqual([3, 1, 1, 2]);
    expect([...all.data]).toEqual([1, 2, 3, 4, 5, 6]);
    all.data[0] = 9;
    expect(two.data[0]).toBe(1);
  });

  it('must be of one size, and there must be one', () => {
    expect(() => Tensor.concat([])).toThrow(/at least one/);
    expect(() => Tensor.concat([Tensor.zeros([1, 2, 2, 3]), Tensor.zeros([1, 2, 3, 3])])).toThrow(
      /\[2, 3, 3\] beside images of \[2, 2, 3\]/,
    );
  });
});

describe('a tensor', () => {
  it('is made of a Float32Array and four extents, whatever code without types hands over', () => {
    for (const values of [Float64Array.of(1, 2), Uint8Array.of(1, 2), [1, 2], '12', null, undefined]) {
      expect(() => new Tensor([1, 1, 1, 2], values as never)).toThrow(/a Float32Array is accepted/);
    }
    for (const shape of [[1, 2], [1, 1, 2], [1, 1, 1, 2, 1], []]) {
      expect(() => new Tensor(shape as never, Float32Array.of(1, 2))).toThrow(/four extents are accepted/);
      expect(() => Tensor.zeros(shape as never)).toThrow(/four extents are accepted/);
    }
  });
});

it('options that are numbers are refused as anything else, by name', () => {
  const network = builtNetwork('resnet18', { classes: 2, inputSize: 32 });
  for (const granularity of [null, true, {}]) {
    expect(() => makePlan(network, { granularity: granularity as never })).toThrow(
      /^makePlan: granularity .*; a number or a list of numbers is accepted$/,
    );
  }
  for (const threads of [Number.NaN, 0, 1.5]) {
    expect(() => makePlan(network, { threads })).toThrow(/an integer from 1 to 256 is accepted/);
  }

  for (const rate of [null, '0.5', [0.5], Number.NaN]) {
    expect(() => saliencyMasker(rate as number)).toThrow(/a number from 0 to 1 is accepted/);
    expect(() => randomMasker(rate as number)).toThrow(/a number from 0 to 1 is accepted/);
  }
  for (const seed of [Number.NaN, Number.POSITIVE_INFINITY, null, '1']) {
    expect(() => new Random(seed as number)).toThrow(/an integer is accepted/);
  }
});
