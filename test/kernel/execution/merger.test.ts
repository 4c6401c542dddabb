import { describe, expect, it } from 'vitest';
import { Merger } from '../../../kernel/src/execution/host/merger.js';
import { pack, type Report, Unpacker } from '../../../kernel/src/execution/wire.js';

const marker = '\u001efovea-test:';

function collect() {
  const seen: string[] = [];
  const merger = new Merger(marker, {
    onText: (descriptor, text) => seen.push(`${descriptor}:${text}`),
    onPacket: ({ message }) => seen.push(message.type),
  });
  const packet = (message: Report) => merger.packet({ message, buffers: [] });
  return { seen, merger, packet };
}

const stream: Report = { type: 'stream', name: 'stdout', text: 'x' };
const barrier: Report = { type: 'barrier', number: 1, descriptors: [1, 2] };

describe('the merger of messages and descriptors', () => {
  it('holds messages behind a barrier until the descriptors have reached it', () => {
    const { seen, merger, packet } = collect();
    packet(barrier);
    packet(stream);
    expect(seen).toEqual([]);
    merger.bytes(1, Buffer.from(`before${marker}1;`));
    expect(seen).toEqual(['1:before']);
    merger.bytes(2, Buffer.from(`${marker}1;`));
    expect(seen).toEqual(['1:before', 'stream']);
  });

  it('holds what comes after the marker until messages have reached the barrier', () => {
    const { seen, merger, packet } = collect();
    merger.bytes(1, Buffer.from(`a${marker}1;b`));
    expect(seen).toEqual(['1:a']);
    packet(stream);
    expect(seen).toEqual(['1:a', 'stream']);
    packet(barrier);
    expect(seen).toEqual(['1:a', 'stream', '1:b']);
  });

  it('finds markers and characters that are cut between chunks', () => {
    const { seen, merger, packet } = collect();
    packet(barrier);
    for (const byte of Buffer.from(`é${marker}1;ü`)) merger.bytes(1, Buffer.from([byte]));
    merger.bytes(2, Buffer.from(`${marker}1;`));
    expect(seen.join('')).toBe('1:é1:ü');
  });

  it('goes on when a marker never comes', async () => {
    const { seen, packet } = collect();
    packet(barrier);
    packet(stream);
    expect(seen).toEqual([]);
    await expect.poll(() => seen).toEqual(['stream']);
  });

  it('lets everything out at the end', () => {
    const { seen, merger, packet } = collect();
    packet(barrier);
    packet(stream);
    merger.bytes(1, Buffer.from(`last words${marker}`));
    merger.finish();
    expect(seen).toContain('stream');
    expect(seen.join('')).toContain('last words');
  });
});

describe('packets', () => {
  it('survive any cutting of the byte stream, with their buffers', () => {
    const bytes = Buffer.concat([
      pack(JSON.stringify({ type: 'ready' }), []),
      pack(JSON.stringify({ type: 'clear', wait: true }), [Uint8Array.of(1, 2, 3), new Uint8Array(0)]),
    ]);
    for (const size of [1, 2, 3, 7, 100]) {
      const unpacker = new Unpacker<Report>();
      const packets = [];
      for (let at = 0; at < bytes.length; at += size)
        packets.push(...unpacker.push(bytes.subarray(at, at + size)));
      expect(packets.map(({ message }) => message.type)).toEqual(['ready', 'clear']);
      expect(packets[1]!.buffers.map((buffer) => [...buffer])).toEqual([[1, 2, 3], []]);
    }
  });
});
