import { LRUCache } from 'lru-cache';
import type { Header } from '../../protocol/message.js';
import type { Transport } from '../../protocol/transport.js';
import { type Bundle, COALESCE_CHARACTERS, COALESCE_MS } from '../wire.js';

type StreamName = 'stdout' | 'stderr';

/** Parents of cells that are remembered for late output. */
const REMEMBERED = 2000;
const TAIL_SIZE = 4096;
/** An update of the same display within this time replaces the one before. */
const UPDATE_MS = 40;

interface CellOutput {
  readonly parent: Partial<Header>;
  printed: number;
  dropped: number;
  tail: string;
}

interface HeldText {
  readonly cell: number | undefined;
  readonly name: StreamName;
  text: string;
  readonly taken: (() => void)[];
}

/** Output of cells on its way to iopub: attributed, in order, coalesced, and limited per cell. */
export class Output {
  readonly #cells = new LRUCache<number, CellOutput>({ max: REMEMBERED });
  readonly #updates = new Map<
    string,
    { timer: NodeJS.Timeout; cell: number | undefined; content: object | undefined }
  >();
  #held: HeldText | undefined;
  #timer: NodeJS.Timeout | undefined;
  #current: number | undefined;

  /** @param limit characters of stream text that one cell may print */
  constructor(
    private readonly transport: Transport,
    private readonly limit: number,
  ) {}

  /** Begins a cell; output without attribution belongs to the last one begun. */
  begin(cell: number, parent: Partial<Header>): void {
    this.#current = cell;
    this.attribute(cell, parent);
  }

  /** Sets the request that output under a number belongs to. */
  attribute(cell: number, parent: Partial<Header>): void {
    this.#cells.set(cell, { parent, printed: 0, dropped: 0, tail: '' });
  }

  /** Sends what is held back for a cell that ends, and what it printed last when much was left out. */
  end(cell: number): void {
    const output = this.#cells.get(cell);
    if (output && output.dropped > 0) {
      const { dropped, tail } = output;
      output.dropped = 0;
      output.tail = '';
      const skipped = dropped - tail.length;
      const note =
        skipped > 0 ? `\n… ${skipped.toLocaleString('en')} characters of output are not shown …\n` : '';
      this.flush();
      void this.transport.publish('stream', { name: 'stdout', text: note + tail }, output.parent);
    }
    this.flush();
  }

  /** Prints; `taken` is called when the text has been sent or dropped. */
  stream(
    cell: number | undefined,
    name: StreamName,
    text: string,
    taken: () => void = () => undefined,
  ): void {
    const owner = cell ?? this.#current;
    const output = this.#output(owner);
    if (output) {
      const room = this.limit - output.printed;
      output.printed += text.length;
      if (text.length > room) {
        const first = room > 0 ? text.slice(0, room) : '';
        if (output.dropped === 0) {
          this.#hold(owner, name, first, () => undefined);
          this.flush();
          const note = `\n[fovea] this cell has printed ${this.limit.toLocaleString('en')} characters; more is not shown. Set FOVEA_OUTPUT_LIMIT to change the limit.\n`;
          void this.transport.publish('stream', { name: 'stderr', text: note }, output.parent);
        }
        output.dropped += text.length - first.length;
        output.tail = (output.tail + text.slice(first.length)).slice(-TAIL_SIZE);
        taken();
        return;
      }
    }
    this.#hold(owner, name, text, taken);
  }

  /** Shows, or updates what is shown under `id`. */
  display(
    cell: number | undefined,
    bundle: Bundle,
    id?: string,
    update = false,
    taken: () => void = () => undefined as undefined,
  ): void {
    const content = { ...bundle, transient: id === undefined ? {} : { display_id: id } };
    if (update && id !== undefined) {
      const pending = this.#updates.get(id);
      if (pending) {
        pending.content = content;
        taken();
        return;
      }
      this.publish(cell, 'update_display_data', content).then(taken, taken);
      const timer = setTimeout(() => this.#sendUpdate(id), UPDATE_MS);
      this.#updates.set(id, { timer, cell, content: undefined });
      return;
    }
    this.publish(cell, 'display_data', content).then(taken, taken);
  }

  /** Publishes any other message in order with the output before it. */
  publish(cell: number | undefined, type: string, content: unknown): Promise<void> {
    this.flush();
    return this.transport.publish(type, content, this.parentOf(cell));
  }

  /** Header of the request that a cell came from. */
  parentOf(cell: number | undefined): Partial<Header> {
    return this.#output(cell ?? this.#current)?.parent ?? {};
  }

  /** Sends everything held back now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const id of this.#updates.keys()) this.#sendUpdate(id);
    const held = this.#held;
    this.#held = undefined;
    if (!held || held.text === '') return;
    const done = () => {
      for (const taken of held.taken) taken();
    };
    void this.transport
      .publish('stream', { name: held.name, text: held.text }, this.parentOf(held.cell))
      .then(done, done);
  }

  #sendUpdate(id: string): void {
    const pending = this.#updates.get(id);
    if (!pending) return;
    clearTimeout(pending.timer);
    this.#updates.delete(id);
    if (!pending.content) return;
    void this.transport.publish('update_display_data', pending.content, this.parentOf(pending.cell));
  }

  #hold(cell: number | undefined, name: StreamName, text: string, taken: () => void): void {
    if (this.#held && (this.#held.name !== name || this.#held.cell !== cell)) this.flush();
    if (this.#updates.size > 0) this.flush();
    if (this.#held) {
      this.#held.text += text;
      this.#held.taken.push(taken);
    } else this.#held = { cell, name, text, taken: [taken] };
    if (this.#held.text.length >= COALESCE_CHARACTERS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), COALESCE_MS);
  }

  #output(cell: number | undefined): CellOutput | undefined {
    return cell === undefined ? undefined : this.#cells.get(cell);
  }
}
