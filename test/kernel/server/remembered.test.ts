import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { type KernelClient, KernelClients } from '../../../kernel/src/server/kernels/clients.js';
import { KeptMessages } from '../../../kernel/src/server/kernels/kept-messages.js';
import type { Kernel } from '../../../kernel/src/server/kernels/kernel.js';
import { type Message, MessageFactory } from '../../../kernel/src/server/kernels/message.js';
import { DEFAULT_OUTPUT_LIMITS, OutputLimiter } from '../../../kernel/src/server/kernels/output-limits.js';
import { joinKernel } from '../../../kernel/src/server/kernels/websocket.js';

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
    return {
      session,
      got,
      unconfirmed: new KeptMessages(),
      deliver: (message) => void got.push(message),
      close: () => undefined,
      abandon: () => undefined,
      succeeded: () => Promise.resolve(),
    };
  };
  const status = () => factory.create('iopub', 'status', { execution_state: 'idle' });

  it('is kept for the eight that were lost last', () => {
    const clients = new KernelClients();
    const lost = Array.from({ length: 9 }, (_, index) => client(`lost ${index}`));
    for (const one of lost) clients.add(one);
    for (const one of lost) clients.remove(one, true);
    clients.deliver(status());
    const returned = [8, 1].map((index) => client(`lost ${index}`));
    for (const one of returned) clients.add(one);
    expect(returned.map(({ got }) => got.length)).toEqual([1, 1]);
    const first = client('lost 0');
    clients.add(first);
    expect(first.got).toEqual([]);
  });

  it('is kept while other pages are opened, which connect to all kernels for a moment', () => {
    const clients = new KernelClients();
    const lost = client('lost');
    clients.add(lost);
    clients.remove(lost, true);
    const missed = [status(), status()];
    clients.deliver(missed[0]!);
    const other = client('other');
    clients.add(other);
    clients.remove(other, false);
    clients.deliver(missed[1]!);
    const returned = client('lost');
    clients.add(returned);
    expect(returned.got).toEqual(missed);
  });

  it('includes what was sent and did not arrive, whichever side notices the break first', () => {
    for (const isNoticed of [true, false]) {
      const clients = new KernelClients();
      const lost = client('tab');
      clients.add(lost);
      const sent = status();
      lost.unconfirmed.add(sent);
      if (isNoticed) clients.remove(lost, true);
      const returned = client('tab');
      clients.add(returned);
      expect(returned.got).toEqual([sent]);
      expect(clients.size).toBe(1);
    }
  });

  it('loses nothing that a pong does not confirm, when the kernel restarts while the pong is on its way', () => {
    const socket = Object.assign(new EventEmitter(), {
      OPEN: 1,
      readyState: 1,
      bufferedAmount: 0,
      protocol: '',
      pings: [] as Buffer[],
      ping: (data: Buffer) => void socket.pings.push(data),
      send: () => undefined,
    });
    const clients = new KernelClients();
    const kernel = { clients, greeting: status } as unknown as Kernel;
    joinKernel(socket as unknown as WebSocket, kernel, 'tab');
    clients.deliver(status());
    clients.deliver(status());
    clients.forgetMissed();
    const sent = [status(), status(), status()];
    for (const message of sent) clients.deliver(message);
    socket.emit('pong', socket.pings[0]);
    socket.emit('close', 1006);
    const returned = client('tab');
    clients.add(returned);
    expect(returned.got).toEqual(sent);
  });
});
