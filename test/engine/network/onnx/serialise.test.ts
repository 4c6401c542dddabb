import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ModelProtoSchema } from '../../../../engine/src/network/onnx/generated/onnx_pb.js';
import { serialiseModel } from '../../../../engine/src/network/onnx/serialise.js';

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i * 7);

describe('a model in protobuf', () => {
  it.each([0, 1, 127, 128, 20_000, 3_000_000])(
    'is what the library writes, with a weight of %i bytes',
    (length) => {
      const model = create(ModelProtoSchema, {
        irVersion: 8n,
        producerName: 'fovea',
        opsetImport: [{ domain: '', version: 17n }],
        graph: {
          name: 'g',
          node: [{ opType: 'Conv', input: ['x', 'w'], output: ['y'] }],
          initializer: [
            { name: 'w', dims: [BigInt(length)], dataType: 2, rawData: bytes(length) },
            { name: 'typed', dims: [2n], dataType: 1, floatData: [1, 2] },
            { name: 'last', dims: [3n], dataType: 2, rawData: bytes(3) },
          ],
          input: [{ name: 'x' }],
          output: [{ name: 'y' }],
        },
        metadataProps: [{ key: 'labels', value: '["a"]' }],
      });
      const read = fromBinary(ModelProtoSchema, serialiseModel(model));
      // Bytes are compared at once: matchers go through megabytes value by value.
      const written = toBinary(ModelProtoSchema, model);
      expect(Buffer.compare(toBinary(ModelProtoSchema, read), written)).toBe(0);
      expect(read.graph!.initializer[0]!.rawData.length).toBe(length);
    },
  );

  it('may have no graph', () => {
    const model = create(ModelProtoSchema, { irVersion: 8n });
    expect(serialiseModel(model)).toEqual(toBinary(ModelProtoSchema, model));
  });
});
