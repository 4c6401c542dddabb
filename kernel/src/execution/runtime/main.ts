import { BRIDGE } from '../bridge.js';
import { createAttribution } from './attribution.js';
import { Channel } from './channel.js';
import { trackChildren } from './children.js';
import { Evaluator } from './evaluator.js';
import { Results } from './globals.js';
import { redirectStreams } from './streams.js';
import { describeThrown } from './thrown.js';
import { trackTimers } from './timers.js';

/**
 * Entry of the runtime, the process that user code runs in. The host starts it with descriptors 1 and 2 as
 * pipes and descriptor 3 as the way for messages, and with the marker of this session as argument.
 */
const attribution = createAttribution();
const results = new Results();
const channel = new Channel(process.argv[2]!, ({ message }) => {
  switch (message.type) {
    case 'execute':
      results.inputs[message.count] = message.code;
      evaluator.execute(message);
      break;
    case 'interrupt':
      evaluator.interrupt(message.cells);
      break;
    default:
  }
});
const evaluator = new Evaluator(channel, attribution, results);

Object.defineProperty(globalThis, BRIDGE, {
  value: {
    run: (id: number) => evaluator.run(id),
    conclude: (id: number) => evaluator.conclude(id),
    hold: (value: unknown) => evaluator.hold(value),
    resume: (value: unknown) => value,
  },
});

redirectStreams((name, text) => {
  const cell = attribution.current();
  channel.postOutput({ type: 'stream', name, text, ...(cell === undefined ? {} : { cell }) }, text.length);
});
for (const origin of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(origin, (error: unknown) => {
    const cell = attribution.current();
    channel.post({
      type: 'uncaught',
      origin,
      error: describeThrown(error),
      ...(cell === undefined ? {} : { cell }),
    });
  });
}
trackTimers(attribution, () => evaluator.current());
trackChildren(
  () => channel.barrier(),
  () => evaluator.current(),
);
// Ctrl-C in a terminal reaches the whole process group; the host decides what it means.
process.on('SIGINT', () => undefined);
channel.post({ type: 'ready' });
