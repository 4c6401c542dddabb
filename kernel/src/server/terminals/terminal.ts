import type { IPty } from '@lydell/node-pty';
import type { WebSocket } from 'ws';
import { GOING_AWAY, UNSUPPORTED_DATA } from '../close-codes.js';

/** What a page that comes back is shown of the past, in characters. */
const KEPT_CHARACTERS = 200_000;
/** A program that prints faster than a page draws is paused at the one number of unsent bytes, resumed at the other. */
const PAUSE_BYTES = 4 * 2 ** 20;
const RESUME_BYTES = 2 ** 20;
const GRACE_MS = 2000;

/** A shell with the pages that show it; it keeps running without any. */
export class Terminal {
  /** Resolves when the shell has ended. */
  readonly ended: Promise<void>;
  private readonly pages = new Set<WebSocket>();
  private past = '';
  private activity = new Date();
  private isPaused = false;

  constructor(
    readonly name: string,
    private readonly pty: IPty,
  ) {
    pty.onData((text) => this.show(text));
    this.ended = new Promise((resolve) => {
      pty.onExit(() => {
        for (const page of this.pages) {
          send(page, ['disconnect', 1]);
          page.close(GOING_AWAY, 'The shell has ended');
        }
        resolve();
      });
    });
  }

  /** The terminal in the form of the REST API. */
  toModel() {
    return { name: this.name, last_activity: this.activity.toISOString() };
  }

  /** Connects a page with the shell until either closes. */
  join(page: WebSocket): void {
    page.on('message', (data) => {
      try {
        this.receive(JSON.parse(String(data)) as unknown);
      } catch {
        page.close(UNSUPPORTED_DATA, 'Malformed message');
      }
    });
    page.on('close', () => {
      this.pages.delete(page);
      this.resumeWhenRead();
    });
    send(page, ['setup', {}]);
    if (this.past) send(page, ['stdout', this.past]);
    this.pages.add(page);
  }

  /** Ends the shell, as closing its window would, and by force when it does not go. */
  async end(): Promise<void> {
    const kill = (signal: string) => (process.platform === 'win32' ? this.pty.kill() : this.pty.kill(signal));
    kill('SIGHUP');
    const timer = setTimeout(() => kill('SIGKILL'), GRACE_MS);
    await this.ended;
    clearTimeout(timer);
  }

  private show(text: string): void {
    this.activity = new Date();
    this.past = (this.past + text).slice(-KEPT_CHARACTERS);
    for (const page of this.pages) send(page, ['stdout', text], () => this.resumeWhenRead());
    if (!this.isPaused && this.unsentBytes() > PAUSE_BYTES) {
      this.isPaused = true;
      this.pty.pause();
    }
  }

  private unsentBytes(): number {
    return Math.max(0, ...[...this.pages].map(({ bufferedAmount }) => bufferedAmount));
  }

  private resumeWhenRead(): void {
    if (!this.isPaused || this.unsentBytes() > RESUME_BYTES) return;
    this.isPaused = false;
    this.pty.resume();
  }

  private receive(message: unknown): void {
    const [type, ...values] = message as readonly unknown[];
    this.activity = new Date();
    if (type === 'stdin' && typeof values[0] === 'string') this.pty.write(values[0]);
    else if (type === 'set_size') {
      const [rows, columns] = values.map(Number);
      if (isSize(rows) && isSize(columns)) this.pty.resize(columns, rows);
    } else throw new Error(`unknown message ${String(type)}`);
  }
}

const isSize = (value: number | undefined): value is number =>
  Number.isInteger(value) && value! > 0 && value! < 10_000;

function send(page: WebSocket, message: readonly unknown[], sent?: () => void): void {
  if (page.readyState === page.OPEN) page.send(JSON.stringify(message), sent);
}
