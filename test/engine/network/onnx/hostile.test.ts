import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { FoveaError, loadNetwork, Random } from '@fovea/engine';
import { importOnnx, toOnnx, toOnnxWithExternalData } from '@fovea/engine/onnx';
import { afterAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import {
  ModelProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from '../../../../engine/src/network/onnx/generated/onnx_pb.js';
import { mutate } from '../../../../scripts/fuzz/mutate.mjs';
import { smallNetwork } from '../../support/small-network.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-hostile-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Build = (graph: GraphBuilder, x: string) => string;

/** A graph of a 3-channel 8x8 image. */
function model(build: Build, dims: (number | string)[] = ['batch', 3, 8, 8]): Uint8Array {
  const graph = new GraphBuilder();
  const name = build(graph, graph.input('x', dims));
  return graph.finish('test', [{ name }]).model;
}

const floats = (g: GraphBuilder, ...dims: number[]) =>
  g.floats(g.fresh('w'), dims, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(0.1));

const conv = (g: GraphBuilder, x: string, ...dims: [number, number, number, number]) =>
  g.node('Conv', [x, floats(g, ...dims)], {}, { name: 'the conv' });

async function refusal(bytes: Uint8Array): Promise<FoveaError> {
  const error = await importOnnx(bytes, 'model.onnx').then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FoveaError);
  return error as FoveaError;
}

describe('ONNX files that are damaged or made to do harm', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['no bytes', new Uint8Array(0), /holds no graph/],
    ['text', new TextEncoder().encode('{"format": "not ONNX"}'), /not a readable ONNX file/],
    ['zeros', new Uint8Array(1000), /field of number 0/],
    ['a part longer than the file', Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f), /are left/],
    ['a number without end', new Uint8Array(40).fill(0xff), /cut off/],
    ['an empty graph', Uint8Array.of(0x3a, 0x00), /holds no graph/],
  ])('are refused: %s', async (_, bytes, message) => {
    expect((await refusal(bytes)).message).toMatch(message);
  });

  it('are refused wherever they are cut off', async () => {
    const whole = toOnnx(smallNetwork());
    for (let length = 0; length < whole.length; length += 97) {
      expect((await refusal(whole.subarray(0, length))).code).toBe('bad-file');
    }
  });

  it.each<[string, Build, RegExp]>([
    [
      'a cycle',
      (g, x) => {
        g.node('Add', [x, 'b'], {}, { output: 'a', name: 'first' });
        return g.node('Relu', ['a'], {}, { output: 'b' });
      },
      /cycle through Add "first"/,
    ],
    [
      'a node that reads itself',
      (g) => g.node('Relu', ['y'], {}, { output: 'y', name: 'self' }),
      /cycle through Relu "self"/,
    ],
    [
      'a missing initialiser',
      (g, x) => g.node('Conv', [x, 'nowhere'], {}, { name: 'c' }),
      /Conv "c" reads "nowhere"/,
    ],
    [
      'a value defined twice',
      (g, x) => {
        g.node('Relu', [x], {}, { output: 'y' });
        return g.node('Sigmoid', [x], {}, { output: 'y' });
      },
      /value "y" is defined twice/,
    ],
    ['an output that nobody defines', () => 'ghost', /holds no graph|output "ghost" is defined by no node/],
    [
      'weights for other channels',
      (g, x) => conv(g, x, 4, 5, 3, 3),
      /Conv "the conv" reads 5 channels, "x" has 3/,
    ],
    ['a weight without extent', (g, x) => conv(g, x, 0, 3, 3, 3), /weight of shape \[0, 3, 3, 3\]/],
    [
      'groups that do not divide',
      (g, x) => g.node('Conv', [x, floats(g, 4, 1, 1, 1)], { group: 3 }),
      /3 groups for 4 output channels/,
    ],
    ['no groups at all', (g, x) => g.node('Conv', [x, floats(g, 4, 3, 1, 1)], { group: 0 }), /0 groups/],
    [
      'a kernel_shape unlike the weight',
      (g, x) => g.node('Conv', [x, floats(g, 4, 3, 3, 3)], { kernel_shape: [5, 5] }),
      /kernel_shape \[5, 5\]/,
    ],
    [
      'stride 0',
      (g, x) => g.node('Conv', [x, floats(g, 4, 3, 3, 3)], { strides: [0, 1] }),
      /strides \[0, 1\]/,
    ],
    [
      'one stride',
      (g, x) => g.node('Conv', [x, floats(g, 4, 3, 3, 3)], { strides: [1] }),
      /strides \[1\]; 2 values/,
    ],
    [
      'padding beyond reason',
      (g, x) => g.node('Conv', [x, floats(g, 4, 3, 3, 3)], { pads: [0, 0, 2 ** 40, 0] }),
      /pads/,
    ],
    ['too few biases', (g, x) => g.node('Conv', [x, floats(g, 4, 3, 3, 3), floats(g, 3)]), /3 biases for 4/],
    [
      'a batch norm of other channels',
      (g, x) => g.node('BatchNormalization', [x, ...[3, 3, 2, 3].map((n) => floats(g, n))]),
      /3, 3, 2, 3 values for 3 channels/,
    ],
    [
      'a matrix of other rows',
      (g, x) => g.node('MatMul', [g.node('Flatten', [g.node('GlobalAveragePool', [x])]), floats(g, 7, 2)]),
      /reads 7 channels/,
    ],
    [
      'a matrix of three axes',
      (g, x) => g.node('Gemm', [g.node('Flatten', [g.node('GlobalAveragePool', [x])]), floats(g, 3, 3, 3)]),
      /\[3, 3, 3\]; two extents/,
    ],
    ['a pool of size 0', (g, x) => g.node('MaxPool', [x], { kernel_shape: [0, 2] }), /kernel_shape \[0, 2\]/],
    [
      'a Constant without a value',
      (g, x) => g.node('Add', [x, g.node('Constant', [], { colour: 3 })]),
      /Constant "Constant_\d" has colour/,
    ],
    [
      'an output that ignores the image',
      (g, x) => {
        g.node('Relu', [x]);
        return g.node('Tanh', [floats(g, 3)]);
      },
      /does not depend on the image/,
    ],
  ])('are refused: %s', async (_, build, message) => {
    expect((await refusal(model(build))).message).toMatch(message);
  });

  it.each<[string, (number | string)[], RegExp]>([
    [
      'a vector as input',
      ['batch', 3],
      /input x, float \[\?, 3\]; one float input \[N, C, H, W\] is accepted/,
    ],
    ['one row of pixels', [1, 3, 8], /input x, float \[1, 3, 8\]; one float input/],
    ['a negative extent', [1, 3, -8, 8], /input x has extent -8/],
    ['an image of impossible size', [1, 3, 8, 2 ** 40], /extent 1099511627776/],
    ['no channels', [1, 0, 8, 8], /extent 0/],
  ])('are refused: %s', async (_, dims, message) => {
    expect((await refusal(model((g, x) => g.node('Relu', [x]), dims))).message).toMatch(message);
  });

  it('are refused when two images go in', async () => {
    const bytes = model((g, x) => g.node('Concat', [x, g.input('second', [1, 3, 8, 8])], { axis: 1 }));
    expect((await refusal(bytes)).message).toMatch(/inputs x, float \[\?, 3, 8, 8\]; second, float/);
  });

  it.each<[string, object, RegExp]>([
    ['negative extents', { dims: [-2n, -2n], dataType: 1, rawData: new Uint8Array(16) }, /shape \[-2, -2\]/],
    [
      'extents beyond any memory',
      { dims: [2n ** 40n, 2n ** 40n], dataType: 1 },
      /needs .* values, its data has 0/,
    ],
    ['extents beyond 2^53', { dims: [2n ** 62n], dataType: 1 }, /shape \[4611686018427387904\]/],
    [
      'less data than extents',
      { dims: [4n], dataType: 1, rawData: new Uint8Array(12) },
      /needs 4 values, its data has 3/,
    ],
    ['half a value', { dims: [1n], dataType: 1, rawData: new Uint8Array(6) }, /its data has 1.5/],
    [
      'an unknown element type',
      { dims: [1n], dataType: 99, rawData: new Uint8Array(4) },
      /element type number 99/,
    ],
    [
      'four bits',
      { dims: [1n], dataType: 22, rawData: new Uint8Array(1) },
      /element type int4; floats of 16/,
    ],
    ['more axes than tensors have', { dims: new Array(40).fill(1n), dataType: 1 }, /shape \[1, 1/],
  ])('are refused: a tensor of %s', async (_, tensor, message) => {
    const proto = create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [{ version: 17n }],
      graph: {
        node: [{ opType: 'Relu', input: ['x'], output: ['y'] }],
        initializer: [{ name: 't', ...tensor }],
        output: [{ name: 'y' }],
      },
    });
    expect((await refusal(toBinary(ModelProtoSchema, proto))).message).toMatch(message);
  });

  it('are refused when parts nest without end', async () => {
    // graph → node → attribute → graph …, each wrapped in the next.
    let bytes: number[] = [];
    for (let depth = 0; depth < 2000; depth++) bytes = wrap(0x0a, wrap(0x2a, wrap(0x32, bytes)));
    expect((await refusal(Uint8Array.from(wrap(0x3a, bytes)))).message).toMatch(/nested deeper than/);
  });

  it('are refused when they hold more parts than any network', async () => {
    const empty = new Uint8Array(2 * 400_000);
    for (let i = 0; i < empty.length; i += 2) empty[i] = 0x0a;
    const graph = [...varint(empty.length)];
    const bytes = new Uint8Array(1 + graph.length + empty.length);
    bytes.set([0x3a, ...graph]);
    bytes.set(empty, 1 + graph.length);
    expect((await refusal(bytes)).message).toMatch(/more than 300000 parts/);
  });

  it('are refused when they use one weight thousands of times', async () => {
    const bytes = model((g, x) => {
      const weight = floats(g, 256, 256, 3, 3);
      let value = conv(g, x, 256, 3, 1, 1);
      for (let i = 0; i < 400; i++) value = g.node('Conv', [value, weight], { pads: [1, 1, 1, 1] });
      return value;
    });
    expect((await refusal(bytes)).message).toMatch(/uses the same weights so often/);
  });

  it('take a chain of thousands of renamings and unknown operators in their stride', async () => {
    const network = await importOnnx(
      model((g, x) => {
        let value = x;
        for (let i = 0; i < 5000; i++) value = g.node(i % 2 ? 'Identity' : 'Tanh', [value]);
        return value;
      }),
      'long',
    );
    expect(network.nodes.length).toBe(1);
  });

  describe('with data outside', () => {
    const external = (location: string, more: Record<string, string> = {}) => {
      const tensor = create(TensorProtoSchema, {
        name: 'w',
        dims: [2n],
        dataType: 1,
        dataLocation: TensorProto_DataLocation.EXTERNAL,
        externalData: Object.entries({ location, ...more }).map(([key, value]) => ({ key, value })),
      });
      const proto = create(ModelProtoSchema, {
        graph: {
          node: [{ opType: 'Relu', input: ['x'], output: ['y'] }],
          initializer: [tensor],
          output: [{ name: 'y' }],
        },
      });
      const path = join(folder, 'outside.onnx');
      writeFileSync(path, toBinary(ModelProtoSchema, proto));
      return path;
    };
    writeFileSync(join(folder, 'data.bin'), new Uint8Array(8));
    mkdirSync(join(folder, 'sub'));
    symlinkSync('/etc/hostname', join(folder, 'link.bin'));

    it.each([
      ['../secret', {}, /"..\/secret" is not inside/],
      ['sub/../../secret', {}, /is not inside/],
      ['/etc/hostname', {}, /"\/etc\/hostname" is not inside/],
      ['', {}, /"" is not inside/],
      ['.', {}, /"." is not inside/],
      ['a\0b', {}, /is not inside/],
      ['link.bin', {}, /"link.bin" is not inside/],
      ['none.bin', {}, /none.bin cannot be read/],
      ['sub', {}, /not an ordinary file/],
      ['data.bin', { offset: '4', length: '8' }, /offset 4, length 8 of data.bin, which has 8 bytes/],
      ['data.bin', { offset: '-4' }, /offset -4/],
      ['data.bin', { offset: '99999999999999999999' }, /offset 9999/],
      ['data.bin', { length: 'all' }, /length all/],
      ['data.bin', { length: '4' }, /needs 2 values, its data has 1/],
    ])('are refused at %j %j', async (location, more, message) => {
      const loading = loadNetwork(external(location, more as unknown as Record<string, string>));
      await expect(loading).rejects.toThrow(message);
      await expect(loading).rejects.toBeInstanceOf(FoveaError);
    });

    it('are refused when they come from memory', async () => {
      const { model: bytes } = toOnnxWithExternalData(smallNetwork(), 'w.bin');
      expect((await refusal(bytes)).message).toMatch(/load the model by its path/);
    });
  });

  it('are read or refused when bytes of them are changed at random, and nothing else', async () => {
    const random = new Random(2026);
    const seeds = [
      toOnnx(smallNetwork({ excite: true, groups: 4 })),
      toOnnx(smallNetwork({ kind: 'basic' }), { constants: 'node', batchNorm: { seed: 1 } }),
      model((g, x) => g.node('Softmax', [g.node('Concat', [conv(g, x, 2, 3, 1, 1), x], { axis: 1 })])),
    ];
    let read = 0;
    for (let round = 0; round < 600; round++) {
      const damaged = mutate(seeds[round % seeds.length]!, random);
      try {
        await importOnnx(damaged, 'damaged');
        read++;
      } catch (error) {
        expect(error).toBeInstanceOf(FoveaError);
      }
    }
    expect(read).toBeGreaterThan(0);
  });
});

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

function wrap(tag: number, bytes: readonly number[]): number[] {
  return [tag, ...varint(bytes.length), ...bytes];
}
