import fs, { fstatSync } from 'node:fs';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { BACKLOG_LIMIT, InputState, UserCode, Word } from '../common-words.js';
import type { Done, Order, Packet, Report } from '../wire.js';
import { guardNativeCode } from './native-code.js';
import type { Parcel, PumpData } from './pump.js';
import { takeTermination } from './termination.js';

const { stringify } = JSON;
// Cells may have a variable of this name, and the kernel wraps it for them.
const { queueMicrotask } = globalThis;
/** Taken before writes to the descriptors are redirected. */
const { writeSync } = fs;

/** The main thread's end of the way to the host, by the pump. */
export class Channel {
  readonly #shared = new Int32Array(new SharedArrayBuffer(4 * Word.length));
  readonly #input = new MessageChannel();
  readonly #worker: Worker;
  readonly #marker: string;
  readonly #inodes = [1, 2].map((descriptor) => [descriptor, inode(descriptor)] as const);
  /** Work under way that must not be terminated halfway. */
  readonly #protected = new Set<{ readonly cell: number | undefined }>();
  #barriers = 0;

  /** @param marker text that frames a barrier's number in what is written to descriptors 1 and 2 */
  constructor(marker: string, onOrder: (packet: Packet<Order>) => void) {
    this.#marker = marker;
    this.#worker = new Worker(new URL('./pump.js', import.meta.url), {
      execArgv: [],
      workerData: { shared: this.#shared, inputPort: this.#input.port2 } satisfies PumpData,
      transferList: [this.#input.port2],
    });
    this.#worker.on('message', onOrder);
    this.#worker.on('error', (error) => {
      // Without the pump this process can no longer be reached.
      writeSync(2, `[fovea] the pump failed: ${error.stack ?? error.message}\n`);
      process.kill(process.pid, 'SIGKILL');
    });
    this.#input.port1.unref();
    guardNativeCode(this.#shared);
  }

  /** Hands a report to the pump. @throws TypeError when it cannot be written as JSON */
  post(report: Report, buffers: readonly Uint8Array[] = []): void {
    const parcel: Parcel =
      report.type === 'stream' ? { stream: report } : { reports: [{ json: stringify(report), buffers }] };
    this.#worker.postMessage(parcel);
  }

  /** Hands over a cell's end, behind a barrier. @throws TypeError when it cannot be written as JSON */
  postDone(done: Done): void {
    this.#mark([stringify(done)], done.cell);
  }

  /**
   * Hands over output, and waits while too much of it is under way, so that an endless loop of printing
   * neither fills memory nor outruns the reader.
   *
   * @param size characters, to be given back by the host
   */
  postOutput(report: Report, size: number): void {
    for (;;) {
      const backlog = Atomics.load(this.#shared, Word.backlog);
      if (backlog < BACKLOG_LIMIT) break;
      Atomics.wait(this.#shared, Word.backlog, backlog, 100);
    }
    Atomics.add(this.#shared, Word.backlog, size);
    this.post(report);
  }

  /** Whether the user has asked for an interrupt that is not over yet. */
  get interrupting(): boolean {
    return Atomics.load(this.#shared, Word.pressing) === 1;
  }

  /**
   * Does work that could not be taken up again if a termination struck it: a module stays broken for good, what waits
   * for an answer waits for ever, and native code may take the process down. An interrupt gives it more time.
   *
   * @param cell the cell that wants it, if one does
   */
  async protect<T>(work: () => Promise<T>, cell?: number): Promise<T> {
    const entry = { cell };
    this.#protected.add(entry);
    this.#countProtected();
    try {
      return await work();
    } finally {
      this.#protected.delete(entry);
      this.#countProtected();
    }
  }

  #countProtected(): void {
    const own = [...this.#protected].filter(({ cell }) => cell === undefined).length;
    Atomics.store(this.#shared, Word.ownWork, own);
    Atomics.store(this.#shared, Word.cellWork, this.#protected.size - own);
  }

  /**
   * Calls user code synchronously. A termination that is under way when the code is left strikes here: outside, it
   * would drop the jobs of promises that wait, such as those of a module that loads.
   */
  callUserCode<T>(call: () => T): T {
    Atomics.add(this.#shared, Word.userCalls, 1);
    Atomics.store(this.#shared, Word.userCode, UserCode.inside);
    try {
      return call();
    } finally {
      Atomics.store(this.#shared, Word.userCode, UserCode.left);
      takeTermination(this.#shared);
    }
  }

  /** Marks that a cell goes on after an `await`, until it waits again. */
  resumeUserCode(): void {
    if (Atomics.load(this.#shared, Word.userCode) !== UserCode.none) return;
    Atomics.store(this.#shared, Word.userCode, UserCode.resumed);
    queueMicrotask(this.#suspendUserCode);
  }

  readonly #suspendUserCode = () => {
    Atomics.compareExchange(this.#shared, Word.userCode, UserCode.resumed, UserCode.none);
  };

  /** Does what follows a call of user code that was left or terminated, and must not be terminated itself. */
  afterUserCode(follow: () => void): void {
    Atomics.store(this.#shared, Word.userCode, UserCode.left);
    try {
      follow();
    } finally {
      Atomics.store(this.#shared, Word.userCode, UserCode.none);
    }
  }

  /** Says that the main thread has seen an interrupt, so that it need not be terminated. */
  acknowledgeInterrupt(): void {
    // A termination has dropped the job that would have done so.
    this.#suspendUserCode();
    Atomics.add(this.#shared, Word.interruptsSeen, 1);
  }

  /** Forgets what a termination has left without an end: calls of native code, and a cell's protected work. */
  forget(cell: number): void {
    Atomics.store(this.#shared, Word.native, 0);
    for (const entry of this.#protected) if (entry.cell === cell) this.#protected.delete(entry);
    this.#countProtected();
  }

  /**
   * Aligns the ways to the host: what was written to descriptors 1 and 2 until now, by children and native
   * code too, comes before what is posted from now on, and the other way round.
   */
  barrier(): void {
    this.#mark([]);
  }

  /** Posts a barrier and what follows it, then marks the descriptors, whose readers wait for each other. */
  #mark(followed: readonly string[], ended?: number): void {
    const number = ++this.#barriers;
    const descriptors = [1, 2].filter((descriptor) => this.isOpen(descriptor));
    const barrier = stringify({ type: 'barrier', number, descriptors } satisfies Report);
    this.#worker.postMessage({
      reports: [barrier, ...followed].map((json) => ({ json, buffers: [] })),
      ...(ended === undefined ? {} : { ended }),
    } satisfies Parcel);
    for (const descriptor of descriptors) writeMarker(descriptor, `${this.#marker}${number};`);
  }

  /** Whether a descriptor is the one of the start: a cell may have closed it, and opened a file in its place. */
  isOpen(descriptor: number): boolean {
    const original = this.#inodes.find(([number]) => number === descriptor)?.[1];
    return original !== undefined && inode(descriptor) === original;
  }

  /**
   * Asks the front end for a line and blocks until it comes.
   *
   * @returns the line; `null` when the front end does not take questions; `undefined` when interrupted
   */
  ask(report: Extract<Report, { type: 'input' }>): string | null | undefined {
    Atomics.store(this.#shared, Word.input, InputState.waiting);
    this.post(report);
    Atomics.wait(this.#shared, Word.input, InputState.waiting);
    const state = Atomics.exchange(this.#shared, Word.input, InputState.refused);
    if (state === InputState.answered) {
      return (receiveMessageOnPort(this.#input.port1) as { message: string } | undefined)?.message ?? '';
    }
    return state === InputState.interrupted ? undefined : null;
  }
}

function inode(descriptor: number): number | undefined {
  try {
    return fstatSync(descriptor).ino;
  } catch {
    return undefined;
  }
}

function writeMarker(descriptor: number, text: string): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      writeSync(descriptor, text);
      return;
    } catch (error) {
      // A child that shares the descriptor may have made it non-blocking; the host is reading, so it empties.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      Atomics.wait(sleeper, 0, 0, 1);
    }
  }
}
