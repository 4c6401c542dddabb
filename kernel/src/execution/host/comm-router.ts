import type { JsonObject } from '../../json-object.js';
import type { Message } from '../../protocol/message.js';
import type { Transport } from '../../protocol/transport.js';
import type { CommMessage } from '../wire.js';
import type { Output } from './output.js';
import type { Runtime } from './runtime.js';

const types = { comm_open: 'open', comm_msg: 'msg', comm_close: 'close' } as const;
type CommType = keyof typeof types;

export function isCommType(type: string): type is CommType {
  return Object.hasOwn(types, type);
}

export interface CommContext {
  readonly transport: Transport;
  readonly output: Output;
  readonly runtime: Runtime;
  /** Numbers output that belongs to no cell, in the cells' own sequence. */
  nextCell(): number;
}

/** Comm messages between the front end and the runtime, and which comms are open. */
export class CommRouter {
  readonly #open = new Map<string, string>();
  #targets = new Set<string>();

  constructor(private readonly context: CommContext) {}

  /** Answers a comm_info_request. */
  info(target: unknown): Record<string, { target_name: string }> {
    const comms = [...this.#open].filter(
      ([, name]) => typeof target !== 'string' || target === '' || name === target,
    );
    return Object.fromEntries(comms.map(([id, name]) => [id, { target_name: name }]));
  }

  setTargets(names: readonly string[]): void {
    this.#targets = new Set(names);
  }

  /** Whether the runtime can handle a message now: its comm is open, or the target of a new one is there. */
  isReadyFor({ header, content }: Message): boolean {
    return header.msg_type === 'comm_open'
      ? this.#targets.has(String(content.target_name))
      : this.#open.has(String(content.comm_id));
  }

  /** Hands a message to the runtime; resolves when it has been handled. */
  async receive(message: Message): Promise<void> {
    const { header, content, buffers } = message;
    const kind = types[header.msg_type as CommType];
    const id = content.comm_id;
    if (typeof id !== 'string') return;
    const target = kind === 'open' ? String(content.target_name ?? '') : (this.#open.get(id) ?? '');
    if (kind === 'open') this.#open.set(id, target);
    if (kind === 'close') this.#open.delete(id);
    const request = this.context.nextCell();
    this.context.output.attribute(request, header);
    await this.context.runtime.comm(
      {
        type: 'comm',
        kind,
        id,
        target,
        data: content.data ?? {},
        metadata: message.metadata as JsonObject,
        request,
      },
      buffers,
    );
    this.context.output.end(request);
  }

  /** Publishes what the runtime sends. */
  send(message: CommMessage & { readonly cell?: number }, buffers: readonly Uint8Array[]): void {
    const { kind, id, target, data, metadata, cell } = message;
    if (kind === 'open') this.#open.set(id, target);
    if (kind === 'close') this.#open.delete(id);
    const content = { comm_id: id, data, ...(kind === 'open' ? { target_name: target } : {}) };
    const { output, transport } = this.context;
    output.flush();
    void transport.publish(`comm_${kind}`, content, output.parentOf(cell), { metadata, buffers });
  }

  /** The runtime has ended, and its comms with it: notifies the front ends. */
  closeAll(): void {
    for (const [id, target] of this.#open)
      this.send({ type: 'comm', kind: 'close', id, target, data: {}, metadata: {} }, []);
    this.#open.clear();
    this.#targets.clear();
  }
}
