import type { Message } from '../../protocol/message.js';
import type { Transport } from '../../protocol/transport.js';
import type { Executor } from './executor.js';
import type { Output } from './output.js';

export interface ShellQueueContext {
  readonly transport: Transport;
  readonly output: Output;
  readonly executor: Executor;
}

/** Execute requests of one shell, one after the other; after an error those already waiting are aborted. */
export class ShellQueue {
  readonly #waiting: Message[] = [];
  #running = false;

  constructor(private readonly context: ShellQueueContext) {}

  async push(request: Message): Promise<void> {
    this.#waiting.push(request);
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) await this.#execute(next);
    this.#running = false;
  }

  async #execute(request: Message): Promise<void> {
    const { transport, executor } = this.context;
    this.#status('busy', request);
    const { status, reply } = await executor.execute(request);
    void transport.reply('shell', 'execute_reply', reply, request);
    this.#status('idle', request);
    if (status === 'error' && request.content['stop_on_error'] !== false) this.#abort();
  }

  #abort(): void {
    const { transport, executor } = this.context;
    for (const request of this.#waiting.splice(0)) {
      this.#status('busy', request);
      void transport.reply(
        'shell',
        'execute_reply',
        { status: 'aborted', execution_count: executor.count },
        request,
      );
      this.#status('idle', request);
    }
  }

  #status(state: string, request: Message): void {
    this.context.output.flush();
    void this.context.transport.publish('status', { execution_state: state }, request.header);
  }
}
