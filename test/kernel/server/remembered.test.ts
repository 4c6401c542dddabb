import { describe, expect, it } from 'vitest';
import { type KernelClient, KernelClients } from '../../../kernel/src/server/kernels/clients.js';
import { type Message, MessageFactory } from '../../../kernel/src/server/kernels/message.js';
import { DEFAULT_OUTPUT_LIMITS, OutputLimiter } from '../../../kernel/src/server/kernels/output-limits.js';

const factory = new MessageFactory();

describe('the limit of what a cell prints', () => {
  const limiter = new OutputLimiter({ ...DEFAULT_OUTPUT_LIMITS, streamBytes: 1000 }, factory, () => 0);
  const print = (cell: string) => {
    const parent = Buffer.from(JSON.stringify({ msg_id: cell }));
    return limiter.filter(
      factory.create('iopub', 'stream', { name: 'stdout', text: 'x'.repeat(600) }, parent),
    );
  };

  it('holds for a cell that goes on printing, however many cells print after it began', () => {
    print('old');
    expect(print('old')).toHaveLength(2);
    for (let cell = 0; cell < 400; cell++) {
      print(`cell ${cell}`);
      if (cell % 100 === 99) expect(print('old'), `after ${cell} cells`).toEqual([]);
    }
  });

  it('is remembered of the 256 cells that printed last', () => {
    const [first] = print('cell 0');
    expect(JSON.parse(first!.content.toString())).toMatchObject({ text: 'x'.repeat(600) });
  });
});

describe('what is kept for front ends that lost their connection', () => {
  const client = (session: string): KernelClient & { readonly got: Message[] } => {
    const got: Message[] = [];
    return { session, got, deliver: (message) => void got.push(message), close: () => undefined };
  };

  it('is kept for the eight that were lost last', () => {
    const clients = new KernelClients();
    const lost = Array.from({ length: 9 }, (_, index) => client(`lost ${index}`));
    for (const one of lost) clients.add(one);
    for (const one of lost) clients.remove(one, true);
    clients.deliver(factory.create('iopub', 'status', { execution_state: 'idle' }));
    const returned = [8, 1].map((index) => client(`lost ${index}`));
    for (const one of returned) clients.add(one);
    expect(returned.map(({ got }) => got.length)).toEqual([1, 1]);
    const first = client('lost 0');
    clients.add(first);
    expect(first.got).toEqual([]);
  });
});
