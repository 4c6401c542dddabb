import { nativeBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { inferAddon } from '../../../../engine/src/backends/native/addon.js';
import { OperandWriter } from '../../../../engine/src/backends/native/operands.js';

const none = new Int32Array(0);

/** A convolution's sizes as the addon takes them: square, of stride 1, without padding, groups or activation. */
const geometry = (inChannels: number, outChannels: number, kernel: number) =>
  Int32Array.of(inChannels, outChannels, kernel, kernel, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0);

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

  it('a response that is pooled beside others, or whose gate mixes channels', () => {
    const addon = inferAddon();
    const session = addon.inferOutlines('portable');
    const [epsilon] = new Int32Array(Float32Array.of(1e-6).buffer);
    const layer = (groups: number) =>
      addon.inferOutline(session, Int32Array.of(4, 4, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, groups, 0, 0, 0));
    const [depthwise, matrix] = [layer(4), layer(1)];
    const make = (gate: number, pools: number, bits = epsilon!, reduce = -1) =>
      addon.inferProgram(
        session,
        Float64Array.of(16),
        Int32Array.of(0, 1, 2, 2, 4),
        none,
        none,
        none,
        new OperandWriter(1).begin('excite').numbers([0, -1, 0, reduce, gate, -1, pools, -1, bits]).words,
        none,
        none,
      );
    expect(() => make(depthwise, 5)).toThrow(/no such pools/);
    expect(() => make(matrix, 4)).toThrow(/gate of a response/);
    expect(() => make(depthwise, 4, 0)).toThrow(/epsilon/);
    expect(() => make(depthwise, 4, epsilon, matrix)).toThrow(/a gate alone/);
    expect(() => make(depthwise, 1)).toThrow(/gate does not fit/);
    addon.inferClose(session);
  });

  it('orders of cells that are none, and streams that such an order does not leave right', () => {
    const addon = inferAddon();
    const session = addon.inferOutlines('portable');
    const pointwise = addon.inferOutline(
      session,
      Int32Array.of(4, 4, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0),
    );
    const [map, packed] = [0, 1];
    /** Lists a mask of 2 x 2 cells, and streams two convolutions at its pixels. */
    const make = (orders: readonly number[], order: number, between: number, written = 2) => {
      const writer = new OperandWriter(4);
      writer.begin('index').numbers([0, order]);
      writer.begin('stream').numbers([2, 0]);
      writer.begin('convolve').numbers([pointwise, 0, 1, 0, 0, map, between, -1, 0, -1]);
      writer.begin('convolve').numbers([pointwise, 1, written, 0, 0, between, map, -1, 0, -1]);
      return addon.inferProgram(
        session,
        Float64Array.of(64, 64, 64),
        Int32Array.from([0, 1, 2].flatMap((buffer) => [buffer, 1, 4, 4, 4])),
        Int32Array.of(1, 2, 2, 4, 4),
        Int32Array.of(0, -1, -1, 4, 4, 0),
        none,
        writer.words,
        Int32Array.of(0, 0, 1, 0, 0, 2),
        Int32Array.from(orders),
      );
    };
    const each = [3, 1, 0, 2];
    expect(make(each, 0, packed)).toBeGreaterThanOrEqual(0);
    expect(make([9, ...each], 1, packed)).toBeGreaterThanOrEqual(0);
    for (const [orders, order] of [
      [each, 1],
      [each, 2 ** 31 - 1],
      [[], 0],
    ] as const)
      expect(() => make(orders, order, packed)).toThrow(/instruction 0: no such order of 4 cells/);
    for (const orders of [
      [3, 1, 0, 3],
      [3, 1, 0, 4],
      [3, 1, 0, -1],
    ])
      expect(() => make(orders, 0, packed)).toThrow(/names each of 4 cells once/);
    expect(() => make(each, 0, map)).toThrow(/instruction 1: pixels that are listed cell by cell/);
    expect(() => make(each, 0, packed, 0)).toThrow(/write over rows that an earlier one still reads/);
    // In raster order both are right.
    expect(make([], -1, map)).toBeGreaterThanOrEqual(0);
    expect(make([], -1, packed, 0)).toBeGreaterThanOrEqual(0);
    addon.inferClose(session);
  });

  it('attention without a gate', () => {
    const addon = inferAddon();
    const session = addon.inferOutlines('portable');
    expect(() =>
      addon.inferProgram(
        session,
        Float64Array.of(4),
        Int32Array.of(0, 1, 2, 2, 1),
        none,
        none,
        none,
        new OperandWriter(1).begin('excite').numbers([0, -1, 0, -1, -1, -1, 1, -1]).words,
        none,
        none,
      ),
    ).toThrow(/attention needs a gate/);
    addon.inferClose(session);
  });

  it('channels that maps do not have, maps that do not grow by whole factors, products and normalised maps that do not fit', () => {
    const addon = inferAddon();
    const session = addon.inferOutlines('portable');
    const make = (kind: 'copy-channels' | 'resize' | 'normalise-map' | 'multiply', ...operands: number[]) => {
      const instruction = new OperandWriter(1).begin(kind).numbers(operands).words;
      // Maps of 2 x 2 and 4 x 6 pixels, of 3 and 5 channels and of one, and vectors of 3, most in buffers of their own.
      const maps = [
        [0, 1, 2, 2, 3],
        [1, 1, 2, 2, 5],
        [2, 1, 4, 6, 3],
        [3, 1, 4, 5, 3],
        [0, 1, 2, 2, 3],
        [4, 1, 1, 1, 3],
        [0, 1, 1, 1, 3],
        [5, 1, 2, 2, 1],
        [5, 1, 2, 1, 1],
      ].flat();
      // JavaScript has written what is read.
      const written = Int32Array.of(0, operands[0]!, 1, 0, operands[1]!, 1);
      const buffers = Float64Array.of(12, 20, 72, 60, 3, 4);
      return addon.inferProgram(
        session,
        buffers,
        Int32Array.from(maps),
        none,
        none,
        none,
        instruction,
        written,
        none,
      );
    };
    for (const [from, count, to] of [
      [0, 4, 0],
      [1, 3, 0],
      [0, 3, 3],
      [0, 0, 0],
      [-1, 1, 0],
      [0, 1, -1],
      [2 ** 31 - 1, 2 ** 31 - 1, 0],
    ])
      expect(() => make('copy-channels', 0, 1, from!, count!, to!)).toThrow(/do not have these channels/);
    expect(() => make('copy-channels', 0, 2, 0, 3, 0)).toThrow(/maps do not fit/);
    expect(() => make('copy-channels', 0, 4, 0, 3, 0)).toThrow(/must not share a buffer/);
    expect(() => make('copy-channels', 0, 9, 0, 3, 0)).toThrow(/no such map/);
    expect(make('copy-channels', 0, 1, 1, 2, 3)).toBeGreaterThanOrEqual(0);
    expect(() => make('resize', 0, 3, 0)).toThrow(/whole factors/);
    expect(() => make('resize', 2, 0, 0)).toThrow(/whole factors/);
    expect(() => make('resize', 0, 1, 0)).toThrow(/whole factors/);
    for (const interpolation of [-1, 4]) expect(() => make('resize', 0, 2, interpolation)).toThrow(/no such/);
    expect(make('resize', 0, 2, 3)).toBeGreaterThanOrEqual(0);
    const [small, zero, infinite] = [1e-5, 0, Number.POSITIVE_INFINITY].map(
      (value) => new Int32Array(Float32Array.of(value).buffer)[0]!,
    ) as [number, number, number];
    expect(() => make('normalise-map', 0, 1, 0, 1, small)).toThrow(/maps do not fit/);
    for (const by of [-1, 2]) expect(() => make('normalise-map', 0, 4, by, 1, small)).toThrow(/no such/);
    for (const [by, groups] of [
      [0, 0],
      [0, 2],
      [0, -3],
      [0, 6],
      [1, 3],
    ])
      expect(() => make('normalise-map', 0, 4, by!, groups!, small)).toThrow(/do not divide the channels/);
    for (const epsilon of [zero, infinite])
      expect(() => make('normalise-map', 0, 4, 0, 3, epsilon)).toThrow(/epsilon must be above 0/);
    expect(make('normalise-map', 0, 0, 0, 3, small)).toBeGreaterThanOrEqual(0);
    expect(() => make('multiply', 0, 1, 0)).toThrow(/by a vector for each image/);
    expect(() => make('multiply', 2, 3, 2)).toThrow(/by a vector for each image/);
    expect(() => make('multiply', 0, 5, 2)).toThrow(/maps do not fit/);
    expect(() => make('multiply', 0, 6, 0)).toThrow(/must not share a buffer/);
    expect(() => make('multiply', 0, 9, 0)).toThrow(/no such map/);
    expect(() => make('multiply', 0, 8, 0)).toThrow(/by a value for each pixel/);
    expect(make('multiply', 0, 5, 0)).toBeGreaterThanOrEqual(0);
    expect(make('multiply', 0, 7, 0)).toBeGreaterThanOrEqual(0);
    addon.inferClose(session);
  });
});
