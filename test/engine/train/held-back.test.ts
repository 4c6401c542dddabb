import { Tensor } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { splitImages } from '../../../engine/src/train/adapt/held-back.js';

/** Images of one value each. */
function numbered(count: number): Tensor {
  const images = Tensor.zeros([count, 2, 2, 3]);
  images.data.forEach((_, i) => {
    images.data[i] = Math.floor(i / 12);
  });
  return images;
}

const size = { height: 2, width: 2 };
const numbersIn = ({ data }: Tensor) => [...new Set(data)].sort((a, b) => a - b);

describe('images that adaptation is judged on', () => {
  it.each([
    [3, 0],
    [4, 2],
    [8, 4],
    [12, 4],
    [40, 8],
    [500, 32],
  ])('of %i images %i are held back, and no step learns from them', async (count, expected) => {
    const { source, judged, heldBack } = await splitImages(numbered(count), size, 1, 32);
    expect([heldBack, source.count]).toEqual([expected, count - expected]);
    const held = numbersIn(judged);
    expect(held).toHaveLength(expected === 0 ? count : expected);
    const batch = new Float32Array(12 * source.count);
    await source.fill(0, source.count, batch);
    const learned = [...new Set(batch)];
    expect(learned).toHaveLength(count - expected);
    if (expected > 0) expect(learned.filter((number) => held.includes(number))).toEqual([]);
  });

  it('are crops of photographs of their own, or other crops of few', async () => {
    const photos = Array.from({ length: 5 }, (_, n) => ({
      ...{ width: 8, height: 8 },
      data: new Uint8Array(8 * 8 * 3).fill(40 * (n + 1)),
    }));
    const how = { channels: 3, mean: [0, 0, 0], deviation: [1 / 255, 1 / 255, 1 / 255] } as const;
    const { source, judged, heldBack } = await splitImages(photos, size, 1, 6, how);
    expect([heldBack, source.count, judged.shape[0]]).toEqual([2, 3, 6]);
    expect(numbersIn(judged)).toEqual([80, 160]);
    expect(numbersIn(await source.sample(6))).toEqual([40, 120, 200]);
    const few = await splitImages(photos.slice(0, 2), size, 1, 6, how);
    expect([few.heldBack, few.source.count, numbersIn(few.judged)]).toEqual([0, 2, [40, 80]]);
  });
});
