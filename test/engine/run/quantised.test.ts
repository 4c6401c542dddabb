import { importOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import { acceptedDifference } from '../../../engine/src/run/plain-run.js';
import { conv, model } from '../support/onnx-graphs.js';

describe('how far outputs may be apart', () => {
  it('is a step of eight bits and more in a quantised network, whose values are rounded to either side', async () => {
    const quantised = model((g, x) => {
      const bytes = g.node('QuantizeLinear', [conv(g, x, 3, 3), g.scalar(0.1)]);
      return g.node('DequantizeLinear', [bytes, g.scalar(0.1)]);
    });
    expect(acceptedDifference(await importOnnx(quantised, 'quantised'), 1e-4)).toBeGreaterThan(4 / 255);
    const floats = model((g, x) => conv(g, x, 3, 3));
    expect(acceptedDifference(await importOnnx(floats, 'floats'), 1e-4)).toBe(1e-4);
  });
});
