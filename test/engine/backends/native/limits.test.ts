import { nativeBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { inferAddon } from '../../../../engine/src/backends/native/addon.js';

const none = new Int32Array(0);

/** A convolution's sizes as the addon takes them: square, of stride 1, without padding, groups or activation. */
const geometry = (inChannels: number, outChannels: number, kernel: number) =>
  Int32Array.of(inChannels, outChannels, kernel, kernel, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0);

describe.skipIf(nativeBackend.unavailable !== undefined)('native code refuses', () => {
  it('kernels and weights whose sizes it could not count', () => {
    const addon = inferAddon();
    const session = addon.inferOpen(0);
    const outlines = addon.inferOutlines('portable');
    const empty = new Float32Array(0);
    const add = (words: Int32Array) =>
      addon.inferConvolution(session, words, empty, new Float32Array(2 ** 20), empty, empty);
    // 2^20 · 2^20 · 2^24 weights: 0 in 64 bits.
    expect(() => add(geometry(2 ** 20, 2 ** 20, 4096))).toThrow(
      expect.objectContaining({ code: 'bad-argument', message: expect.stringContaining('4096 x 4096') }),
    );
    expect(() => add(geometry(2 ** 20, 2 ** 20, 1024))).toThrow(/more than 2\^32 weights/);
    expect(() => addon.inferOutline(outlines, geometry(255, 1, 4096))).toThrow(/positions are accepted/);
    expect(() => add(geometry(1, 2 ** 20, 1))).toThrow(/weight has 0 values, 1048576 are needed/);
    addon.inferClose(session);
    addon.inferClose(outlines);
  });

  it('attention without a gate', () => {
    const addon = inferAddon();
    const session = addon.inferOutlines('portable');
    const excite = [12, 0, -1, 0, -1, -1, -1, 1, -1, 0, 0, 0, 0, 0, 0, 0];
    expect(() =>
      addon.inferProgram(
        session,
        Float64Array.of(4),
        Int32Array.of(0, 1, 2, 2, 1),
        none,
        none,
        none,
        Int32Array.from(excite),
        none,
      ),
    ).toThrow(/attention needs a gate/);
    addon.inferClose(session);
  });
});
