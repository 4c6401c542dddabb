import type { Message } from '../../protocol/message.js';
import type { Transport } from '../../protocol/transport.js';
import { type CommRouter, isCommType } from './comm-router.js';
import type { Executor } from './executor.js';
import type { Output } from './output.js';

export interface ShellQueueContext {
  readonly transport: Transport;
  readonly output: Output;
  readonly executor: Executor;
  readonly comms: CommRouter;
}

/**
 * Requests of one shell that have to wait for each other: cells, and comm messages that a cell in front of
 * them may concern. After an error the cells already waiting are aborted.
 */
export class ShellQueue {
  readonly #waiting: Message[] = [];
  #current: Message | undefined;
  #running = false;

  /** @param running the cell that is running, in any shell */
  constructor(
    private readonly context: ShellQueueContext,
    private readonly running: () => Message | undefined,
  ) {}

  /** The cell that is running in this shell. */
  get current(): Message | undefined {
    return this.#current;
  }

  async push(request: Message): Promise<void> {
    if (this.#running && this.#mayPass(request)) return this.#comm(request);
    this.#waiting.push(request);
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      await (isCommType(next.header.msg_type) ? this.#comm(next) : this.#execute(next));
    }
    this.#running = false;
  }

  /** Answers the cells that wait without running them. */
  abort(): void {
    this.#abort(this.#takeCells());
  }

  /** Whether a request may be handled before those that wait: no message of the same comm is among them. */
  #mayPass(request: Message): boolean {
    const { header, content } = request;
    if (!isCommType(header.msg_type) || !this.context.comms.isReadyFor(request)) return false;
    return !this.#waiting.some((before) => before.content.comm_id === content.comm_id);
  }

  #takeCells(): Message[] {
    const all = this.#waiting.splice(0);
    this.#waiting.push(...all.filter(({ header }) => isCommType(header.msg_type)));
    return all.filter(({ header }) => !isCommType(header.msg_type));
  }

  #abort(requests: readonly Message[]): void {
    const { transport, executor } = this.context;
    for (const request of requests) {
      this.#status('busy', request);
      void transport.reply(
        'shell',
        'execute_reply',
        { status: 'aborted', execution_count: executor.count },
        request,
      );
      this.#idle(request);
    }
  }

  async #execute(request: Message): Promise<void> {
    const { transport, executor, output } = this.context;
    this.#current = request;
    // The runtime can begin while the front end is notified.
    transport.yieldPublishing();
    this.#status('busy', request);
    const { status, reply, afterReply } = await executor.execute(request);
    output.flush();
    const stops = status === 'error' && request.content.stop_on_error !== false;
    // Only what was sent before the reply is aborted: what the socket holds is taken in first.
    if (stops) await new Promise((resolve) => setTimeout(resolve, 2));
    const aborted = stops ? this.#takeCells() : [];
    await transport.reply('shell', 'execute_reply', reply, request);
    const rest = afterReply?.();
    // A cell that waits need not wait for the last one's type errors.
    if (this.#waiting.length === 0) await rest;
    this.#current = undefined;
    this.#idle(request);
    this.#abort(aborted);
  }

  async #comm(request: Message): Promise<void> {
    this.#status('busy', request);
    await this.context.comms.receive(request);
    this.#idle(request);
  }

  /** Front ends go by the last status they hear, and a cell may still be running in this shell or another. */
  #idle(request: Message): void {
    this.#status('idle', request);
    const running = this.running();
    if (running) this.#status('busy', running);
  }

  #status(state: string, request: Message): void {
    this.context.output.flush();
    void this.context.transport.publish('status', { execution_state: state }, request.header);
  }
}
