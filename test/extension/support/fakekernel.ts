import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import type { LatencyProfile, MasksDocument } from '../../../extension/src/documents/types';
import type {
  LiveBrowserRun,
  LiveCatalogue,
  LiveReply,
  LiveRequest,
} from '../../../extension/src/live/protocol';

/** What a fake kernel answers with. */
export interface FakeAnswers {
  readonly catalogue: LiveCatalogue;
  readonly profile: LatencyProfile;
  readonly dense: LatencyProfile;
  readonly masks: MasksDocument;
  /** With what a browser repeats a run, where it is asked for. */
  readonly browser?: LiveBrowserRun | { readonly refused: string };
}

/** Size of the network's file, and of its pieces. */
const FILE_BYTES = 10;
const PIECE_BYTES = 4;

/** What the network is given, and what it answers. */
const INPUT = [1, 2, 3];
export const OUTPUT = [0.5, -2, 1];

const done = Promise.resolve();

/**
 * A kernel connection with the parts that the panel uses. `knowsTarget: false` closes comms unanswered, as every
 * other kernel does.
 */
export class FakeKernel {
  readonly statusChanged = new Signal<this, Kernel.Status>(this);
  readonly connectionStatusChanged = new Signal<this, Kernel.ConnectionStatus>(this);
  readonly disposed = new Signal<this, void>(this);
  status: Kernel.Status = 'idle';
  connectionStatus: Kernel.ConnectionStatus = 'connected';
  isDisposed = false;
  knowsTarget = true;
  handleComms = true;
  /** Whether answers come by themselves. */
  answering = true;
  delayMs = 0;
  readonly requests: LiveRequest[] = [];
  opened = 0;
  /** Comm ids that the kernel's side holds; they outlive the page. */
  readonly holds = new Set<string>();
  private readonly comms = new Map<string, Record<string, unknown>>();

  constructor(
    readonly id: string,
    private readonly answers: FakeAnswers,
  ) {}

  hasComm(id: string): boolean {
    return this.comms.has(id);
  }

  createComm(targetName: string, commId = Math.random().toString(36).slice(2)): Kernel.IComm {
    if (!this.handleComms) throw new Error('Comms are disabled on this kernel connection');
    const comm = {
      commId,
      targetName,
      isDisposed: false,
      onMsg: (_message: unknown): void => undefined,
      onClose: (_message: unknown): void => undefined,
      open: () => {
        this.opened += 1;
        if (this.knowsTarget) this.holds.add(commId);
        else window.setTimeout(() => comm.onClose({}), 5);
        return { done };
      },
      send: (request: LiveRequest) => {
        this.requests.push(structuredClone(request));
        if (this.knowsTarget && this.holds.has(commId) && this.answering) {
          const reply = this.answer(request);
          if (reply) window.setTimeout(() => this.reply(reply), this.delayMs);
        }
        return { done };
      },
      close: () => {
        this.holds.delete(commId);
        this.comms.delete(commId);
        return { done };
      },
      dispose: () => {
        comm.isDisposed = true;
      },
    };
    this.comms.set(commId, comm);
    return comm as unknown as Kernel.IComm;
  }

  async requestCommInfo(): Promise<unknown> {
    return { content: { status: 'ok', comms: Object.fromEntries([...this.holds].map((id) => [id, {}])) } };
  }

  /** Sends to every comm that is open. */
  reply(reply: LiveReply | Record<string, unknown>): void {
    for (const comm of this.comms.values()) {
      (comm.onMsg as (message: unknown) => void)({ content: { data: reply }, buffers: buffersOf(reply) });
    }
  }

  /** Closes all comms from the kernel's side. */
  closeComms(): void {
    this.holds.clear();
    for (const comm of [...this.comms.values()]) (comm.onClose as (message: unknown) => void)({});
    this.comms.clear();
  }

  setStatus(status: Kernel.Status): void {
    this.status = status;
    if (status === 'restarting') {
      this.holds.clear();
      for (const comm of this.comms.values()) comm.isDisposed = true;
      this.comms.clear();
    }
    this.statusChanged.emit(status);
  }

  setConnection(status: Kernel.ConnectionStatus): void {
    this.connectionStatus = status;
    this.connectionStatusChanged.emit(status);
  }

  private answer(request: LiveRequest): LiveReply | undefined {
    const { catalogue, profile, dense, masks } = this.answers;
    switch (request.type) {
      case 'hello':
        return { type: 'catalogue', catalogue };
      case 'predict':
        return {
          type: 'prediction',
          serial: request.serial,
          profile: { ...profile, totalMs: dense.totalMs * (0.1 + 0.9 * request.state.rate) },
          dense,
          computeMs: 1,
        };
      case 'run': {
        const measured = { ...profile, origin: 'measured' as const, totalMs: profile.totalMs * 1.06 };
        const slow = { ...dense, origin: 'measured' as const, totalMs: dense.totalMs * 1.1 };
        const { browser } = this.answers;
        return {
          type: 'result',
          serial: request.serial,
          masks,
          measured,
          predicted: profile,
          dense: slow,
          ...(request.inBrowser && browser ? { browser } : {}),
        };
      }
      case 'network':
        return {
          type: 'network',
          serial: request.serial,
          key: request.key,
          offset: request.offset,
          totalBytes: FILE_BYTES,
        };
      case 'code':
        return { type: 'code', serial: request.serial, source: `// ${request.state.network}` };
      case 'calibrate':
        return { type: 'calibrated', serial: request.serial, device: 'this-machine' };
      case 'cancel':
        return undefined;
    }
  }
}

/** What belongs to a reply as bytes; each byte of a file is its own offset. */
function buffersOf(reply: LiveReply | Record<string, unknown>): ArrayBufferView[] {
  if (reply.type === 'result' && reply.browser) {
    return [INPUT, OUTPUT].map((values) => new DataView(Float32Array.from(values).buffer));
  }
  if (reply.type !== 'network') return [];
  const offset = reply.offset as number;
  const length = Math.min(PIECE_BYTES, FILE_BYTES - offset);
  return [Uint8Array.from({ length }, (_, i) => offset + i)];
}
