import { canTrain } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../../engine/src/backends/addon.js';
import { layoutOf } from '../../../engine/src/train/architecture.js';
import { Parameters } from '../../../engine/src/train/parameters.js';
import { newSettings } from '../../../engine/src/train/step-settings.js';
import { type TrainBuffer, type TrainOp, TrainProgram } from '../../../engine/src/train/train-program.js';
import { buildGraph } from '../../../engine/src/train/training-graph.js';
import { execute } from './slopes.js';

const floats = (length: number) => new Float32Array(length);
const stop = new Int32Array(1);
const most = 2 ** 31 - 1;

describe.skipIf(!canTrain())('a training program is refused', () => {
  // Each would make more values than 64 bits count, or a number that a short array has after it has wrapped around.
  const tooLarge: [string, number[], number][] = [
    ['convolution', [most, most, most, most, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0], 3],
    ['convolution', [2 ** 30, 2 ** 30, 16, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0], 3],
    ['convolution-dx', [1, 1, 1, 1, 2 ** 30, 2 ** 30, 16, 1, 1, 1, 1, 0, 0, 1, 0], 3],
    ['convolution-dw', [1, 1, 1, 1, 2 ** 30, 2 ** 30, 16, 1, 1, 1, 1, 0, 0, 1, 0], 3],
    ['convolution', [1, 1, 1, 1, 1, 1, 1, most, most, 1, 1, 0, 0, 1, 0], 3],
    ['convolution', [1, 4, 4, 3, 4, 4, 1, 3, 3, most, most, 1, 1, 1, 0], 3],
    ['convolution', [1, 4, 4, 3, 4, 4, 1, 3, 3, 1, 1, most, most, 1, 0], 3],
    ['max-pool', [2 ** 30, 2 ** 30, 16, 1, 1, 1, 2, 2, 2, 2, 0, 0], 3],
    ['max-pool-dx', [2 ** 30, 1, 1, 1, 2 ** 30, 16, 2, 2, 2, 2, 0, 0], 3],
    ['average-pool', [2 ** 30, 2 ** 30, 16, 1, 1, 1, 2, 2, 2, 2, 0, 0], 2],
    ['average-pool-dx', [2 ** 30, 2 ** 30, 16, 1, 1, 1, 2, 2, 2, 2, 0, 0], 2],
    ['cells', [2 ** 30, 2 ** 30, 16, 1, 1, 1], 2],
    ['cells-dx', [2 ** 30, 2 ** 30, 16, 1, 1, 1], 2],
    ['cells-add-dx', [2 ** 30, 1, 1, 1, 2 ** 30, 16], 2],
    ['channels', [most, most, most, 0, 0, most, 0], 2],
    ['channels', [2, 4, 4, 2, 0, 3, 0], 2],
    ['channels', [2, 4, 4, 0, 2, 3, 0], 2],
    ['channels', [2, 4, 4, 0, 0, 3, 3], 2],
    ['resize', [2 ** 30, 2 ** 30, 16, 1, 1, 1, 0], 2],
    ['resize', [1, 1, 1, 1, most, most, 0], 2],
    ['resize', [1, 2, 2, 1, 0, 1, 0], 2],
    ['resize-dx', [1, 1, 1, 1, most, most, 1], 2],
    ['resize-dx', [1, 2, 2, 1, 1, 1, 4], 2],
    ['normalise-map', [2 ** 30, 2 ** 30, 16, 1, 0], 3],
    ['normalise-map', [1, 4, 4, 3, 0], 3],
    ['normalise-map', [1, 4, 4, 0, 0], 3],
    ['normalise-map', [1, 4, 4, 2, 1], 3],
    ['normalise-map-dx', [1, 4, 4, 1, 2], 4],
    ['normalise-rows', [most, most, 1], 4],
    ['normalise-rows-dx', [most, most, 1], 4],
    ['moments', [most, most], 9],
    ['affine', [most, most, 0], 4],
    ['normalisation-dx', [most, most, 0], 10],
    ['residual', [2 ** 30, 2 ** 30, 16, 1, 0, 0], 5],
    ['residual-dx', [2 ** 30, 2 ** 30, 16, 1, 0, 0], 6],
    ['masked-add', [2 ** 30, 2 ** 30, 16, 1, 0, 0], 3],
    ['masked-add-dx', [2 ** 30, 2 ** 30, 16, 1, 1, 1], 5],
    ['gumbel', [2 ** 31 - 1, 2 ** 31 - 1, 0, 0, 0], 5],
    ['gumbel-dx', [2 ** 31 - 1, 2 ** 31 - 1, 0, 0, 0], 4],
    ['rates', [2 ** 30, 0, 2 ** 30, 16, 2 ** 30, 16, 1, 1, 0, 4, 4], 2],
    ['rates', [1, 0, 1, 1, 1, 1, 1, 1, 0, most, most], 2],
    ['work', [1, 1, 1, 1, most, most, 1, 1, 1, 1, 0, 0, 1, 1], 4],
    ['bias', [most, most], 2],
    ['bias-db', [most, most], 2],
    ['activate', [most, most, 0], 4],
    ['activate-dx', [most, most, 0, 0], 5],
    ['scale', [2 ** 30, 2 ** 30, 16], 4],
    ['scale-dx', [2 ** 30, 2 ** 30, 16], 6],
    ['classify', [most, most, 0], 5],
    ['budget', [1, 0, most, most], 5],
    ['divergence', [most, most], 5],
    ['distance', [most, 0], 5],
    ['adam', [most], 5],
    ['descend', [most], 5],
    ['fold', [most], 6],
  ];
  it.each(tooLarge)('%s of %j, whose buffers are short', (op, dims, buffers) => {
    const ops = [{ op, dims, buffers: Array.from({ length: buffers }, () => floats(16)) }];
    expect(() => new TrainProgram(ops)).toThrow(expect.objectContaining({ code: 'bad-shape' }));
  });

  const inconsistent: [string, string, number[]][] = [
    ['more images left out than there are', 'budget', [1, 3, 2, 4]],
    ['classes of none', 'classify', [1, 0, 0]],
    ['a mask finer than its map', 'rates', [1, 0, 4, 4, 2, 2, 1, 1, 0, 2, 2]],
    ['a mask of no cells', 'rates', [1, 0, 0, 0, 2, 2, 1, 1, 0, 2, 2]],
    ['a mask finer than what it decides', 'work', [1, 4, 4, 1, 2, 2, 1, 1, 1, 1, 0, 0, 1, 1]],
    ['groups that do not divide', 'convolution', [1, 2, 2, 3, 2, 2, 4, 1, 1, 1, 1, 0, 0, 2, 0]],
    ['a kernel of nothing', 'convolution', [1, 2, 2, 3, 2, 2, 4, 0, 1, 1, 1, 0, 0, 1, 0]],
    ['a map of nothing', 'convolution-dw', [1, 2, 2, 3, 0, 0, 4, 1, 1, 1, 1, 0, 0, 1, 0]],
    ['a channel count of nothing', 'residual', [most, most, most, 0, 0, 0]],
    [
      'a kernel that covers more than can be counted',
      'rates',
      [1, 0, 1, 1, most, most, 1, most, 0, 4096, 4096],
    ],
    ['a kernel that takes years', 'work', [1, 1, 1, 1, 4096, 4096, most, most, 1, 1, 0, 0, 1, 1]],
    ['a stride of nothing', 'convolution', [1, 2, 2, 3, 2, 2, 4, 1, 1, 0, 1, 0, 0, 1, 0]],
  ];
  it.each(inconsistent)('with %s', (_, op, dims) => {
    const buffers = Array.from({ length: 6 }, () => floats(4096));
    expect(() => new TrainProgram([{ op, dims, buffers }])).toThrow(
      expect.objectContaining({ code: 'bad-shape', message: expect.stringContaining(op) }),
    );
  });

  const wrong: [string, unknown][] = [
    ['no list', 7],
    ['nothing', [undefined]],
    ['null', [null]],
    ['a name that is no text', [{ op: 3, dims: [1], buffers: [] }]],
    ['dimensions that are no list', [{ op: 'fold', dims: 4, buffers: [] }]],
    ['a dimension that is no number', [{ op: 'fold', dims: ['4'], buffers: [] }]],
    ['NaN', [{ op: 'fold', dims: [Number.NaN], buffers: [] }]],
    ['a fraction', [{ op: 'fold', dims: [1.5], buffers: [] }]],
    ['a negative dimension', [{ op: 'fold', dims: [-1], buffers: [] }]],
    ['too few dimensions', [{ op: 'bias', dims: [1], buffers: [floats(1), floats(1)] }]],
    ['buffers that are no list', [{ op: 'fold', dims: [1], buffers: 'six' }]],
    ['a buffer of another type', [{ op: 'fold', dims: [1], buffers: Array(6).fill(new Float64Array(1)) }]],
    ['a buffer that is none', [{ op: 'fold', dims: [1], buffers: Array(6).fill([1]) }]],
    ['too few buffers', [{ op: 'fold', dims: [1], buffers: [floats(1)] }]],
    ['buffers that nothing checks', [{ op: 'fold', dims: [1], buffers: Array(7).fill(floats(1)) }]],
    [
      'gradients of norms without room for both',
      [{ op: 'activate-dx', dims: [1, 4, 0, 1], buffers: [4, 4, 4, 4, 4, 4].map(floats) }],
    ],
  ];
  it.each(wrong)('that is %s', (_, ops) => {
    expect(() => new TrainProgram(ops as TrainOp[])).toThrow(expect.objectContaining({ code: 'bad-shape' }));
  });

  it('when memory of its arrays was given away after they were checked', async () => {
    const x = floats(1 << 16);
    const program = new TrainProgram([{ op: 'bias', dims: [1, 1 << 16], buffers: [x, floats(1 << 16)] }]);
    expect(await program.run(1, stop)).toBe(true);
    structuredClone(undefined, { transfer: [x.buffer] });
    await expect(program.run(1, stop)).rejects.toMatchObject({
      code: 'bad-argument',
      message: expect.stringContaining('bias: buffer 0'),
    });
  });

  it('where a session of inference is given instead', async () => {
    const { addon } = loadAddon() as { addon: Record<string, (...values: unknown[]) => unknown> };
    const session = addon.inferOpen!(0);
    expect(() => addon.trainRun!(session, 0, 0, 1, stop, new Float64Array(0))).toThrow(/training program/);
    const program = addon.trainCompile!([]);
    expect(() => addon.inferClose!(program)).toThrow(/native session/);
  });

  it('twice at a time, and with threads out of range', async () => {
    const buffers: TrainBuffer[] = [floats(1 << 20), floats(1 << 20)];
    const program = new TrainProgram([{ op: 'bias', dims: [1, 1 << 20], buffers }]);
    const first = program.run(1, stop);
    await expect(program.run(1, stop)).rejects.toMatchObject({ code: 'bad-argument' });
    expect(await first).toBe(true);
    for (const threads of [0, 1.5, 257, Number.NaN])
      await expect(program.run(threads, stop)).rejects.toMatchObject({ code: 'bad-argument' });
    expect(await program.run(256, stop)).toBe(true);
  });
});

describe.skipIf(!canTrain())('a value that is no number', () => {
  it.each([
    ['affine', [1, 2, 1], [new Float32Array([Number.NaN, 1]), floats(2).fill(1), floats(2), floats(2)]],
    ['activate', [1, 2, 1], [new Float32Array([Number.NaN, 1]), floats(2).fill(1), floats(2), floats(2)]],
  ] as [string, number[], Float32Array[]][])('stays one in %s with a ReLU', async (op, dims, buffers) => {
    await execute(op, dims, ...buffers);
    expect([...buffers[3]!]).toEqual([Number.NaN, 1]);
  });

  it('stays one in a residual addition and in a maximum', async () => {
    const z = floats(2);
    const x = new Float32Array([Number.NaN, 1]);
    await execute('residual', [1, 1, 1, 2, 0, 0], x, floats(2).fill(1), floats(2), floats(2), z);
    expect([...z]).toEqual([Number.NaN, 1]);
    const [row, largest, index] = [new Float32Array([3, Number.NaN, 5, 1]), floats(2), new Int32Array(2)];
    await execute('max-pool', [1, 1, 4, 1, 1, 2, 1, 3, 1, 1, 0, 0], row, largest, index);
    expect([...largest]).toEqual([Number.NaN, Number.NaN]);
  });

  it('among the weights shows in the loss', async () => {
    const layout = layoutOf({
      kind: 'basic',
      layers: [1, 1],
      width: 4,
      size: 32,
      classes: 3,
      granularity: [4, 4],
    });
    const parameters = new Parameters(layout);
    parameters.initialise(1);
    const graph = buildGraph(parameters, {
      ...{ batch: 2, mode: 'train', masked: false, settings: newSettings(), update: false },
    });
    graph.images.forEach((_, i, images) => {
      images[i] = Math.sin(i);
    });
    await graph.program.run(1, stop);
    expect(graph.report[0]).toBeGreaterThan(0);
    parameters.get('layer1.0.conv1.weight')[0] = Number.NaN;
    await graph.program.run(1, stop);
    expect(graph.report[0]).toBeNaN();
  });
});
