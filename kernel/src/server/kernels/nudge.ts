import { type Message, parseHeader } from './message.js';

/** The server's own requests at a start; their answers are not for the front ends, broadcasts about them are. */
export class Nudge {
  private readonly ids = new Set<string>();
  private answered = false;
  private heard = false;
  private resume: (() => void) | undefined;

  /** Whether the kernel has answered and one of its broadcasts has arrived. */
  get isDone(): boolean {
    return this.answered && this.heard;
  }

  /** Notes the id of a request that was sent. */
  expect(id: string): void {
    this.ids.add(id);
  }

  /** Whether a message answers one of these requests. */
  consumes(message: Message): boolean {
    const isBroadcast = message.channel === 'iopub';
    const own = !isBroadcast && this.ids.has(parseHeader(message.parent).msg_id);
    this.heard ||= isBroadcast;
    this.answered ||= own;
    if (this.isDone) this.wake();
    return own;
  }

  /** Ends a running `wait`. */
  wake(): void {
    this.resume?.();
  }

  /** Resolves when woken, or after `ms`. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.resume = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
