import { expect, it } from 'vitest';
import { ShellQueue, type ShellQueueContext } from '../../../kernel/src/execution/host/shell-queue.js';
import type { Message } from '../../../kernel/src/protocol/message.js';

const turnOfLoop = () => new Promise((resolve) => setImmediate(resolve));

it('keeps the order of a comm’s messages, of which the first had to wait for its target', async () => {
  const handled: string[] = [];
  const ends = new Map<string, () => void>();
  const open = new Set<unknown>();
  const message = (type: string, comm: string, name: string) =>
    ({ header: { msg_type: type }, content: { comm_id: comm, name } }) as unknown as Message;
  const context = {
    transport: { publish: async () => undefined },
    output: { flush: () => undefined },
    comms: {
      isReadyFor: ({ content }: Message) => open.has(content.comm_id),
      async receive({ header, content }: Message) {
        const name = String(content.name);
        open.add(content.comm_id);
        // What opens a comm is handled for as long as the test says.
        if (header.msg_type === 'comm_open') await new Promise<void>((end) => ends.set(name, end));
        handled.push(name);
      },
    },
  } as unknown as ShellQueueContext;
  const shell = new ShellQueue(context, () => undefined);
  void shell.push(message('comm_open', 'before', 'busy'));
  void shell.push(message('comm_open', 'c', 'open'));
  void shell.push(message('comm_msg', 'c', 'second'));
  ends.get('busy')!();
  await turnOfLoop();
  // The comm is open by now, but its second message still waits for the first to be handled.
  void shell.push(message('comm_msg', 'c', 'third'));
  ends.get('open')!();
  await turnOfLoop();
  expect(handled).toEqual(['busy', 'open', 'second', 'third']);
});
