import { StringDecoder } from 'node:string_decoder';
import type { Packet, Report } from '../wire.js';

export interface MergerEvents {
  onText(descriptor: 1 | 2, text: string): void;
  onPacket(packet: Packet<Report>): void;
}

type RawItem = { readonly text: string } | { readonly barrier: number };

/** How long messages wait for a marker that should have come on a descriptor. */
const PATIENCE_MS = 250;

/**
 * Puts the three ways from the runtime (messages, descriptor 1, descriptor 2) back into one order, by the
 * barriers that the runtime writes to all of them.
 */
export class Merger {
  readonly #raw = { 1: new RawStream(), 2: new RawStream() };
  readonly #packets: Packet<Report>[] = [];
  #reached = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly marker: string,
    private readonly events: MergerEvents,
  ) {}

  packet(packet: Packet<Report>): void {
    this.#packets.push(packet);
    this.#advance();
  }

  bytes(descriptor: 1 | 2, chunk: Buffer): void {
    this.#raw[descriptor].push(chunk, this.marker);
    this.#advance();
  }

  /** No more input: releases everything that is held back. */
  finish(): void {
    for (const descriptor of [1, 2] as const) this.#raw[descriptor].end();
    this.#reached = Number.POSITIVE_INFINITY;
    this.#advance();
    for (let packet = this.#packets.shift(); packet; packet = this.#packets.shift()) this.#deliver(packet);
  }

  #advance(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const descriptor of [1, 2] as const) {
        const raw = this.#raw[descriptor];
        for (let item = raw.items[0]; item; item = raw.items[0]) {
          if ('barrier' in item) {
            if (item.barrier > this.#reached) break;
            raw.passed = item.barrier;
          } else this.events.onText(descriptor, item.text);
          raw.items.shift();
          moved = true;
        }
      }
      for (let packet = this.#packets[0]; packet; packet = this.#packets[0]) {
        const { message } = packet;
        if (message.type === 'barrier') {
          if (this.#reached < message.number) {
            this.#reached = message.number;
            moved = true;
            break;
          }
          if (
            message.descriptors.some((descriptor) => this.#raw[descriptor as 1 | 2].passed < message.number)
          ) {
            this.#timer ??= setTimeout(() => this.#giveUp(), PATIENCE_MS);
            return;
          }
          clearTimeout(this.#timer);
          this.#timer = undefined;
        }
        this.#packets.shift();
        this.#deliver(packet);
        moved = true;
      }
    }
  }

  /** A marker was lost, because other code read or closed the descriptor: continue without it. */
  #giveUp(): void {
    this.#timer = undefined;
    if (this.#packets[0]?.message.type === 'barrier') this.#packets.shift();
    this.#advance();
  }

  #deliver(packet: Packet<Report>): void {
    if (packet.message.type !== 'barrier') this.events.onPacket(packet);
  }
}

class RawStream {
  readonly items: RawItem[] = [];
  passed = 0;
  readonly #decoder = new StringDecoder('utf8');
  #held = '';

  push(chunk: Buffer, marker: string): void {
    let text = this.#held + this.#decoder.write(chunk);
    this.#held = '';
    for (;;) {
      const at = text.indexOf(marker);
      if (at < 0) break;
      const end = text.indexOf(';', at + marker.length);
      if (end < 0) {
        this.#text(text.slice(0, at));
        this.#held = text.slice(at);
        return;
      }
      this.#text(text.slice(0, at));
      this.items.push({ barrier: Number(text.slice(at + marker.length, end)) });
      text = text.slice(end + 1);
    }
    const possible = text.lastIndexOf(marker[0]!);
    if (possible >= 0 && marker.startsWith(text.slice(possible))) {
      this.#text(text.slice(0, possible));
      this.#held = text.slice(possible);
    } else this.#text(text);
  }

  end(): void {
    this.#text(this.#held + this.#decoder.end());
    this.#held = '';
  }

  #text(text: string): void {
    if (text !== '') this.items.push({ text });
  }
}
