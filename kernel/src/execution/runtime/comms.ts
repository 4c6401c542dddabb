import { randomUUID } from 'node:crypto';
import process from 'node:process';
import type { Comm, CommData, CommHandler, CommTarget } from '../../display/comm.js';
import type { CommMessage } from '../wire.js';

type Send = (message: CommMessage, buffers: readonly Uint8Array[]) => void;

/** The comms of this runtime: channels to widgets and panels, opened from either side. */
export class Comms {
  readonly #targets = new Map<string, CommTarget>();
  readonly #open = new Map<string, LiveComm>();

  constructor(
    private readonly send: Send,
    private readonly targetsChanged: (names: readonly string[]) => void,
  ) {}

  registerTarget(name: string, target: CommTarget): void {
    this.#targets.set(name, target);
    this.targetsChanged([...this.#targets.keys()]);
  }

  unregisterTarget(name: string): void {
    this.#targets.delete(name);
    this.targetsChanged([...this.#targets.keys()]);
  }

  /** Opens a comm to the front end. */
  open(target: string, data: unknown = {}, { metadata = {}, buffers = [] }: CommData = {}): Comm {
    const comm = this.#create(randomUUID(), target);
    this.send({ type: 'comm', kind: 'open', id: comm.id, target, data, metadata }, buffers);
    return comm;
  }

  /** Open comms by id. */
  list(): Record<string, { target_name: string }> {
    return Object.fromEntries([...this.#open].map(([id, { target }]) => [id, { target_name: target }]));
  }

  /** Handles what the front end sent. A comm to an unregistered target is closed, as the protocol requires. */
  async receive(message: CommMessage, buffers: readonly Uint8Array[]): Promise<void> {
    const { kind, id, target, data, metadata } = message;
    if (kind === 'open') {
      const handler = this.#targets.get(target);
      if (!handler) {
        this.send({ type: 'comm', kind: 'close', id, target, data: {}, metadata: {} }, []);
        process.stderr.write(`[fovea] a comm was opened for '${target}', which no cell has registered\n`);
        return;
      }
      const comm = this.#create(id, target);
      try {
        await handler(comm, data, { metadata, buffers });
      } catch (error) {
        comm.close();
        throw error;
      }
      return;
    }
    const comm = this.#open.get(id);
    if (!comm) return;
    if (kind === 'close') comm.ended();
    await (kind === 'close' ? comm.onClose : comm.onMessage)?.(data, { metadata, buffers });
  }

  #create(id: string, target: string): LiveComm {
    const comm = new LiveComm(id, target, this.send, () => this.#open.delete(id));
    this.#open.set(id, comm);
    return comm;
  }
}

class LiveComm implements Comm {
  onMessage: CommHandler | undefined;
  onClose: CommHandler | undefined;
  #closed = false;

  constructor(
    readonly id: string,
    readonly target: string,
    private readonly transmit: Send,
    private readonly forget: () => void,
  ) {}

  send(data: unknown, { metadata = {}, buffers = [] }: CommData = {}): void {
    if (this.#closed) return;
    this.transmit({ type: 'comm', kind: 'msg', id: this.id, target: this.target, data, metadata }, buffers);
  }

  /** The front end has closed it: what is sent from now on would reach nothing there. */
  ended(): void {
    this.#closed = true;
    this.forget();
  }

  close(data: unknown = {}, { metadata = {}, buffers = [] }: CommData = {}): void {
    if (this.#closed) return;
    this.ended();
    this.transmit({ type: 'comm', kind: 'close', id: this.id, target: this.target, data, metadata }, buffers);
  }
}
