import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkConnection, readConnection } from '../../../kernel/src/protocol/connection.js';
import { MessageRefused, Signer } from '../../../kernel/src/protocol/frames.js';
import { decode, encode, header, ReplayGuard } from '../../../kernel/src/protocol/message.js';
import { expectSaidOnce } from '../../engine/support/said-once.js';

const key = 'a0436f6c-1916-498b-8eb9-e81ab9368e84';

/** Frames as they would arrive. */
function frames(content: unknown = { code: '1' }, buffers: Uint8Array[] = []): Buffer[] {
  const encoded = encode(
    { identities: ['client'], header: header('execute_request', 's'), content, buffers },
    new Signer(key),
  );
  return encoded.map((frame) => Buffer.from(frame as string));
}

describe('messages', () => {
  it('survive encoding and decoding, with identities and binary buffers', () => {
    const message = decode(
      frames({ code: 'π 🎈' }, [Buffer.from([0, 255])]),
      new Signer(key),
      new ReplayGuard(),
    );
    expect(message.header.msg_type).toBe('execute_request');
    expect(message.content).toEqual({ code: 'π 🎈' });
    expect(message.identities.map(String)).toEqual(['client']);
    expect([...message.buffers[0]!]).toEqual([0, 255]);
  });

  it('carry the signature that other implementations compute', () => {
    const signature = new Signer('key').sign(['{"msg_id":"1"}', '{}', '{}', '{}']);
    // Computed with Python's hmac module.
    expect(signature).toBe('fae17e3551b4fe47b90efc695f60e0688abc04206e4800a47e3dea21647ee1c1');
  });

  it('are refused when anything in them was changed', () => {
    const count = frames().length;
    for (let at = 2; at < count; at++) {
      const changed = frames();
      changed[at] = Buffer.concat([changed[at]!, Buffer.from(' ')]);
      expect(() => decode(changed, new Signer(key), new ReplayGuard())).toThrow(MessageRefused);
    }
    expect(() => decode(frames(), new Signer('another key'), new ReplayGuard())).toThrow(
      /signature does not match/,
    );
  });

  it('are refused the second time', () => {
    const signer = new Signer(key);
    const replays = new ReplayGuard();
    const same = frames();
    decode(same, signer, replays);
    expect(() => decode(same, signer, replays)).toThrow(/replayed/);
  });

  it('need no signature without a key', () => {
    const signer = new Signer('');
    const encoded = encode({ identities: [], header: header('x', 's'), content: {} }, signer).map((frame) =>
      Buffer.from(frame as string),
    );
    const replays = new ReplayGuard();
    expect(decode(encoded, signer, replays).header.msg_type).toBe('x');
    // Nor can one be a replay, whatever a client writes in the place of a signature.
    const signed = encoded.with(1, Buffer.from('anything'));
    for (let i = 0; i < 2; i++) expect(decode(signed, signer, replays).header.msg_type).toBe('x');
    expect(String(encoded[1])).toBe('');
  });

  it('of any bytes whatever are decoded or refused, and nothing else (5,000 seeded cases)', () => {
    const signer = new Signer('');
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .constantFrom('<IDS|MSG>', '', '{}', '[]', 'null', '{"msg_id":1}', '{"msg_id":"a","msg_type":"b"}')
        .map((text) => Buffer.from(text)),
    );
    let decoded = 0;
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 9 }), (input) => {
        try {
          const message = decode(input, signer, new ReplayGuard());
          expect(typeof message.header.msg_type).toBe('string');
          decoded++;
        } catch (error) {
          expect(error).toBeInstanceOf(MessageRefused);
        }
      }),
      { seed: 20, numRuns: 5000 },
    );
    const valid = ['<IDS|MSG>', '', '{"msg_id":"a","msg_type":"b"}', '{}', '{}', '{}'].map((text) =>
      Buffer.from(text),
    );
    fc.assert(
      fc.property(fc.nat(5), fc.nat(200), fc.nat(255), (at, offset, byte) => {
        const mutated = valid.map((one) => Buffer.from(one));
        if (mutated[at]!.length > 0) mutated[at]![offset % mutated[at]!.length] = byte;
        try {
          decode(mutated, signer, new ReplayGuard());
          decoded++;
        } catch (error) {
          expect(error).toBeInstanceOf(MessageRefused);
        }
      }),
      { seed: 21, numRuns: 5000 },
    );
    expect(decoded).toBeGreaterThan(10);
  });
});

describe('a connection file', () => {
  const valid = {
    transport: 'tcp',
    ip: '127.0.0.1',
    shell_port: 1,
    iopub_port: 2,
    stdin_port: 3,
    control_port: 4,
    hb_port: 5,
    key: 'k',
    signature_scheme: 'hmac-sha256',
  };

  it('is read with its defaults', () => {
    const { transport: _, ip: __, signature_scheme: ___, ...bare } = valid;
    expect(checkConnection(bare, 'file')).toEqual(valid);
  });

  it('is refused where it is no JSON, with the reason', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fovea-connection-'));
    const path = join(folder, 'text.json');
    writeFileSync(path, 'hello');
    await expectSaidOnce(() => readConnection(path), 'bad-file', /text\.json is not JSON: \S/);
    rmSync(folder, { recursive: true });
  });

  it('is refused with the field that is wrong', () => {
    for (const [change, reason] of [
      [{ shell_port: -1 }, /shell_port = -1/],
      [{ hb_port: 70000 }, /hb_port = 70000/],
      [{ iopub_port: '5' }, /iopub_port = "5"/],
      [{ transport: 'inproc' }, /"inproc"/],
      [{ key: 7 }, /key that is not text/],
      [{ signature_scheme: 'none' }, /"none"/],
    ] as const) {
      expect(() => checkConnection({ ...valid, ...change }, 'file')).toThrow(reason);
    }
  });
});
