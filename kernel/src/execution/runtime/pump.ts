import { Session } from 'node:inspector';
import { Socket } from 'node:net';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { InputState, Word } from '../shared.js';
import { type Order, type Packet, pack, type Report, Unpacker } from '../wire.js';

/**
 * The runtime's second thread. It stays alive while the main thread spins: carries messages to and from the
 * host, holds the inspector session on the main thread, and stops cells.
 */
export interface PumpData {
  readonly shared: Int32Array;
  readonly inputPort: MessagePort;
}

/** How long the main thread may take to notice an interrupt before it is terminated. */
const NOTICE_MS = 12;
/** How often an interrupt is pressed again until the cell has ended. */
const PRESS_AGAIN_MS = 60;
const STUCK_MS = 5000;
const COALESCE_MS = 4;
const COALESCE_SIZE = 1 << 16;

const { shared, inputPort } = workerData as PumpData;
const main = parentPort!;
const socket = new Socket({ fd: 3, readable: true, writable: true });
const session = new Session();
(session as Session & { connectToMainThread(): void }).connectToMainThread();

let held: Extract<Report, { type: 'stream' }> | undefined;
let timer: NodeJS.Timeout | undefined;

function flush(): void {
  clearTimeout(timer);
  timer = undefined;
  if (held) socket.write(pack(held));
  held = undefined;
}

function send(report: Report, buffers: readonly Uint8Array[] = []): void {
  if (report.type === 'stream') {
    if (held && held.name === report.name && held.cell === report.cell && held.text.length < COALESCE_SIZE) {
      held = { ...held, text: held.text + report.text };
      return;
    }
    flush();
    held = report;
    timer = setTimeout(flush, COALESCE_MS);
    return;
  }
  flush();
  if (report.type === 'done') running.delete(report.cell);
  socket.write(pack(report, buffers));
}

/** Cells handed to the main thread that have not ended. */
const running = new Set<number>();
let pressing = false;

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Stops the cells: asks first, so that code waiting in an `await` can clean up; terminates what does not
 * listen; asks again until every one of them has ended.
 */
async function interrupt(cells: readonly number[]): Promise<void> {
  if (
    Atomics.compareExchange(shared, Word.input, InputState.waiting, InputState.interrupted) ===
    InputState.waiting
  ) {
    Atomics.notify(shared, Word.input);
  }
  if (pressing) return;
  pressing = true;
  const started = Date.now();
  let reported = false;
  while (cells.some((cell) => running.has(cell))) {
    const seen = Atomics.load(shared, Word.interruptsSeen);
    main.postMessage({ message: { type: 'interrupt', cells }, buffers: [] } satisfies Packet<Order>);
    await wait(NOTICE_MS);
    if (Atomics.load(shared, Word.interruptsSeen) === seen) {
      session.post('Runtime.terminateExecution', () => undefined);
    }
    await wait(PRESS_AGAIN_MS);
    if (!reported && Date.now() - started > STUCK_MS) {
      reported = true;
      send({ type: 'stuck' });
    }
  }
  pressing = false;
}

function obey({ message, buffers }: Packet<Order>): void {
  switch (message.type) {
    case 'interrupt':
      void interrupt(message.cells);
      break;
    case 'inspector':
      session.post(message.method, message.params as object, (error, result) => {
        send({ type: 'inspector-reply', id: message.id, ...(error ? { error: error.message } : { result }) });
      });
      break;
    case 'input':
      if (message.value !== null) inputPort.postMessage(message.value);
      Atomics.store(shared, Word.input, message.value === null ? InputState.refused : InputState.answered);
      Atomics.notify(shared, Word.input);
      break;
    case 'taken':
      Atomics.sub(shared, Word.backlog, message.size);
      Atomics.notify(shared, Word.backlog);
      break;
    case 'exit':
      flush();
      process.kill(process.pid, 'SIGKILL');
      break;
    case 'execute':
      running.add(message.cell);
      main.postMessage({ message, buffers });
      break;
    default:
      main.postMessage({ message, buffers });
  }
}

main.on('message', ({ message, buffers }: Packet<Report>) => send(message, buffers));
session.on('inspectorNotification', (event: { method: string; params?: unknown }) => {
  send({ type: 'inspector-event', method: event.method, params: event.params ?? {} });
});
const unpacker = new Unpacker<Order>();
socket.on('data', (chunk) => {
  for (const packet of unpacker.push(chunk)) obey(packet);
});
// Without a host there is nobody to run for; the main thread may be spinning, so the process is ended from here.
const orphaned = () => process.kill(process.pid, 'SIGKILL');
socket.on('end', orphaned);
socket.on('error', orphaned);
socket.on('close', orphaned);
