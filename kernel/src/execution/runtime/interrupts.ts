import { Session } from 'node:inspector';
import type { MessagePort } from 'node:worker_threads';
import { InputState, UserCode, Word } from '../common-words.js';
import type { Order, Packet } from '../wire.js';

/** How long the main thread may take to notice an interrupt before it is terminated, while it runs a cell's code. */
const NOTICE_MS = 25;
/** The same while it runs anything else, which may not be the cell's. */
const NOTICE_ELSEWHERE_MS = 250;
/** How long an interrupt spares a cell's import, which must not be terminated halfway but may not end by itself. */
const CELL_WORK_MS = 1000;
/** How long it spares work of the kernel's own: loading `fovea`, answering the live panel. */
const OWN_WORK_MS = 10_000;
/** How long a call into native code may take. */
const NATIVE_MS = 1000;
/** How often an interrupt is pressed again until the cell has ended. */
const PRESS_AGAIN_MS = 60;
const POLL_MS = 5;
const STUCK_MS = 5000;
/** How long a termination may take to strike on a busy machine. */
const STRIKING_MS = 500;
/** How long the main thread may take to report the end of a call that it has left. */
const LEAVING_MS = 1000;
/** How long terminations may fail before the main thread is halted for one: see `terminateUserCode`. */
const HALT_AFTER_MS = 500;
/** How long a thread may take to halt: one that runs no code of its own does not. */
const HALTING_MS = 250;

/** Stops cells that the main thread runs, from the pump's thread. */
export class Interrupts {
  /** Cells handed to the main thread that have not ended. */
  readonly #running = new Set<number>();
  #pressing = false;
  /** The cells that the interrupt under way is for; another that comes meanwhile adds its own. */
  #pressed: readonly number[] = [];
  #leftFromMs: number | undefined;

  /**
   * @param shared the words that both threads share
   * @param session an inspector session on the main thread
   * @param main the way to the main thread
   * @param stuck called when an interrupt has not stopped its cells for a while
   */
  constructor(
    private readonly shared: Int32Array,
    private readonly session: Session,
    private readonly main: MessagePort,
    private readonly stuck: () => void,
  ) {}

  /** Notes a cell that is handed to the main thread. */
  begun(cell: number): void {
    this.#running.add(cell);
  }

  /** Notes a cell that the main thread has ended. */
  ended(cell: number): void {
    this.#running.delete(cell);
    // A cell that comes next must not be taken for one of those to stop.
    if (this.#pressed.some((one) => this.#running.has(one))) return;
    this.#store(Word.pressing, 0);
    this.#store(Word.terminating, 0);
  }

  /**
   * Stops cells; with none given, what runs on behalf of none. It aborts first, so that code waiting in an `await` can
   * clean up; then it terminates what still runs, and repeats both until every cell has ended.
   */
  press(cells: readonly number[]): void {
    const input = Atomics.compareExchange(
      this.shared,
      Word.input,
      InputState.waiting,
      InputState.interrupted,
    );
    if (input === InputState.waiting) Atomics.notify(this.shared, Word.input);
    this.#pressed = this.#pressing ? [...new Set([...this.#pressed, ...cells])] : cells;
    if (this.#pressed.some((cell) => this.#running.has(cell))) this.#store(Word.pressing, 1);
    if (!this.#pressing) void this.#stop();
  }

  async #stop(): Promise<void> {
    this.#pressing = true;
    const startedMs = performance.now();
    let terminatedMs: number | undefined;
    let isStuck = false;
    for (let again = true; again; ) {
      const seen = this.#load(Word.interruptsSeen);
      // A termination that found nothing to terminate strikes the next message's handler: one to spare for it.
      this.#order({ type: 'nothing' });
      this.#order({ type: 'interrupt', cells: this.#pressed });
      const noticed = () => this.#load(Word.interruptsSeen) !== seen;
      // With no cell running there is nothing to end, but a callback may have to be stopped all the same.
      const over = () =>
        this.#pressed.length === 0 ? noticed() : !this.#pressed.some((cell) => this.#running.has(cell));
      const seenTo = () => noticed() || over();
      await this.#beNoticed(seenTo, startedMs);
      if (!seenTo()) {
        await this.#keepOutOfNativeCode();
        // What the main thread has posted by now is heard before anything is terminated.
        await wait(POLL_MS);
        if (!seenTo() && !this.#isLeaving() && !this.#mustBeSpared(startedMs)) {
          terminatedMs ??= performance.now();
          await this.#terminate(performance.now() - terminatedMs < HALT_AFTER_MS, over);
        }
      }
      this.#store(Word.terminating, 0);
      await waitWhile(() => !over(), PRESS_AGAIN_MS);
      again = !over();
      if (again && !isStuck && performance.now() - startedMs > STUCK_MS) {
        isStuck = true;
        this.stuck();
      }
    }
    this.#pressing = false;
    this.#store(Word.pressing, 0);
  }

  /**
   * Waits as long as the main thread may take to notice the interrupt by itself. Time is counted in turns of this
   * thread, which gets as little of a busy machine as the other.
   */
  async #beNoticed(seenTo: () => boolean, startedMs: number): Promise<void> {
    let calls = this.#load(Word.userCalls);
    for (let userMs = 0, idleMs = 0; ; ) {
      await wait(POLL_MS);
      const isSameCall = calls === this.#load(Word.userCalls);
      calls = this.#load(Word.userCalls);
      userMs = isSameCall && this.#isInUserCode() ? userMs + POLL_MS : 0;
      idleMs = this.#mustBeSpared(startedMs) ? 0 : idleMs + POLL_MS;
      if (userMs > NOTICE_MS || idleMs > NOTICE_ELSEWHERE_MS || seenTo()) return;
    }
  }

  /** Whether the main thread runs a cell's code, which holds up everything else and can be terminated alone. */
  #isInUserCode(): boolean {
    return this.#isAt(UserCode.inside) || this.#isAt(UserCode.resumed);
  }

  /** Whether the main thread does work that a termination would leave halfway. */
  #mustBeSpared(startedMs: number): boolean {
    return !this.#isInUserCode() && performance.now() - startedMs < this.#protectionMs();
  }

  /** How long after an interrupt the main thread is left alone for the sake of work that it does now. */
  #protectionMs(): number {
    if (this.#load(Word.ownWork) > 0) return OWN_WORK_MS;
    return this.#load(Word.cellWork) > 0 ? CELL_WORK_MS : 0;
  }

  /** Whether the main thread has left a call of user code and is about to say so: there is nothing to terminate then. */
  #isLeaving(): boolean {
    if (!this.#isAt(UserCode.left)) this.#leftFromMs = undefined;
    else this.#leftFromMs ??= performance.now();
    return this.#leftFromMs !== undefined && performance.now() - this.#leftFromMs < LEAVING_MS;
  }

  /**
   * Keeps the main thread from calling native code, and waits until it is in none: see `native-code.ts`. Not for ever,
   * since native code may have called a function that does not end.
   */
  async #keepOutOfNativeCode(): Promise<void> {
    this.#store(Word.terminating, 1);
    await waitWhile(() => this.#load(Word.native) > 0, NATIVE_MS);
  }

  /**
   * Terminates what the main thread runs, and waits until that is done: what runs later must not be struck.
   *
   * @param plainly without the help of the debugger
   */
  async #terminate(plainly: boolean, over: () => boolean): Promise<void> {
    const wasInside = this.#isAt(UserCode.inside);
    let struck = false;
    if (plainly) {
      this.session.post('Runtime.terminateExecution', () => {
        struck = true;
      });
    } else {
      await terminateUserCode();
      struck = true;
    }
    await waitWhile(() => !struck && !over() && !(wasInside && this.#isAt(UserCode.none)), STRIKING_MS);
  }

  #isAt(place: number): boolean {
    return this.#load(Word.userCode) === place;
  }

  #load(word: number): number {
    return Atomics.load(this.shared, word);
  }

  #store(word: number, value: number): void {
    Atomics.store(this.shared, word, value);
  }

  #order(message: Order): void {
    this.main.postMessage({ message, buffers: [] } satisfies Packet<Order>);
  }
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits while something is so, but not for ever. */
async function waitWhile(holds: () => boolean, ms: number): Promise<void> {
  for (let waited = 0; waited < ms && holds(); waited += POLL_MS) await wait(POLL_MS);
}

/**
 * Terminates the main thread's code where a termination counts. One that strikes while Node handles a rejected promise is
 * lost with the handler, and in a loop that awaits rejected promises optimised code stops almost nowhere else (V8 of
 * Node 22). So the debugger halts the thread, and steps out of Node's own code first.
 */
async function terminateUserCode(): Promise<void> {
  const halting = new Session();
  (halting as Session & { connectToMainThread(): void }).connectToMainThread();
  const internal = new Set<string>();
  halting.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => {
    if (url.startsWith('node:')) internal.add(scriptId);
  });
  const terminated = new Promise<void>((resolve) =>
    halting.on('Debugger.paused', ({ params: { callFrames } }) => {
      const [top, below] = callFrames;
      if (top && below && internal.has(top.location.scriptId)) halting.post('Debugger.stepOut');
      else halting.post('Debugger.resume', { terminateOnResume: true }, () => resolve());
    }),
  );
  halting.post('Debugger.enable');
  halting.post('Debugger.pause');
  await Promise.race([terminated, wait(HALTING_MS)]);
  halting.disconnect();
}
