import { Session } from 'node:inspector';
import { Socket } from 'node:net';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { InputState, Word } from '../common-words.js';
import { signalSession } from '../process-sessions.js';
import {
  COALESCE_CHARACTERS,
  COALESCE_MS,
  type Order,
  type Packet,
  pack,
  type Report,
  Unpacker,
} from '../wire.js';

/**
 * The runtime's second thread. It stays alive while the main thread spins: carries messages to and from the
 * host, holds the inspector session on the main thread, and stops cells.
 */
export interface PumpData {
  readonly shared: Int32Array;
  readonly inputPort: MessagePort;
}

/** What the main thread hands over: printed text, to be joined with more of it, or reports ready to be sent. */
export type Parcel =
  | { readonly stream: StreamReport }
  | {
      readonly reports: readonly { readonly json: string; readonly buffers: readonly Uint8Array[] }[];
      /** The cell whose end they say. */
      readonly ended?: number;
    };

type StreamReport = Extract<Report, { type: 'stream' }>;

/** How long the main thread may take to notice an interrupt before it is terminated. */
const NOTICE_MS = 25;
/** The same while work is under way that must not be terminated halfway: an import, or an answer to the live panel. */
const NOTICE_PROTECTED_MS = 1000;
/** How often an interrupt is pressed again until the cell has ended. */
const PRESS_AGAIN_MS = 60;
const POLL_MS = 5;
const STUCK_MS = 5000;
/** How long terminations may fail before the main thread is halted for one: see `terminateUserCode`. */
const HALT_AFTER_MS = 500;
/** How long a thread may take to halt: one that runs no code of its own does not. */
const HALTING_MS = 250;

const { shared, inputPort } = workerData as PumpData;
const main = parentPort!;
const socket = new Socket({ fd: 3, readable: true, writable: true });
const session = new Session();
(session as Session & { connectToMainThread(): void }).connectToMainThread();

let held: StreamReport | undefined;
let timer: NodeJS.Timeout | undefined;

function flush(): void {
  clearTimeout(timer);
  timer = undefined;
  if (held) socket.write(pack(JSON.stringify(held)));
  held = undefined;
}

function print(report: StreamReport): void {
  if (
    held &&
    held.name === report.name &&
    held.cell === report.cell &&
    held.text.length < COALESCE_CHARACTERS
  ) {
    held = { ...held, text: held.text + report.text };
    return;
  }
  flush();
  held = report;
  timer = setTimeout(flush, COALESCE_MS);
}

function send(...packed: readonly Buffer[]): void {
  flush();
  socket.write(packed.length === 1 ? packed[0]! : Buffer.concat(packed));
}

const report = (message: Report) => send(pack(JSON.stringify(message)));

/** Cells handed to the main thread that have not ended. */
const running = new Set<number>();
let pressing = false;
/** The cells that the interrupt under way is for; another that comes meanwhile adds its own. */
let pressed: readonly number[] = [];

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Stops the cells. It aborts first, so that code waiting in an `await` can clean up; then it terminates what still
 * runs, and repeats both until every cell has ended.
 */
async function interrupt(cells: readonly number[]): Promise<void> {
  if (
    Atomics.compareExchange(shared, Word.input, InputState.waiting, InputState.interrupted) ===
    InputState.waiting
  ) {
    Atomics.notify(shared, Word.input);
  }
  pressed = pressing ? [...new Set([...pressed, ...cells])] : cells;
  if (pressed.some((cell) => running.has(cell))) Atomics.store(shared, Word.pressing, 1);
  if (pressing) return;
  pressing = true;
  const started = Date.now();
  let terminatedFrom: number | undefined;
  let reported = false;
  for (let again = true; again; ) {
    const seen = Atomics.load(shared, Word.interruptsSeen);
    // A termination that found nothing to terminate strikes the next message's handler: one to spare for it.
    main.postMessage({ message: { type: 'nothing' }, buffers: [] } satisfies Packet<Order>);
    main.postMessage({ message: { type: 'interrupt', cells: pressed }, buffers: [] } satisfies Packet<Order>);
    const noticed = () => Atomics.load(shared, Word.interruptsSeen) !== seen;
    const mayTakeLonger = () =>
      Atomics.load(shared, Word.protected) > 0 && Date.now() - started < NOTICE_PROTECTED_MS;
    for (let waited = 0; !noticed() && (waited < NOTICE_MS || mayTakeLonger()); waited += POLL_MS)
      await wait(POLL_MS);
    if (!noticed()) {
      await keepOutOfNativeCode();
      terminatedFrom ??= Date.now();
      if (Date.now() - terminatedFrom < HALT_AFTER_MS)
        session.post('Runtime.terminateExecution', () => undefined);
      else await terminateUserCode();
    }
    await wait(PRESS_AGAIN_MS);
    Atomics.store(shared, Word.terminating, 0);
    // With no cell running there is nothing to end, but a callback may have to be stopped all the same.
    again = pressed.length === 0 ? !noticed() : pressed.some((cell) => running.has(cell));
    if (again && !reported && Date.now() - started > STUCK_MS) {
      reported = true;
      report({ type: 'stuck' });
    }
  }
  pressing = false;
  Atomics.store(shared, Word.pressing, 0);
}

/**
 * Keeps the main thread from calling native code, and waits until it is in none: see `native-code.ts`. Not for ever,
 * since native code may have called a function that does not end.
 */
async function keepOutOfNativeCode(): Promise<void> {
  Atomics.store(shared, Word.terminating, 1);
  for (
    let waited = 0;
    waited < NOTICE_PROTECTED_MS && Atomics.load(shared, Word.native) > 0;
    waited += POLL_MS
  )
    await wait(POLL_MS);
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

function obey({ message, buffers }: Packet<Order>): void {
  switch (message.type) {
    case 'interrupt':
      void interrupt(message.cells);
      break;
    case 'inspector':
      session.post(message.method, message.params as object, (error, result) => {
        report({
          type: 'inspector-reply',
          id: message.id,
          ...(error ? { error: error.message } : { result }),
        });
      });
      break;
    case 'input':
      // An answer to a question that was interrupted must not be taken for one to the next.
      if (Atomics.load(shared, Word.input) !== InputState.waiting) break;
      if (message.value !== null) inputPort.postMessage(message.value);
      Atomics.store(shared, Word.input, message.value === null ? InputState.refused : InputState.answered);
      Atomics.notify(shared, Word.input);
      break;
    case 'taken':
      Atomics.sub(shared, Word.backlog, message.size);
      Atomics.notify(shared, Word.backlog);
      break;
    case 'execute':
      running.add(message.cell);
      main.postMessage({ message, buffers });
      break;
    default:
      main.postMessage({ message, buffers });
  }
}

main.on('message', (parcel: Parcel) => {
  if ('stream' in parcel) return print(parcel.stream);
  if (parcel.ended !== undefined) {
    running.delete(parcel.ended);
    // A cell that comes next must not be taken for one of those to stop.
    if (!pressed.some((cell) => running.has(cell))) {
      Atomics.store(shared, Word.pressing, 0);
      Atomics.store(shared, Word.terminating, 0);
    }
  }
  send(...parcel.reports.map(({ json, buffers }) => pack(json, buffers)));
});
session.on('inspectorNotification', (event: { method: string; params?: unknown }) => {
  report({ type: 'inspector-event', method: event.method, params: event.params ?? {} });
});
const unpacker = new Unpacker<Order>();
socket.on('data', (chunk) => {
  for (const packet of unpacker.push(chunk)) obey(packet);
});
// Without a host there is nothing to run for; the main thread may be spinning, so the process is ended from here,
// and with it what it has started.
const orphaned = () => signalSession(process.pid, 'SIGKILL');
socket.on('end', orphaned);
socket.on('error', orphaned);
socket.on('close', orphaned);
