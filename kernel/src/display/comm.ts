import { FoveaError } from '@fovea/engine/errors';

/** What goes with a comm message beside its data. */
export interface CommData {
  readonly metadata?: Record<string, unknown>;
  readonly buffers?: readonly Uint8Array[];
}

/** Handles a message of a comm. Binary buffers arrive as `extra.buffers`. */
export type CommHandler = (data: unknown, extra: Required<CommData>) => void | Promise<void>;

/** Handles a comm that the front end opens: set its `onMessage`, send the first message. */
export type CommTarget = (comm: Comm, data: unknown, extra: Required<CommData>) => void | Promise<void>;

/** A two-way channel between code in the kernel and code in the front end. */
export interface Comm {
  readonly id: string;
  readonly target: string;
  onMessage: CommHandler | undefined;
  /** Called when the front end closes the comm. */
  onClose: CommHandler | undefined;
  /** Sends a message; after `close` it does nothing. */
  send(data: unknown, extra?: CommData): void;
  close(data?: unknown, extra?: CommData): void;
}

/** The comms of a kernel: targets that front ends can open, and comms opened from here. */
export interface CommRegistry {
  registerTarget(name: string, target: CommTarget): void;
  unregisterTarget(name: string): void;
  /** Opens a comm to a target that the front end has registered. */
  open(target: string, data?: unknown, extra?: CommData): Comm;
}

const key = Symbol.for('fovea.comms');
type Holder = { [key]?: CommRegistry };

/** Connects `comms` to a kernel. Called once by the kernel's runtime. */
export function connectComms(registry: CommRegistry): void {
  (globalThis as Holder)[key] = registry;
}

function registry(): CommRegistry {
  const connected = (globalThis as Holder)[key];
  if (!connected) throw new FoveaError('unsupported', 'comms need a notebook: this process is not a kernel');
  return connected;
}

/**
 * Channels to the front end.
 *
 *     comms.registerTarget('echo', (comm) => {
 *       comm.onMessage = (data, { buffers }) => comm.send({ echo: data }, { buffers });
 *     });
 *
 * @throws FoveaError `unsupported` outside a kernel
 */
export const comms: CommRegistry = {
  registerTarget: (name, target) => registry().registerTarget(name, target),
  unregisterTarget: (name) => registry().unregisterTarget(name),
  open: (target, data, extra) => registry().open(target, data, extra),
};
