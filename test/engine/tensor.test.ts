import { Tensor } from '@fovea/engine';
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
