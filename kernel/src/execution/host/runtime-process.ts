import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { endSession, signalSession } from '../process-sessions.js';
import { type Order, type Packet, pack, type Report, Unpacker } from '../wire.js';
import { Merger } from './merger.js';

export interface RuntimeEvents {
  onReport(packet: Packet<Report>): void;
  /** Bytes written to the descriptor itself: by children, native code, or a crash. */
  onRaw(name: 'stdout' | 'stderr', text: string): void;
  onExit(code: number | null, signal: NodeJS.Signals | null): void;
}

/** How long what a runtime wrote before it died may take to arrive. */
const LAST_WORDS_MS = 500;
/** How long children of the runtime may take to end by themselves when the kernel shuts down. */
const CHILDREN_GRACE_MS = 1000;

/** Flags for the runtime's own command line: not NODE_OPTIONS, which the user's children would inherit. */
function runtimeFlags(): string[] {
  const flags = [
    // Terminating code inside a timer or a microtask would otherwise abort the process.
    '--no-force-async-hooks-checks',
  ];
  const optional = ['--disable-warning=ExperimentalWarning', '--disable-warning=DEP0205'];
  if (process.allowedNodeEnvironmentFlags.has('--disable-warning')) flags.push(...optional);
  if (
    process.versions.node.startsWith('22.') &&
    process.allowedNodeEnvironmentFlags.has('--experimental-async-context-frame')
  ) {
    flags.push('--experimental-async-context-frame');
  }
  return [...flags, ...(process.env.FOVEA_RUNTIME_FLAGS?.split(/\s+/).filter(Boolean) ?? [])];
}

/** The process that user code runs in, seen from the host. */
export class RuntimeProcess {
  readonly #child: ChildProcess;
  readonly #pipe: Duplex;
  #inspectorCalls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #nextCall = 0;
  #ended = false;
  #isReady: () => void = () => undefined;
  /** Resolves when it takes orders, or has ended. */
  readonly ready: Promise<void> = new Promise((resolve) => {
    this.#isReady = resolve;
  });

  constructor(directory: string, events: RuntimeEvents) {
    const marker = `\u001efovea-${randomBytes(9).toString('hex')}:`;
    this.#child = spawn(
      process.execPath,
      [...runtimeFlags(), fileURLToPath(new URL('../runtime/main.js', import.meta.url)), marker],
      {
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
        cwd: directory,
        env: { ...process.env, FOVEA_NOTEBOOK_DIR: directory },
        // A session of its own, with which everything ends that cells have started: see `process-sessions.ts`.
        detached: process.platform !== 'win32',
      },
    );
    this.#pipe = this.#child.stdio[3] as Duplex;
    const merger = new Merger(marker, {
      onText: (descriptor, text) => events.onRaw(descriptor === 1 ? 'stdout' : 'stderr', text),
      onPacket: (packet) => {
        const { message } = packet;
        if (message.type === 'ready') this.#isReady();
        if (message.type === 'inspector-reply') this.#settle(message);
        else events.onReport(packet);
      },
    });
    const unpacker = new Unpacker<Report>();
    this.#pipe.on('data', (chunk: Buffer) => {
      for (const packet of unpacker.push(chunk)) merger.packet(packet);
    });
    this.#pipe.on('error', () => undefined);
    this.#child.stdout!.on('data', (chunk: Buffer) => merger.bytes(1, chunk));
    this.#child.stderr!.on('data', (chunk: Buffer) => merger.bytes(2, chunk));
    this.#child.on('error', () => this.#exit(events, null, null));
    const finish = (code: number | null, signal: NodeJS.Signals | null) => {
      if (this.#ended) return;
      merger.finish();
      this.#exit(events, code, signal);
    };
    this.#child.on('close', finish);
    this.#child.on('exit', (code, signal) => {
      // What it leaves behind would hold the pipes open; a process that detached itself may do so all the same.
      if (this.#child.pid !== undefined) signalSession(this.#child.pid, 'SIGKILL');
      setTimeout(finish, LAST_WORDS_MS, code, signal);
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  send(order: Order, buffers: readonly Uint8Array[] = []): void {
    if (!this.#ended) this.#pipe.write(pack(JSON.stringify(order), buffers));
  }

  /**
   * Calls a method of Node's inspector on the main thread, also while it spins or is paused.
   *
   * @throws Error with the inspector's message, or when the runtime ends first
   */
  inspector(method: string, params: object = {}): Promise<unknown> {
    if (this.#ended) return Promise.reject(new Error('the runtime has ended'));
    const id = this.#nextCall++;
    return new Promise((resolve, reject) => {
      this.#inspectorCalls.set(id, { resolve, reject });
      this.send({ type: 'inspector', id, method, params });
    });
  }

  /** Ends the process and what it has started; resolves when they are gone. */
  async end(): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined) return;
    await endSession(pid, CHILDREN_GRACE_MS);
  }

  #settle(message: Extract<Report, { type: 'inspector-reply' }>): void {
    const call = this.#inspectorCalls.get(message.id);
    this.#inspectorCalls.delete(message.id);
    if (message.error === undefined) call?.resolve(message.result);
    else call?.reject(new Error(message.error));
  }

  #exit(events: RuntimeEvents, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const { reject } of this.#inspectorCalls.values()) reject(new Error('the runtime has ended'));
    this.#inspectorCalls.clear();
    events.onExit(code, signal);
    this.#isReady();
  }
}
