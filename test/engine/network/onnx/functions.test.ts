import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { loadNetwork, run } from '@fovea/engine';
import { importOnnx, openDense } from '@fovea/engine/onnx';
import { afterAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import {
  type FunctionProtoSchema,
  ModelProtoSchema,
} from '../../../../engine/src/network/onnx/generated/onnx_pb.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-functions-'));
afterAll(() => rmSync(folder, { recursive: true }));

type FunctionInit = MessageInitShape<typeof FunctionProtoSchema>;
const opsetImport = [
  { domain: '', version: 17n },
  { domain: 'test', version: 1n },
];

/** A graph of a 4-channel 8x8 image that calls functions of the domain `test`. */
function model(
  functions: FunctionInit[],
  calls: readonly { opType: string; input: string[]; output: string[] }[],
) {
  const graph = new GraphBuilder();
  graph.input('x', ['batch', 4, 8, 8]);
  for (const name of ['a', 'b']) {
    graph.floats(
      name,
      [4, 4, 3, 3],
      Float32Array.from({ length: 144 }, (_, i) => Math.sin(i + name.length)),
    );
  }
  const proto = fromBinary(ModelProtoSchema, graph.finish('test', [{ name: 'y' }]).model);
  const added = create(ModelProtoSchema, {
    opsetImport,
    functions,
    graph: { node: calls.map((call) => ({ ...call, domain: 'test' })) },
  });
  proto.opsetImport = added.opsetImport;
  proto.functions = added.functions;
  proto.graph!.node = added.graph!.node;
  return toBinary(ModelProtoSchema, proto);
}

const ints = (name: string, values: number[]) => ({ name, type: 7, ints: values.map(BigInt) });

/** `ConvAct(x, w; pads)`: the padding comes from the caller. */
const convolution: FunctionInit = {
  name: 'ConvAct',
  domain: 'test',
  input: ['x', 'w'],
  output: ['y'],
  attribute: ['pads'],
  opsetImport,
  node: [
    {
      opType: 'Conv',
      input: ['x', 'w'],
      output: ['c'],
      attribute: [{ name: 'pads', type: 7, refAttrName: 'pads' }],
    },
    { opType: 'Relu', input: ['c'], output: ['y'] },
  ],
};

/** `Block(x, a, b)`: calls the other function. */
const block: FunctionInit = {
  name: 'Block',
  domain: 'test',
  input: ['x', 'a', 'b'],
  output: ['y'],
  opsetImport,
  node: [
    {
      opType: 'ConvAct',
      domain: 'test',
      input: ['x', 'a'],
      output: ['h'],
      attribute: [ints('pads', [1, 1, 1, 1])],
    },
    { opType: 'Conv', input: ['h', 'b'], output: ['c'], attribute: [ints('pads', [1, 1, 1, 1])] },
    { opType: 'Add', input: ['c', 'x'], output: ['y'] },
  ],
};

describe('functions inside ONNX models', () => {
  it('are written out, so that blocks inside them are found', async () => {
    const path = join(folder, 'functions.onnx');
    writeFileSync(
      path,
      model(
        [convolution, block],
        [
          { opType: 'Block', input: ['x', 'a', 'b'], output: ['h'] },
          { opType: 'Block', input: ['h', 'b', 'a'], output: ['y'] },
        ],
      ),
    );
    const network = await loadNetwork(path);
    expect(network.nodes.map(({ kind }) => kind)).toEqual(['block', 'block']);
    const images = randomImages(network, 2);
    const own = await openDense(network, { batch: 2, height: 8, width: 8 });
    const { output } = await run(network, images, { backend: 'reference', strategy: 'dense' });
    expect(relativeError(output.data, (await own.run(images)).output.data)).toBeLessThan(1e-4);
    await own.dispose();
  });

  it('are refused when they call each other in a circle', async () => {
    const ring = (name: string, other: string): FunctionInit => ({
      name,
      domain: 'test',
      input: ['x'],
      output: ['y'],
      opsetImport,
      node: [
        { opType: other, domain: 'test', input: ['x'], output: ['h'] },
        { opType: other, domain: 'test', input: ['h'], output: ['y'] },
      ],
    });
    const bytes = model([ring('A', 'B'), ring('B', 'A')], [{ opType: 'A', input: ['x'], output: ['y'] }]);
    await expect(importOnnx(bytes, 'ring')).rejects.toThrow(/do they call each other in a circle/);
  });

  it('stay as they are when they belong to another operator set', async () => {
    const older = { ...convolution, opsetImport: [{ domain: '', version: 13n }] };
    const bytes = model([older], [{ opType: 'ConvAct', input: ['x', 'a'], output: ['y'] }]);
    const network = await importOnnx(bytes, 'older');
    expect(network.nodes.map((node) => (node.kind === 'foreign' ? node.operators : node.kind))).toEqual([
      ['test.ConvAct'],
    ]);
    const images = randomImages(network);
    const { output } = await run(network, images, { backend: 'reference' });
    expect(output.shape).toEqual([1, 6, 6, 4]);
    const written = await openDense(network, { batch: 1, height: 8, width: 8 });
    expect(written.source).toBe('written');
    expect(relativeError((await written.run(images)).output.data, output.data)).toBeLessThan(1e-4);
    await written.dispose();
  });
});
