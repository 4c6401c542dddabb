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
import { Interrupts } from './interrupts.js';

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

const interrupts = new Interrupts(shared, session, main, () => report({ type: 'stuck' }));

function obey({ message, buffers }: Packet<Order>): void {
  switch (message.type) {
    case 'interrupt':
      interrupts.press(message.cells);
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
      interrupts.begun(message.cell);
      main.postMessage({ message, buffers });
      break;
    default:
      main.postMessage({ message, buffers });
  }
}

main.on('message', (parcel: Parcel) => {
  if ('stream' in parcel) return print(parcel.stream);
  if (parcel.ended !== undefined) interrupts.ended(parcel.ended);
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
