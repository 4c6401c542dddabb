import { randomUUID } from 'node:crypto';
import type { Message } from '../../protocol/message.js';
import { ShellQueue, type ShellQueueContext } from './shell-queue.js';

/**
 * The main shell and the subshells that clients open beside it (JEP 91). All share one realm: code in a
 * subshell runs while a cell of another waits in an `await`.
 */
export class Shells {
  readonly main: ShellQueue;
  readonly #subshells = new Map<string, ShellQueue>();

  constructor(private readonly context: ShellQueueContext) {
    this.main = this.#queue();
  }

  /** The cell that is running, in any shell. */
  get running(): Message | undefined {
    return [this.main, ...this.#subshells.values()].find(({ current }) => current)?.current;
  }

  #queue(): ShellQueue {
    return new ShellQueue(this.context, () => this.running);
  }

  create(): string {
    const id = randomUUID();
    this.#subshells.set(id, this.#queue());
    return id;
  }

  /** @returns whether there was one of that name */
  delete(id: string): boolean {
    return this.#subshells.delete(id);
  }

  list(): string[] {
    return [...this.#subshells.keys()];
  }

  /** The shell that a message is for; `undefined` when it names a subshell that does not exist. */
  of({ header }: Message): ShellQueue | undefined {
    return header.subshell_id ? this.#subshells.get(header.subshell_id) : this.main;
  }

  /** Aborts everything that waits in any shell. */
  abort(): void {
    for (const shell of [this.main, ...this.#subshells.values()]) shell.abort();
  }
}
