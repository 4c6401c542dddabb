import process from 'node:process';
import { FORMAT_VALUE } from '../../debug/format-hook.js';
import { connectOutput } from '../../display/cell-output.js';
import { connectComms } from '../../display/comm.js';
import { formatValue } from '../../display/format.js';
import { LIVE_TARGET } from '../../display/live/protocol.js';
import { type LiveChannel, serveLive } from '../../display/live/target.js';
import { SWEEP_TARGET } from '../../display/sweep-document.js';
import { obeySweepOrder } from '../../sweep/sweeps-shown.js';
import { BRIDGE } from '../bridge.js';
import type { CommMessage, ExecuteOrder, Order, Packet, Report } from '../wire.js';
import { lightApi, loadFovea, mentionsApi, offer, SIGNAL } from './api.js';
import { createAttribution } from './attribution.js';
import { sendable } from './bundles.js';
import { KeyboardInterrupt } from './cell.js';
import { Channel } from './channel.js';
import { trackChildren } from './children.js';
import { Comms } from './comms.js';
import { trackContinuations } from './continuations.js';
import { Disposables } from './disposables.js';
import { Evaluator } from './evaluator.js';
import { declare, Results } from './globals.js';
import { createInputs } from './input.js';
import { KeptVariables } from './kept-variables.js';
import { createMagics } from './magics.js';
import { ModuleLoader } from './modules/loader.js';
import { redirectQuestions } from './questions.js';
import { redirectStreams } from './streams.js';
import { imitateTerminal } from './terminal.js';
import { TerminalLine } from './terminal-line.js';
import { describeThrown } from './thrown.js';
import { trackTimers } from './timers.js';
import { trackWorkers } from './workers.js';

const MOVES_UP =
  '\n[fovea] a program moves the cursor to lines above, which the output of a cell cannot do: they are printed again\n';

/**
 * Entry of the runtime, the process that user code runs in. The host starts it with descriptors 1 and 2 as
 * pipes and descriptor 3 as the way for messages, and with the marker of this session as argument.
 */
const attribution = createAttribution();
/** Taken before timers are tracked: no cell's end clears it. */
const soon = globalThis.setImmediate;
const results = new Results();
const channel = new Channel(process.argv[2]!, (packet) => obey(packet));
const kept = new KeptVariables();
const stopWorkers = trackWorkers(() => evaluator.current());
const evaluator: Evaluator = new Evaluator(channel, attribution, results, kept, stopWorkers);
const loader = new ModuleLoader(process.cwd());
const disposables = new Disposables();
const comms = new Comms(
  (message, buffers) => channel.post({ ...message, ...owner() }, buffers),
  (targets) => channel.post({ type: 'targets', names: targets }),
);

/** Whose output this is, as a part of a report. */
function owner(): { cell?: number } {
  const cell = attribution.current();
  return cell === undefined ? {} : { cell };
}

function obey({ message, buffers }: Packet<Order>): void {
  switch (message.type) {
    case 'execute':
      results.inputs[message.count] = message.code;
      if (foveaReady || !mentionsApi(message.code)) execute(message);
      else {
        loadNow();
        waiting.add(message.cell);
        // In a turn of its own: a termination of what runs as a promise's job drops the jobs that wait behind it.
        void fovea.then(() =>
          soon(() => {
            if (waiting.delete(message.cell)) execute(message);
          }),
        );
      }
      break;
    case 'interrupt':
      for (const cell of message.cells) {
        if (!waiting.delete(cell)) continue;
        channel.postDone({ type: 'done', cell, outcome: { kind: 'interrupted' }, payload: [] });
      }
      evaluator.interrupt(message.cells);
      break;
    case 'comm':
      void receive(message, buffers);
      break;
    default:
  }
}

/** Cells that wait until `fovea` has been loaded. */
const waiting = new Set<number>();

/** Whatever a cell has done to this process, it gets an answer. */
function execute(order: ExecuteOrder): void {
  try {
    evaluator.execute(order);
  } catch (error) {
    const outcome = { kind: 'error', error: describeThrown(error) } as const;
    channel.postDone({ type: 'done', cell: order.cell, outcome, payload: [] });
  }
}

async function receive(
  message: CommMessage & { request: number },
  buffers: readonly Uint8Array[],
): Promise<void> {
  try {
    await attribution.run(message.request, () => evaluator.call(() => comms.receive(message, buffers)));
  } catch (error) {
    uncaught('comm', error);
  }
  channel.barrier();
  channel.post({ type: 'handled', request: message.request });
}

function uncaught(origin: string, error: unknown): void {
  if (error instanceof KeyboardInterrupt) return;
  channel.post({ type: 'uncaught', origin, error: describeThrown(error), ...owner() });
}

const magics = createMagics({
  directory: process.cwd(),
  cell: () => evaluator.current(),
  reset: async () => {
    await disposables.clear();
    results.reset();
  },
});

const bridge = {
  run: (id: number) => evaluator.run(id),
  conclude: (id: number) => evaluator.conclude(id),
  call: () => evaluator.runCall(),
  hold: (value: unknown) => evaluator.hold(value),
  keep: kept.keep.bind(kept),
  restore: kept.restore.bind(kept),
  fits: (id: number, index: number) => evaluator.fits(id, index),
  plain: (id: number, index: number) => evaluator.plain(id, index),
  show: kept.show.bind(kept),
  cell: () => attribution.current(),
  resume(cell?: number, value?: unknown) {
    evaluator.checkContinuation(cell);
    channel.resumeUserCode();
    if (cell !== undefined) attribution.resume(cell);
    return value;
  },
  caught: (cell?: number) => evaluator.checkContinuation(cell),
  async import(specifier: unknown, options?: object, line?: number) {
    // The engine's nouns show themselves by what comes with `fovea`.
    if (String(specifier).startsWith('@fovea/')) {
      loadNow();
      await fovea;
    }
    return channel.protect(() => loader.import(specifier, options, line), attribution.current());
  },
  meta: loader.meta,
  pick: loader.pick.bind(loader),
  spread(namespace: Record<string, unknown>) {
    const names = Object.keys(namespace).filter((name) => name !== 'default');
    declare(names);
    for (const name of names) (globalThis as Record<string, unknown>)[name] = namespace[name];
  },
  use: disposables.use.bind(disposables),
  useAsync: disposables.useAsync.bind(disposables),
  magic: magics,
};
Object.defineProperty(globalThis, BRIDGE, { value: bridge });
const signal = () => evaluator.current()?.controller.signal;
Object.defineProperty(globalThis, Symbol.for(FORMAT_VALUE), { value: formatValue });
Object.defineProperty(globalThis, SIGNAL, { get: signal });

const inputs = createInputs((question) =>
  channel.ask({ type: 'input', ...question, ...owner() } satisfies Report),
);
offer({ ...lightApi, ...inputs, require: loader.require });

connectOutput({
  display(shown, { id, update } = {}) {
    const { bundle, size } = sendable(shown);
    const named = id === undefined ? {} : { id };
    channel.postOutput(
      { type: 'display', bundle, size, ...named, ...(update ? { update } : {}), ...owner() },
      size,
    );
  },
  await(pending) {
    const cell = evaluator.current();
    const settled = pending
      .catch((error: unknown) => uncaught('display', error))
      .finally(() => cell?.displays.delete(settled));
    cell?.displays.add(settled);
  },
  clear: (wait) => channel.post({ type: 'clear', wait, ...owner() }),
});
connectComms(comms);
comms.registerTarget(LIVE_TARGET, (comm) => serveLive(comm as LiveChannel, (work) => channel.protect(work)));
comms.registerTarget(SWEEP_TARGET, obeySweepOrder);

const print = (name: 'stdout' | 'stderr', text: string) => {
  if (text !== '') channel.postOutput({ type: 'stream', name, text, ...owner() }, text.length);
};
let hinted = false;
const terminal = {
  clear: () => channel.post({ type: 'clear', wait: true, ...owner() }),
  movesUp() {
    if (!hinted) print('stderr', MOVES_UP);
    hinted = true;
  },
};
const lines = { stdout: new TerminalLine(terminal), stderr: new TerminalLine(terminal) };
redirectStreams(
  (name, text) => print(name, lines[name].translate(text)),
  (descriptor) => channel.isOpen(descriptor),
);
imitateTerminal();
redirectQuestions(inputs);
for (const origin of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(origin, (error: unknown) => uncaught(origin, error));
}
process.exit = (code) => {
  throw Object.assign(
    new Error(
      `process.exit(${code ?? ''}) was called: in a notebook it ends only the cell, and variables are kept`,
    ),
    { name: 'ProcessExit' },
  );
};
trackTimers(attribution, () => evaluator.current());
trackContinuations(attribution);
trackChildren(
  () => channel.barrier(),
  () => evaluator.current(),
);
// Ctrl-C in a terminal reaches the whole process group; the host decides what it means.
process.on('SIGINT', () => undefined);
channel.post({ type: 'ready' });

/** `fovea` and the engine behind it take memory and a while to load: they come with the first need of them. */
let loadNow: () => void = () => undefined;
let foveaReady = false;
const fovea = new Promise<void>((resolve) => {
  loadNow = resolve;
})
  .then(() => channel.protect(() => loadFovea(signal)))
  .catch((error: unknown) => uncaught('loading fovea', error))
  .finally(() => {
    foveaReady = true;
  });
