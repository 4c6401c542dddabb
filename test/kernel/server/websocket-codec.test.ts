import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../../kernel/src/server/kernels/message.js';
import {
  decodeLegacy,
  decodeV1,
  encodeLegacy,
  encodeV1,
  V1_PROTOCOL,
} from '../../../kernel/src/server/kernels/websocket-codec.js';

interface Oracle {
  serialize(message: unknown, protocol?: string): string | ArrayBuffer;
  deserialize(data: string | ArrayBuffer, protocol?: string): Record<string, unknown>;
}
/** What JupyterLab itself encodes and decodes with. */
const oracle = createRequire(import.meta.url)('@jupyterlab/services/lib/kernel/serialize') as Oracle;

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const exact = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer as ArrayBuffer;

const parts = fc.record({
  channel: fc.constantFrom('shell' as const, 'control' as const, 'stdin' as const),
  header: fc.record({ msg_id: fc.string({ unit: 'binary' }), msg_type: fc.string(), session: fc.string() }),
  parent_header: fc.dictionary(fc.string(), fc.string({ unit: 'binary' })),
  metadata: fc.dictionary(fc.string(), fc.integer()),
  content: fc.dictionary(fc.string(), fc.jsonValue()),
  buffers: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }),
});
type Parts = typeof parts extends fc.Arbitrary<infer T> ? T : never;

const toMessage = (value: Parts): Message => ({
  channel: value.channel,
  header: json(value.header),
  parent: json(value.parent_header),
  metadata: json(value.metadata),
  content: json(value.content),
  buffers: value.buffers.map((buffer) => Buffer.from(buffer)),
});
const toOracle = (value: Parts) => ({ ...value, buffers: value.buffers.map(exact) });
const plain = (text: unknown) => JSON.parse(JSON.stringify(text)) as unknown;

const sameBytes = (views: unknown, expected: readonly Uint8Array[]) => {
  const found = (views as DataView[]).map((view) => [
    ...new Uint8Array(view.buffer, view.byteOffset, view.byteLength),
  ]);
  expect(found).toEqual(expected.map((bytes) => [...bytes]));
};

describe.each([
  ['v1', V1_PROTOCOL, encodeV1, (data: Buffer) => decodeV1(data)],
  ['legacy', '', encodeLegacy, decodeLegacy],
] as const)('the %s encoding of messages', (_, protocol, encode, decode) => {
  it("reads what JupyterLab's own encoder writes", () => {
    fc.assert(
      fc.property(parts, (value) => {
        const data = oracle.serialize(toOracle(value), protocol);
        const isBinary = typeof data !== 'string';
        const message = decode(typeof data === 'string' ? Buffer.from(data) : Buffer.from(data), isBinary);
        expect(message.channel).toBe(value.channel);
        expect(JSON.parse(message.header.toString())).toEqual(plain(value.header));
        expect(JSON.parse(message.parent.toString())).toEqual(plain(value.parent_header));
        expect(JSON.parse(message.content.toString())).toEqual(plain(value.content));
        expect(message.buffers.map((buffer) => [...buffer])).toEqual(
          value.buffers.map((buffer) => [...buffer]),
        );
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it("writes what JupyterLab's own decoder reads", () => {
    fc.assert(
      fc.property(parts, (value) => {
        const data = encode(toMessage(value));
        const read = oracle.deserialize(typeof data === 'string' ? data : exact(data), protocol);
        expect(read).toMatchObject({ channel: value.channel, header: plain(value.header) });
        expect(plain(read.content)).toEqual(plain(value.content));
        sameBytes(read.buffers ?? [], value.buffers);
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  it('refuses any damaged frame with an error, and never reads past its end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => decode(Buffer.from(bytes), true)).toThrow();
      }),
      { seed: 3, numRuns: 500 },
    );
  });
});
