import { afterEach, describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { encodeConvolution } from '../../../../engine/src/backends/webgpu/encode-convolution.js';
import { LaunchTimer } from '../../../../engine/src/backends/webgpu/launch-timer.js';
import { noLists, probeConvolution } from '../../../../engine/src/backends/webgpu/probe.js';
import { ruled } from '../../../../engine/src/backends/webgpu/variants.js';
import { Random } from '../../../../engine/src/random.js';
import { missingOf } from '../../support/backends.js';
import { randomConvolution } from '../../support/small-network.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

afterEach(() => vi.restoreAllMocks());

describe('a dispatch that is timed by itself', { timeout: 300_000 }, () => {
  there('reads the same values again and again, of which few come from the processor', async () => {
    const device = await openDevice('f32');
    const timer = new LaunchTimer(device);
    const write = vi.spyOn(device.gpu.queue, 'writeBuffer');
    // Four times as many values as are written, and some more: 8 channels of 32 965 pixels.
    const convolution = randomConvolution(new Random(3), 'one', 8, 8, { kernel: 1 });
    const operation = probeConvolution(convolution, 5 * 19, 347);
    try {
      const values = await timer.values(encodeConvolution(operation, noLists, ruled.one(operation)));
      const written = write.mock.calls.map(([, , data]) => (data as ArrayBuffer).byteLength);
      expect(written.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(2 * 2 ** 18 + 4096);
      const period = 2 ** 16;
      expect(values.length).toBeGreaterThan(4 * period);
      for (let first = period; first < values.length; first += period) {
        const turn = values.subarray(first, first + period);
        expect(turn.every((value, i) => value === values[i])).toBe(true);
      }
      expect(new Set(values.subarray(0, 8 * 97)).size).toBeGreaterThan(97);
    } finally {
      timer.destroy();
    }
  });
});
