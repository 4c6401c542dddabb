import { describe, expect, it } from 'vitest';
import { near } from '../../../../engine/src/network/onnx/near.js';

describe('a constant is near a number', () => {
  it.each([
    ['in float32', Math.fround(1 / 6), 1 / 6],
    ['in half precision', 0.1666259765625, 1 / 6],
    ['in bfloat16', 0.1669921875, 1 / 6],
    ['as the inverse of a half', 1 / 1.4140625, Math.SQRT1_2],
    ['below zero in half precision', -0.1666259765625, -1 / 6],
  ])('%s', (_, value, wanted) => expect(near(value, wanted)).toBe(true));

  it.each([
    ['with an error that no format has', 1.4143, Math.SQRT2],
    ['of the other sign', -1 / 6, 1 / 6],
    ['that is not known', undefined, 1],
  ])('but not one %s', (_, value, wanted) => expect(near(value, wanted)).toBe(false));
});
