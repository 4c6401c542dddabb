import { LRUCache } from 'lru-cache';
import { type Message, type MessageFactory, parseHeader, parsePart } from './message.js';

/** How much output reaches the browser, which would otherwise freeze and take the notebook with it. */
export interface OutputLimits {
  /** Text of one cell's streams, in bytes. */
  readonly streamBytes: number;
  /** Plain text of one result, in bytes. */
  readonly plainTextBytes: number;
  /** All representations of one result together, in bytes. */
  readonly bundleBytes: number;
  /** Outputs per second, over `RATE_WINDOW_MS`. */
  readonly messagesPerSecond: number;
}

export const DEFAULT_OUTPUT_LIMITS: OutputLimits = {
  streamBytes: 2 * 2 ** 20,
  plainTextBytes: 2 ** 20,
  bundleBytes: 32 * 2 ** 20,
  messagesPerSecond: 1000,
};

const RATE_WINDOW_MS = 3000;
/** Cells whose stream sizes are remembered; output may still come long after a cell is done. */
const REMEMBERED_CELLS = 256;

const OUTPUTS = new Set(['stream', 'display_data', 'update_display_data', 'execute_result', 'error']);

const size = (bytes: number): string =>
  bytes >= 2 ** 20 ? `${Math.round((bytes / 2 ** 20) * 10) / 10} MB` : `${Math.ceil(bytes / 1024)} kB`;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Cuts a kernel's output to the limits, each cut with a note in the place of what is missing. */
export class OutputLimiter {
  private readonly streamed = new LRUCache<string, number>({ max: REMEMBERED_CELLS });
  private windowStart = 0;
  private inWindow = 0;

  constructor(
    private readonly limits: OutputLimits,
    private readonly factory: MessageFactory,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** What to pass on in place of one broadcast: the message, a shortened one, a note, or nothing. */
  filter(message: Message): readonly Message[] {
    const { msg_type: type } = parseHeader(message.header);
    if (!OUTPUTS.has(type)) return [message];
    const late = this.checkRate(message);
    if (late) return late;
    if (type === 'stream') return this.checkStream(message);
    if (message.content.length > this.limits.plainTextBytes) return [this.shorten(message, type)];
    return [message];
  }

  private note(message: Message, text: string): Message {
    return this.factory.create('iopub', 'stream', { name: 'stderr', text: `${text}\n` }, message.parent);
  }

  private checkRate(message: Message): readonly Message[] | undefined {
    const now = this.now();
    if (now - this.windowStart >= RATE_WINDOW_MS) {
      this.windowStart = now;
      this.inWindow = 0;
    }
    this.inWindow += 1;
    const allowed = (this.limits.messagesPerSecond * RATE_WINDOW_MS) / 1000;
    if (this.inWindow <= allowed) return undefined;
    if (this.inWindow > allowed + 1) return [];
    const text = `[More than ${this.limits.messagesPerSecond} outputs per second: some are not shown.]`;
    return [this.note(message, text)];
  }

  private checkStream(message: Message): readonly Message[] {
    const cell = parseHeader(message.parent).msg_id;
    const before = this.streamed.get(cell) ?? 0;
    const after = before + message.content.length;
    this.streamed.set(cell, after);
    const { streamBytes } = this.limits;
    if (after <= streamBytes) return [message];
    if (before > streamBytes) return [];
    const content = parsePart(message.content) ?? { name: 'stdout' };
    const text = textOf(content.text).slice(0, Math.max(0, streamBytes - before));
    const cut = { ...message, content: Buffer.from(JSON.stringify({ ...content, text })) };
    const note = `\n[This cell wrote more than ${size(streamBytes)}: the rest is not shown. Write to a file instead.]`;
    return [cut, this.note(message, note)];
  }

  private shorten(message: Message, type: string): Message {
    const content = parsePart(message.content);
    if (!content) return this.note(message, `[Output of ${size(message.content.length)} cannot be read.]`);
    if (type === 'error') {
      const { plainTextBytes } = this.limits;
      const text = (value: unknown) => textOf(value).slice(0, plainTextBytes / 4);
      const lines = Array.isArray(content.traceback) ? content.traceback : [];
      const traceback = lines.slice(0, 100).map((line) => textOf(line).slice(0, 4096));
      const cut = { ...content, ename: text(content.ename), evalue: text(content.evalue), traceback };
      return { ...message, content: Buffer.from(JSON.stringify(cut)) };
    }
    const data = (content.data ?? {}) as Record<string, unknown>;
    const { bundleBytes, plainTextBytes } = this.limits;
    if (message.content.length > bundleBytes) {
      const kinds = Object.keys(data).join(', ');
      const note = `[Output of ${size(message.content.length)} (${kinds}) is not shown: at most ${size(bundleBytes)} are.]`;
      return this.withData(message, content, { 'text/plain': note });
    }
    const plain = data['text/plain'];
    if (typeof plain !== 'string' || plain.length <= plainTextBytes) return message;
    const rest = size(plain.length - plainTextBytes);
    return this.withData(message, content, {
      ...data,
      'text/plain': `${plain.slice(0, plainTextBytes)}\n[${rest} more are not shown.]`,
    });
  }

  private withData(
    message: Message,
    content: Record<string, unknown>,
    data: Record<string, unknown>,
  ): Message {
    return { ...message, content: Buffer.from(JSON.stringify({ ...content, data })) };
  }
}
