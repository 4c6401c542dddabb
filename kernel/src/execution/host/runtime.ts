import type { Message } from '../../protocol/message.js';
import type { Transport } from '../../protocol/transport.js';
import { BRIDGE } from '../bridge.js';
import type { Bundle, CommMessage, Done, ExecuteOrder, Order, Packet, Report, ThrownValue } from '../wire.js';
import { descendants } from './descendants.js';
import type { Output } from './output.js';
import { RuntimeProcess } from './runtime-process.js';

export interface RuntimeContext {
  readonly directory: string;
  readonly transport: Transport;
  readonly output: Output;
  /** Printed text as it is shown. */
  tidy(text: string): string;
  /** A display as it is shown. */
  tidyBundle(bundle: Bundle): Bundle;
  /** Sets how an uncaught error is displayed. */
  describe(error: ThrownValue): string;
  onComm(message: CommMessage & { readonly cell?: number }, buffers: readonly Uint8Array[]): void;
  onTargets(names: readonly string[]): void;
  /** The runtime died, and a new one has been started. */
  onRestart(): void;
}

interface Running {
  readonly request: Message;
  readonly allowInput: boolean;
  /** Whether the runtime has it: one that starts takes cells when it is ready. */
  sent: boolean;
  settle(done: Done): void;
}

/** How long after an interrupt the runtime's children are signalled, should the cell still run. */
const SIGNAL_CHILDREN_MS = [60, 150, 1500] as const;

/** Processes that die one after the other before they were ready: after these, another one starts only for a cell. */
const FAILED_STARTS = 2;

/** The runtime as the kernel sees it: always present, restarted when it dies. */
export class Runtime {
  #process: RuntimeProcess;
  readonly #running = new Map<number, Running>();
  readonly #handling = new Map<number, () => void>();
  readonly #inspectorListeners = new Set<(method: string, params: unknown) => void>();
  #closing = false;
  /** How many processes have died since one was ready. */
  #failedStarts = 0;
  /** The last text that the runtime wrote to descriptor 2: a crash writes its reason there. */
  #lastWords = '';

  constructor(private readonly context: RuntimeContext) {
    this.#process = this.#start();
  }

  /** Whether a cell is running. */
  get busy(): boolean {
    return this.#running.size > 0;
  }

  /** Runs a cell; resolves when it has ended, also by an error or an interrupt. */
  execute(order: ExecuteOrder, request: Message): Promise<Done> {
    const runtime = this.#present();
    const ended = new Promise<Done>((settle) => {
      this.#running.set(order.cell, { request, allowInput: order.allowInput, sent: false, settle });
    });
    void runtime.ready.then(() => {
      // In the meantime it may have been interrupted, or have died with its runtime.
      const running = this.#running.get(order.cell);
      if (!running) return;
      running.sent = true;
      runtime.send(order);
    });
    return ended;
  }

  /** Stops all running cells, or what ended cells have left behind when none runs. */
  async interrupt(): Promise<void> {
    for (const [cell, { sent, settle }] of this.#running) {
      if (sent) continue;
      this.#running.delete(cell);
      settle({ type: 'done', cell, outcome: { kind: 'interrupted' }, payload: [] });
    }
    const cells = [...this.#running.keys()];
    this.#process.send({ type: 'interrupt', cells });
    const signals = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const;
    let waited = 0;
    for (const [index, at] of SIGNAL_CHILDREN_MS.entries()) {
      await new Promise((resolve) => setTimeout(resolve, at - waited));
      waited = at;
      if (!cells.some((cell) => this.#running.has(cell))) return;
      for (const pid of descendants(this.#process.pid)) {
        try {
          process.kill(pid, signals[index]!);
        } catch {
          // It has ended in the meantime.
        }
      }
    }
  }

  /** Hands over a comm message; resolves when it has been handled, or the runtime has died. */
  comm(order: Extract<Order, { type: 'comm' }>, buffers: readonly Uint8Array[]): Promise<void> {
    const runtime = this.#present();
    const handled = new Promise<void>((resolve) => {
      this.#handling.set(order.request, resolve);
    });
    void runtime.ready.then(() => {
      if (this.#handling.has(order.request)) runtime.send(order, buffers);
    });
    return handled;
  }

  /** Calls a method of Node's inspector on the main thread, which sees variables as a running cell has them now. */
  inspector(method: string, params: object = {}): Promise<unknown> {
    if (this.busy && method === 'Runtime.evaluate') {
      const expression = `${BRIDGE}.show()`;
      this.#process.inspector(method, { expression, silent: true }).catch(() => undefined);
    }
    return this.#process.inspector(method, params);
  }

  /** Listens to inspector events; the returned function stops it. */
  onInspectorEvent(listener: (method: string, params: unknown) => void): () => void {
    this.#inspectorListeners.add(listener);
    return () => this.#inspectorListeners.delete(listener);
  }

  answerInput(value: string): void {
    this.#process.send({ type: 'input', value });
  }

  /** Ends the runtime permanently, with everything that cells have started; resolves when it has ended. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#process.end();
  }

  /** The process, or a new one where none could be started. */
  #present(): RuntimeProcess {
    if (this.#failedStarts >= FAILED_STARTS) {
      this.#failedStarts = FAILED_STARTS - 1;
      this.#renew();
    }
    return this.#process;
  }

  #renew(): void {
    this.#process = this.#start();
    this.context.onRestart();
  }

  #start(): RuntimeProcess {
    this.#lastWords = '';
    return new RuntimeProcess(this.context.directory, {
      onReport: (packet) => this.#report(packet),
      onRaw: (name, text) => {
        if (name === 'stderr') this.#lastWords = (this.#lastWords + text).slice(-8192);
        // Node prints this when an inspector session is open at the end; it does not concern the user.
        const shown = text.replace('Waiting for the debugger to disconnect...\n', '');
        if (shown !== '') this.context.output.stream(undefined, name, shown);
      },
      onExit: (code, signal) => this.#died(code, signal),
    });
  }

  #report({ message, buffers }: Packet<Report>): void {
    const { output, transport } = this.context;
    switch (message.type) {
      case 'ready':
        this.#failedStarts = 0;
        break;
      case 'stream':
        output.stream(message.cell, message.name, this.context.tidy(message.text), () =>
          this.#process.send({ type: 'taken', size: message.text.length }),
        );
        break;
      case 'display':
        output.display(
          message.cell,
          this.context.tidyBundle(message.bundle),
          message.id,
          message.update,
          () => this.#process.send({ type: 'taken', size: message.size }),
        );
        break;
      case 'clear':
        void output.publish(message.cell, 'clear_output', { wait: message.wait });
        break;
      case 'uncaught':
        output.stream(
          message.cell,
          'stderr',
          `${message.origin === 'unhandledRejection' ? 'Unhandled rejection' : 'Uncaught error'}: ${this.context.describe(message.error)}\n`,
        );
        break;
      case 'input': {
        const running = message.cell === undefined ? undefined : this.#running.get(message.cell);
        if (!running?.allowInput) this.#process.send({ type: 'input', value: null });
        else {
          output.flush();
          void transport.reply(
            'stdin',
            'input_request',
            { prompt: message.prompt, password: message.password },
            running.request,
          );
        }
        break;
      }
      case 'done': {
        const running = this.#running.get(message.cell);
        this.#running.delete(message.cell);
        running?.settle(message);
        break;
      }
      case 'stuck':
        output.stream(
          undefined,
          'stderr',
          '[fovea] the cell does not react: it is inside native code. If it does not end soon, restart the kernel.\n',
        );
        break;
      case 'comm':
        this.context.onComm(message, buffers);
        break;
      case 'targets':
        this.context.onTargets(message.names);
        break;
      case 'handled':
        this.#handling.get(message.request)?.();
        this.#handling.delete(message.request);
        break;
      case 'inspector-event':
        for (const listener of this.#inspectorListeners) listener(message.method, message.params);
        break;
      default:
    }
  }

  #died(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#closing) return;
    const words = this.#lastWords;
    const reason = /heap out of memory|Allocation failed|Array buffer allocation failed/.test(words)
      ? 'ran out of memory'
      : signal === 'SIGKILL'
        ? 'was killed (SIGKILL), which is what the system does when memory runs out'
        : signal
          ? `was ended by ${signal}`
          : `ended with exit code ${code}`;
    const cells = [...this.#running];
    this.#running.clear();
    for (const resolve of this.#handling.values()) resolve();
    this.#handling.clear();
    this.#failedStarts++;
    // One that cannot start would be started again for ever.
    const isOver = this.#failedStarts >= FAILED_STARTS;
    if (!isOver) this.#renew();
    const message = isOver
      ? `the runtime cannot be started, it ${reason}; the next cell tries again`
      : `the runtime ${reason}; variables are lost, and a new one has started`;
    const error = { name: 'RuntimeDied', message, stack: '' };
    for (const [cell, { settle }] of cells)
      settle({ type: 'done', cell, outcome: { kind: 'error', error }, payload: [] });
    if (cells.length === 0) this.context.output.stream(undefined, 'stderr', `[fovea] ${error.message}\n`);
  }
}
