import { describe, expect, it } from 'vitest';
import type { Convolution } from '../../../engine/src/network/network.js';
import { liveRanges } from '../../../engine/src/program/accesses.js';
import { mapBytes, planBuffers } from '../../../engine/src/program/buffers.js';
import { ProgramBuilder } from '../../../engine/src/program/builder.js';
import type { Dtype } from '../../../engine/src/program/dtype.js';
import type { ProgramMap } from '../../../engine/src/program/program.js';
import type { Shape } from '../../../engine/src/tensor.js';

const owner = { node: 0, group: -1 };
const convolution: Convolution = {
  name: 'c',
  inChannels: 4,
  outChannels: 4,
  kernel: [3, 3],
  stride: [1, 1],
  padding: [1, 1, 1, 1],
  dilation: [1, 1],
  groups: 1,
  weight: new Float32Array(4 * 4 * 9),
  bias: new Float32Array(4),
  activation: 'relu',
};
const shape: Shape = [1, 8, 8, 4];

/** input → a → b → c → output by convolutions, c pooled to a mask's grid behind them. */
function chain(streamed: boolean, dtypeOfB: Dtype = 'f32') {
  const builder = new ProgramBuilder();
  const mask = builder.mask(1, 2, 2, 8, 8);
  const maps = Array.from({ length: 5 }, (_, i) =>
    builder.map(shape, { kind: 'map' }, i === 2 ? dtypeOfB : 'f32'),
  );
  const [input, a, b, c, output] = maps as [ProgramMap, ProgramMap, ProgramMap, ProgramMap, ProgramMap];
  const pooled = builder.map([1, 2, 2, 4]);
  const convolve = (source: ProgramMap, destination: ProgramMap) =>
    builder.emit(owner, {
      kind: 'convolve',
      convolution,
      source,
      destination,
      others: false,
      activation: 'relu',
    });
  if (streamed) builder.stream(owner, 4);
  convolve(input, a);
  convolve(a, b);
  convolve(b, c);
  builder.emit(owner, { kind: 'grid-pool', source: c, pooled, mask });
  builder.emit(owner, { kind: 'decide', mask, pooled, decider: { kind: 'salient', rate: 0.5 } });
  convolve(c, output);
  const program = builder.finish(input, output);
  return { program, plan: planBuffers(program), ids: { a: a.id, b: b.id, c: c.id, pooled: pooled.id } };
}

describe('live ranges', () => {
  it('begin with the first and end with the last step that touches a map', () => {
    const { program, ids } = chain(false);
    const ranges = liveRanges(program);
    expect(ranges[program.input.id]).toEqual({ first: -1, last: 0 });
    expect(ranges[ids.a]).toEqual({ first: 0, last: 1 });
    expect(ranges[ids.pooled]).toEqual({ first: 3, last: 4 });
    expect(ranges[program.output!.id]).toEqual({ first: 5, last: 6 });
  });

  it('are the whole stream for whatever one of its operations touches', () => {
    const { program, ids } = chain(true);
    const ranges = liveRanges(program);
    expect(ranges[ids.a]).toEqual({ first: 0, last: 0 });
    expect(ranges[ids.pooled]).toEqual({ first: 0, last: 1 });
  });
});

describe('buffers', () => {
  it('are used again once a value has been read for the last time', () => {
    const { plan, ids } = chain(false);
    expect(plan.bufferOf[ids.b]).not.toBe(plan.bufferOf[ids.a]);
    expect(plan.sizes.length).toBe(2);
  });

  it('are not shared by values of one stream, however early one of them is read for the last time', () => {
    const { program, plan, ids } = chain(true);
    const inStream = [program.input.id, ids.a, ids.b, ids.c, ids.pooled].map((id) => plan.bufferOf[id]);
    expect(new Set(inStream).size).toBe(inStream.length);
  });

  it('are shared by values of one type only', () => {
    // A type that there is not yet: nothing here knows which ones there are.
    const { plan, program, ids } = chain(false, 'f16' as Dtype);
    expect(plan.sizes.length).toBe(3);
    const others = program.maps.filter(({ id }) => id !== ids.b).map(({ id }) => plan.bufferOf[id]);
    expect(others).not.toContain(plan.bufferOf[ids.b]);
  });

  it('hold the largest of their maps', () => {
    const { program, plan } = chain(false);
    for (const {
      id,
      shape: [N, H, W, C],
    } of program.maps) {
      expect(plan.sizes[plan.bufferOf[id]!]).toBeGreaterThanOrEqual(N * H * W * C);
    }
  });

  it('add up to the memory that the maps take', () => {
    // Two maps of 256 float32 values alternate; in a stream four are there at once, beside four cells of four values.
    expect(mapBytes(chain(false).program)).toBe(2 * 256 * 4);
    expect(mapBytes(chain(true).program)).toBe(4 * 256 * 4 + 16 * 4);
  });
});

describe('the builder', () => {
  it('refuses a stream inside another one and a program that ends inside one', () => {
    const builder = new ProgramBuilder();
    builder.stream(owner, 2);
    expect(() => builder.stream(owner, 2)).toThrow(/inside another/);
    const input = builder.map(shape);
    expect(() => builder.finish(input, input)).toThrow(/ends inside a stream/);
  });
});
