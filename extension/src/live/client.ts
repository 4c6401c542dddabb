import type { Kernel } from '@jupyterlab/services';
import { LIVE_TARGET, type LiveReply, type LiveRequest, readReply } from './protocol';

/** What the panel can say of its connection. */
export type Connection =
  /** There is no kernel. */
  | 'none'
  /** The kernel is starting, or its connection is. */
  | 'starting'
  /** The comm is open and the catalogue awaited. */
  | 'opening'
  /** The comm is open, and nothing has come for a while. */
  | 'silent'
  | 'ready'
  /** What is neither notebook nor console, as a view of another extension, has the one connection that opens comms. */
  | 'shared'
  /** The kernel closed the comm unanswered: it is another kernel. */
  | 'unsupported'
  /** The kernel closed a comm that had worked. */
  | 'closed'
  | 'dead';

export interface ClientOptions {
  /** What asks for the catalogue, when the comm is open. */
  hello(): LiveRequest;
  onConnection(connection: Connection): void;
  /** @param buffers the bytes that came with the reply */
  onReply(reply: LiveReply, buffers: readonly Uint8Array[]): void;
  /** A message that does not follow the protocol. */
  onMalformed(error: Error): void;
}

/** After this long without a catalogue the panel says so; an answer that comes later still counts. */
const PATIENCE_MS = 8000;

/** Comm ids that some panel of this page holds: another view of the same kernel opens its own. */
const held = new Set<string>();

const storageKey = (kernel: Kernel.IKernelConnection) => `fovea.live:${kernel.id}`;

/**
 * The panel's end of the comm to one kernel. It opens again after a restart; after a reload of the page it takes
 * up the comm that the kernel still holds for it, known from the tab's session storage.
 */
export class LiveClient {
  private comm: Kernel.IComm | undefined;
  private generation = 0;
  /** Whether the kernel is being asked for a comm of before a reload. */
  private isLooking = false;
  private wasLost = false;
  private patience: number | undefined;
  connection: Connection = 'none';

  constructor(
    readonly kernel: Kernel.IKernelConnection,
    private readonly options: ClientOptions,
  ) {
    kernel.statusChanged.connect(this.onStatus, this);
    kernel.connectionStatusChanged.connect(this.onStatus, this);
    kernel.disposed.connect(this.onDisposed, this);
    this.onStatus();
  }

  dispose(): void {
    this.generation += 1;
    this.kernel.statusChanged.disconnect(this.onStatus, this);
    this.kernel.connectionStatusChanged.disconnect(this.onStatus, this);
    this.kernel.disposed.disconnect(this.onDisposed, this);
    const comm = this.drop();
    if (comm && !comm.isDisposed && !this.kernel.isDisposed) comm.close();
    if (comm) sessionStorage.removeItem(storageKey(this.kernel));
  }

  /** Sends a request. Without a comm it is dropped; the answer to `hello` then starts again. */
  send(request: LiveRequest): void {
    const { comm } = this;
    if (!comm || comm.isDisposed || this.kernel.isDisposed) return;
    // The answer comes over the comm; the shell reply says nothing, and is cancelled by a restart.
    comm.send(request as never).done.catch(() => undefined);
  }

  /** Opens the comm again after the kernel has closed it, or here after the view that had it was closed. */
  reopen(): void {
    if (this.connection === 'shared') this.kernel.handleComms = true;
    this.drop();
    this.open();
  }

  private set(connection: Connection): void {
    window.clearTimeout(this.patience);
    if (connection === this.connection) return;
    this.connection = connection;
    this.options.onConnection(connection);
  }

  private onDisposed(): void {
    this.drop();
    this.set('dead');
  }

  private onStatus(): void {
    const { kernel } = this;
    if (kernel.isDisposed) return;
    if (kernel.status === 'dead' || kernel.status === 'terminating') {
      this.drop();
      this.set('dead');
    } else if (kernel.status === 'restarting' || kernel.status === 'autorestarting') {
      this.drop();
      this.set('starting');
    } else if (
      kernel.connectionStatus !== 'connected' ||
      kernel.status === 'unknown' ||
      kernel.status === 'starting'
    ) {
      // A lost connection keeps the comm: the kernel may still hold it when it returns.
      if (!this.comm) this.set('starting');
      else if (kernel.connectionStatus !== 'connected') this.wasLost = true;
    } else if (!this.comm || this.comm.isDisposed) {
      const isOver = this.connection === 'unsupported' || this.connection === 'closed';
      if (!isOver && !this.isLooking) this.open();
    } else if (this.wasLost) {
      this.wasLost = false;
      const { comm } = this;
      void this.isKnown(comm.commId).then((known) => {
        if (!known && comm === this.comm) this.reopen();
      });
    }
  }

  /** Whether the kernel holds a comm of this id. */
  private async isKnown(id: string): Promise<boolean> {
    try {
      const { content } = await this.kernel.requestCommInfo({ target_name: LIVE_TARGET });
      return content.status === 'ok' && id in content.comms;
    } catch {
      return false;
    }
  }

  private drop(): Kernel.IComm | undefined {
    this.generation += 1;
    this.isLooking = false;
    window.clearTimeout(this.patience);
    const { comm } = this;
    this.comm = undefined;
    if (comm) {
      held.delete(comm.commId);
      comm.onMsg = () => undefined;
      comm.onClose = () => undefined;
    }
    return comm;
  }

  private open(): void {
    this.generation += 1;
    const { kernel, generation } = this;
    if (!kernel.handleComms) {
      this.set('shared');
      return;
    }
    this.set('opening');
    const known = sessionStorage.getItem(storageKey(kernel));
    if (!known || held.has(known) || kernel.hasComm(known)) {
      this.start(undefined);
      return;
    }
    // Held from now on, so that a second panel does not reuse the same comm.
    held.add(known);
    this.isLooking = true;
    void this.isKnown(known).then((found) => {
      if (!found || generation !== this.generation) held.delete(known);
      if (generation !== this.generation) return;
      this.isLooking = false;
      this.start(found ? known : undefined);
    });
  }

  private start(known: string | undefined): void {
    const { kernel } = this;
    if (kernel.isDisposed) return;
    const comm = kernel.createComm(LIVE_TARGET, known);
    this.comm = comm;
    held.add(comm.commId);
    comm.onMsg = ({ content, buffers = [] }) => this.onMessage(content.data, buffers.map(bytesOf));
    comm.onClose = () => {
      const worked = this.connection === 'ready';
      this.drop();
      sessionStorage.removeItem(storageKey(kernel));
      this.set(worked ? 'closed' : 'unsupported');
    };
    sessionStorage.setItem(storageKey(kernel), comm.commId);
    if (known === undefined) comm.open({}).done.catch(() => undefined);
    this.send(this.options.hello());
    this.patience = window.setTimeout(() => this.set('silent'), PATIENCE_MS);
  }

  private onMessage(data: unknown, buffers: readonly Uint8Array[]): void {
    let reply: LiveReply;
    try {
      reply = readReply(data);
    } catch (error) {
      this.options.onMalformed(error as Error);
      return;
    }
    if (reply.type === 'catalogue') this.set('ready');
    this.options.onReply(reply, buffers);
  }
}

const bytesOf = (buffer: ArrayBuffer | ArrayBufferView): Uint8Array =>
  ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
