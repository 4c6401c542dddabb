import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { OneByOne } from '../../one-by-one.js';
import { HttpError } from '../http/errors.js';
import { closestFolder, type KernelPlace } from '../kernel-places.js';
import type { InstalledSpec } from '../kernelspecs.js';
import { KernelChannels } from './channels.js';
import { KernelClients } from './clients.js';
import { createConnection, writeConnectionFile } from './connection-file.js';
import { type Message, MessageFactory, parseHeader, parsePart } from './message.js';
import { Nudge } from './nudge.js';
import { DEFAULT_OUTPUT_LIMITS, OutputLimiter, type OutputLimits } from './output-limits.js';
import { KernelProcess } from './process.js';

export type KernelState = 'starting' | 'idle' | 'busy' | 'restarting' | 'dead';

/** How a kernel is run. */
export interface KernelOptions {
  /** Working folder of the process; where it is gone, the closest above it. */
  readonly folder: string;
  /** Beyond which no folder is looked for. */
  readonly root: string;
  /** Private folder for connection files. */
  readonly runtimeFolder: string;
  /** Path of the notebook, passed to the process. */
  readonly sessionName?: string | undefined;
  readonly limits?: OutputLimits;
  /** Called with one line for each event of the kernel. */
  readonly log?: (line: string) => void;
}

/**
 * Requests that a kernel answers beside a running cell: the idle after such an answer says nothing about the
 * cell. The front end is given the same list.
 */
export const UNTRACKED_REQUESTS: readonly string[] = [
  'comm_info_request',
  'comm_open',
  'comm_msg',
  'comm_close',
  'complete_request',
  'inspect_request',
  'is_complete_request',
  'history_request',
  'kernel_info_request',
  'debug_request',
  'interrupt_request',
  'create_subshell_request',
  'list_subshell_request',
  'delete_subshell_request',
];

const START_TIMEOUT_MS = 60_000;
/** How long a kernel that answers is waited for to open its other channels: some have no stdin. */
const CONNECT_GRACE_MS = 2000;
const SHUTDOWN_GRACE_MS = 5000;
/** After this many deaths within a minute a kernel stays dead until it is restarted by hand. */
const MAX_DEATHS = 5;
const DEATH_WINDOW_MS = 60_000;

/** One process with its connection, from start to end. */
interface Life {
  readonly process: KernelProcess;
  readonly channels: KernelChannels;
  readonly connectionFile: string;
  /** Resolves when the kernel answers and its broadcasts arrive, rejects when it ends before. */
  readonly ready: Promise<void>;
  isReady: boolean;
  /** Set before a requested end: it gets no more messages. */
  ending: boolean;
}

/**
 * A kernel as the front ends see it: one identity over restarts and deaths of the process behind it. Messages
 * that come before the process is ready wait for it.
 */
export class Kernel {
  readonly id: string = randomUUID();
  readonly clients = new KernelClients();
  private readonly factory = new MessageFactory();
  private readonly limiter: OutputLimiter;
  private life: Life | undefined;
  private waiting: Message[] = [];
  private deaths: number[] = [];
  private currentState: KernelState = 'starting';
  private activity = new Date();
  private disposed = false;
  private place: Pick<KernelOptions, 'folder' | 'sessionName'>;
  /** Starts and ends of a process: one comes after the other, or two starts would leave a process to nobody. */
  private readonly changes = new OneByOne();
  /** The restart under way, until the new process runs: another page that asks for one takes part in it. */
  private restarting: Promise<void> | undefined;

  constructor(
    private readonly installed: InstalledSpec,
    private readonly options: KernelOptions,
  ) {
    this.place = options;
    this.limiter = new OutputLimiter(options.limits ?? DEFAULT_OUTPUT_LIMITS, this.factory);
  }

  get name(): string {
    return this.installed.name;
  }

  get state(): KernelState {
    return this.currentState;
  }

  get lastActivity(): Date {
    return this.activity;
  }

  /** Process number of the running process. */
  get pid(): number | undefined {
    return this.life?.process.pid;
  }

  /** The kernel in the form of the REST API. */
  toModel() {
    return {
      id: this.id,
      name: this.name,
      last_activity: this.activity.toISOString(),
      execution_state: this.currentState,
      connections: this.clients.size,
    };
  }

  /** Starts the process; resolves when it runs, which is before it is ready. */
  async start(): Promise<void> {
    this.setState('starting');
    await this.changes.do(() => this.launch());
  }

  /**
   * Resolves when the kernel answers, after a restart that comes meanwhile the new process; rejects with HttpError 500
   * when it ends before or takes too long.
   */
  async whenReady(): Promise<void> {
    const { life } = this;
    try {
      await life?.ready;
    } catch (error) {
      // Only what ended by itself failed: a page whose restart another one overtook got an error.
      if (!life?.ending || this.disposed) throw error;
      await this.restarting;
      await this.whenReady();
    }
  }

  /** Has the next process work elsewhere, since the kernel's document is there now. */
  moveTo(place: KernelPlace): void {
    this.place = place;
  }

  /** Passes a front end's message on to the kernel. */
  send(message: Message): void {
    this.activity = new Date();
    if (this.life?.isReady && !this.life.ending) this.life.channels.send(message);
    else if (this.currentState !== 'dead') this.waiting.push(message);
  }

  /** Asks the running cell to stop, as the kernelspec says that it wants to be asked. */
  interrupt(): void {
    const { life } = this;
    if (!life) throw new HttpError(409, 'The kernel is not running');
    if (this.installed.spec.interrupt_mode === 'message') {
      life.channels.send(this.factory.create('control', 'interrupt_request', {}));
    } else {
      life.process.signal('SIGINT');
    }
  }

  /** Ends the process and starts a new one under the same identity; resolves when that one is ready. */
  async restart(): Promise<void> {
    this.setState('restarting');
    // Front ends take an unexpected `restarting` for the report of a death.
    this.broadcast('starting');
    this.waiting = [];
    this.deaths = [];
    if (!this.restarting) {
      if (this.life) this.life.ending = true;
      this.restarting = this.changes
        .do(async () => {
          await this.endLife(true);
          this.clients.forgetMissed();
          await this.relaunch();
        })
        .finally(() => {
          this.restarting = undefined;
        });
    }
    await this.restarting;
    await this.whenReady();
  }

  /** Whether it has been shut down, for good. */
  get isDisposed(): boolean {
    return this.disposed;
  }

  /** Ends the process and all connections permanently. */
  async shutdown(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await this.changes.do(() => this.endLife(false));
    this.setState('dead');
    this.broadcast(this.currentState);
    this.clients.close();
  }

  /**
   * A status message for a front end that just connected. It has heard of a death already, which is why it
   * connects again: a second `restarting` would make it do so endlessly.
   */
  greeting(): Message {
    return this.statusMessage(this.currentState === 'restarting' ? 'starting' : this.currentState);
  }

  private statusMessage(state: KernelState): Message {
    return this.factory.create('iopub', 'status', { execution_state: state });
  }

  private setState(state: KernelState): void {
    this.currentState = state;
    this.activity = new Date();
  }

  private broadcast(state: KernelState): void {
    this.clients.deliver(this.statusMessage(state));
  }

  private async launch(): Promise<void> {
    if (this.disposed) throw new HttpError(404, `Kernel does not exist: ${this.id}`);
    const { runtimeFolder, root } = this.options;
    const { sessionName } = this.place;
    const folder = await closestFolder(this.place.folder, root);
    const env: Record<string, string> = sessionName === undefined ? {} : { JPY_SESSION_NAME: sessionName };
    const connection = await createConnection(this.name);
    const connectionFile = await writeConnectionFile(runtimeFolder, this.id, connection);
    const process = new KernelProcess(this.installed.spec, connectionFile, folder, env);
    const nudge = new Nudge();
    const channels = new KernelChannels(connection, this.id, (message) => {
      if (!nudge.consumes(message)) this.pass(message);
    });
    const ready = this.awaitReady(process, channels, nudge);
    const life: Life = { process, channels, connectionFile, ready, isReady: false, ending: false };
    this.life = life;
    ready.then(
      () => {
        life.isReady = true;
        if (this.life !== life || life.ending) return;
        // Replies to the server's own requests are not passed on, and the kernel may send nothing else.
        if (this.currentState !== 'idle') {
          this.setState('idle');
          this.broadcast('idle');
        }
        for (const message of this.waiting.splice(0)) channels.send(message);
      },
      () => undefined,
    );
    void process.exited.then((how) => this.changes.do(() => this.afterExit(life, how)));
  }

  /** Starts the process again. Where that fails, on a full disk for example, the kernel is dead until the next restart. */
  private async relaunch(): Promise<void> {
    try {
      await this.launch();
    } catch (error) {
      this.setState('dead');
      this.broadcast(this.currentState);
      throw error;
    }
  }

  /** Asks for the kernel's info until the answer and a broadcast have arrived: only then no output is lost. */
  private async awaitReady(process: KernelProcess, channels: KernelChannels, nudge: Nudge): Promise<void> {
    let over = '';
    void process.exited.then((how) => {
      over = `The kernel ${how}`;
      nudge.wake();
    });
    const started = performance.now();
    while (!nudge.isDone && !over) {
      if (performance.now() - started > START_TIMEOUT_MS) {
        process.signal('SIGKILL');
        throw new HttpError(500, `The kernel did not answer within ${START_TIMEOUT_MS / 1000} s`);
      }
      const request = this.factory.create('shell', 'kernel_info_request', {});
      nudge.expect(parseHeader(request.header).msg_id);
      channels.send(request);
      await nudge.wait(250);
    }
    if (!over) await Promise.race([channels.connected, delay(CONNECT_GRACE_MS, undefined, { ref: false })]);
    if (over) throw new HttpError(500, `${over} before it answered`);
  }

  /** Passes a kernel's message on. One that cannot be is dropped: the server has other kernels. */
  private pass(message: Message): void {
    try {
      this.receive(message);
    } catch (error) {
      const { msg_type } = parseHeader(message.header);
      this.options.log?.(`A ${msg_type} of kernel ${this.name} was dropped: ${(error as Error).message}`);
    }
  }

  private receive(message: Message): void {
    this.activity = new Date();
    if (message.channel !== 'iopub') {
      this.clients.deliver(message);
      return;
    }
    if (isStatus(message)) {
      const state = parsePart(message.content)?.execution_state;
      // Late: it came on another channel than the answers that made the kernel ready, and no `idle` follows it.
      if (state === 'starting' && this.life?.isReady) return;
      if (state === 'idle' || state === 'busy' || state === 'starting') this.setState(state);
    }
    for (const shown of this.limiter.filter(message)) this.clients.deliver(shown);
  }

  private async endLife(restart: boolean): Promise<void> {
    const { life } = this;
    if (!life) return;
    life.ending = true;
    if (life.isReady) {
      life.channels.send(this.factory.create('control', 'shutdown_request', { restart }));
      await life.process.end(SHUTDOWN_GRACE_MS);
    } else {
      await life.process.end(0);
    }
    await this.forget(life);
  }

  private async forget(life: Life): Promise<void> {
    if (this.life === life) this.life = undefined;
    life.channels.close();
    life.process.sweep();
    // On a disk that can only be read it stays; the kernel is gone all the same.
    await rm(life.connectionFile, { force: true }).catch(() => undefined);
  }

  /** The process ended without being asked to: front ends are notified and a new one is started. */
  private async afterExit(life: Life, how: string): Promise<void> {
    if (life.ending || this.disposed || this.life !== life) return;
    const detail = life.process.lastOutput.split('\n').slice(-5).join('\n  ');
    this.options.log?.(`Kernel ${this.name} ${how}${detail ? `:\n  ${detail}` : ''}`);
    const wasReady = life.isReady;
    await this.forget(life);
    if (this.disposed) return;
    this.waiting = [];
    const now = performance.now();
    this.deaths = [...this.deaths.filter((time) => now - time < DEATH_WINDOW_MS), now];
    const allowed = wasReady ? MAX_DEATHS : 2;
    if (this.deaths.length >= allowed) {
      this.setState('dead');
      this.broadcast(this.currentState);
      return;
    }
    this.setState('restarting');
    this.broadcast(this.currentState);
    await this.relaunch().catch((error: Error) => {
      this.options.log?.(`Kernel ${this.name} could not be restarted: ${error.message}`);
    });
  }
}

/** Whether a message reports the state of the kernel, and not only that of a reply given beside a running cell. */
function isStatus({ header, parent }: Message): boolean {
  return (
    parseHeader(header).msg_type === 'status' && !UNTRACKED_REQUESTS.includes(parseHeader(parent).msg_type)
  );
}
