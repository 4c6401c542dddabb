// @module-tag process
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestKernel } from '../client.js';

let kernel: TestKernel;
beforeAll(async () => {
  kernel = await TestKernel.start();
});
afterAll(() => kernel.stop());

const comm = (type: string) => (message: { type: string }) => message.type === type;

describe('comms', () => {
  it('are opened by the front end, answer with binary buffers, and are closed by either side', async () => {
    await kernel.execute(
      'comms.registerTarget("echo", (comm, data) => {\n  comm.onMessage = (data, { buffers, metadata }) => { console.log("heard"); comm.send({ echo: data }, { buffers: buffers.map((b) => b.map((x) => x + 1)), metadata }) };\n  comm.onClose = () => console.log("closed");\n  comm.send({ opened: data });\n})',
    );
    const comm_id = randomUUID();
    const opening = kernel.send('shell', 'comm_open', { comm_id, target_name: 'echo', data: { hello: 1 } });
    const first = await kernel.wait(comm('comm_msg'));
    expect(first.content).toEqual({ comm_id, data: { opened: { hello: 1 } } });
    expect(first.parent.msg_id).toBe(opening);
    const info = await kernel.request('shell', 'comm_info_request', { target_name: 'echo' });
    expect(info.content).toEqual({ status: 'ok', comms: { [comm_id]: { target_name: 'echo' } } });
    expect(
      (await kernel.request('shell', 'comm_info_request', { target_name: 'other' })).content.comms,
    ).toEqual({});
    const talking = kernel.send(
      'shell',
      'comm_msg',
      { comm_id, data: { n: 2 } },
      { buffers: [Buffer.from([1, 2, 255])], metadata: { tag: 'x' } },
    );
    await kernel.idle(talking);
    const answer = kernel.heard.find(({ type, parent }) => type === 'comm_msg' && parent.msg_id === talking)!;
    expect(answer.content).toEqual({ comm_id, data: { echo: { n: 2 } } });
    expect([...answer.buffers[0]!]).toEqual([2, 3, 0]);
    expect(answer.metadata).toEqual({ tag: 'x' });
    expect(
      kernel.heard.some(
        ({ type, parent, content }) =>
          type === 'stream' && parent.msg_id === talking && content.text === 'heard\n',
      ),
    ).toBe(true);
    const closing = kernel.send('shell', 'comm_close', { comm_id, data: {} });
    await kernel.idle(closing);
    expect(
      kernel.heard.some(
        ({ type, parent, content }) =>
          type === 'stream' && parent.msg_id === closing && content.text === 'closed\n',
      ),
    ).toBe(true);
    expect((await kernel.request('shell', 'comm_info_request')).content.comms).toEqual({});
  });

  it('are opened by a cell', async () => {
    const { messages } = await kernel.execute(
      'const own = comms.open("widget", { state: 1 }, { buffers: [new Uint8Array([9])] }); own.send({ more: true }); own.close(); 0',
    );
    const [open, message, close] = messages.filter(({ type }) => type.startsWith('comm_'));
    expect(open).toMatchObject({ type: 'comm_open', content: { target_name: 'widget', data: { state: 1 } } });
    expect([...open!.buffers[0]!]).toEqual([9]);
    expect(message).toMatchObject({ type: 'comm_msg', content: { data: { more: true } } });
    expect(close).toMatchObject({ type: 'comm_close' });
  });

  it('send nothing any more once the front end has closed them', async () => {
    await kernel.execute('let panel; comms.registerTarget("panel", (comm) => { panel = comm; })');
    const comm_id = randomUUID();
    await kernel.idle(kernel.send('shell', 'comm_open', { comm_id, target_name: 'panel', data: {} }));
    const sent = async () => {
      const { messages } = await kernel.execute('panel.send({ state: 1 }); panel.close(); 0');
      return messages.map(({ type }) => type).filter((type) => type.startsWith('comm_'));
    };
    await kernel.idle(kernel.send('shell', 'comm_close', { comm_id, data: {} }));
    expect(await sent()).toEqual([]);
    await kernel.idle(
      kernel.send('shell', 'comm_open', { comm_id: randomUUID(), target_name: 'panel', data: {} }),
    );
    expect(await sent()).toEqual(['comm_msg', 'comm_close']);
  });

  it('for a target that was unregistered are closed, and those before go on', async () => {
    await kernel.execute(
      'comms.registerTarget("once", (comm) => { comm.onMessage = (n) => comm.send(n); });',
    );
    const [first, second] = [randomUUID(), randomUUID()];
    await kernel.idle(kernel.send('shell', 'comm_open', { comm_id: first, target_name: 'once', data: {} }));
    await kernel.execute('comms.unregisterTarget("once")');
    await kernel.idle(kernel.send('shell', 'comm_open', { comm_id: second, target_name: 'once', data: {} }));
    await kernel.idle(kernel.send('shell', 'comm_msg', { comm_id: first, data: 5 }));
    const ids: readonly unknown[] = [first, second];
    const replies = kernel.heard.filter(({ content }) => ids.includes(content.comm_id));
    expect(replies.map(({ type, content }) => [type, content.comm_id])).toEqual([
      ['comm_close', second],
      ['comm_msg', first],
    ]);
  });

  it('for a target that nobody registered are closed again', async () => {
    const comm_id = randomUUID();
    const id = kernel.send('shell', 'comm_open', { comm_id, target_name: 'nobody', data: {} });
    await kernel.idle(id);
    expect(
      kernel.heard.some(({ type, content }) => type === 'comm_close' && content.comm_id === comm_id),
    ).toBe(true);
  });

  it('wait for the cell that registers their target, and are heard while a later one waits', async () => {
    const registering = kernel.start(
      'const heard = []; await new Promise((r) => setTimeout(r, 200)); comms.registerTarget("late", (comm) => { comm.onMessage = (n) => { heard.push(n); } })',
    );
    const comm_id = randomUUID();
    const opening = kernel.send('shell', 'comm_open', { comm_id, target_name: 'late', data: {} });
    await kernel.finished(registering);
    await kernel.idle(opening);
    const waiting = kernel.start(
      'while (heard.length === 0) await new Promise((r) => setTimeout(r, 10)); heard[0]',
    );
    await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === waiting);
    await kernel.idle(kernel.send('shell', 'comm_msg', { comm_id, data: 7 }));
    expect((await kernel.finished(waiting)).result).toBe('7');
  });

  it('a thousand of them at once are answered', async () => {
    await kernel.execute('comms.registerTarget("count", (comm) => { comm.onMessage = (n) => comm.send(n) })');
    const ids = Array.from({ length: 1000 }, () => randomUUID());
    for (const comm_id of ids) kernel.send('shell', 'comm_open', { comm_id, target_name: 'count', data: {} });
    let last = '';
    for (const comm_id of ids) last = kernel.send('shell', 'comm_msg', { comm_id, data: { comm_id } });
    await kernel.idle(last, 40_000);
    const answered = new Set(
      kernel.heard
        .filter(({ type, content }) => type === 'comm_msg' && content.data?.comm_id === content.comm_id)
        .map(({ content }) => content.comm_id),
    );
    expect(answered.size).toBe(1000);
    const { content } = await kernel.request('shell', 'comm_info_request', { target_name: 'count' });
    expect(Object.keys(content.comms)).toHaveLength(1000);
  });

  it('survive handlers that throw', async () => {
    await kernel.execute(
      'comms.registerTarget("faulty", (comm) => { comm.onMessage = () => { throw new Error("handler failed") } })',
    );
    const comm_id = randomUUID();
    kernel.send('shell', 'comm_open', { comm_id, target_name: 'faulty', data: {} });
    await kernel.idle(kernel.send('shell', 'comm_msg', { comm_id, data: {} }));
    await kernel.wait(({ type, content }) => type === 'stream' && content.text.includes('handler failed'));
    expect((await kernel.execute('1')).result).toBe('1');
  });
});
