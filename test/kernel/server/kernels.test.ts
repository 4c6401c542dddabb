// @module-tag process
import { mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { ask, serverWithApi } from './support/api.js';
import { startServer } from './support/server.js';

const lab = serverWithApi();

/** A front end at a kernel, as plain as can be. */
async function connect(kernel: string) {
  const origin = lab.server.origin.replace('http', 'ws');
  const address = `${origin}/api/kernels/${kernel}/channels?session_id=s&token=${lab.server.token}`;
  const socket = new WebSocket(address);
  const heard: any[] = [];
  socket.on('message', (data) => heard.push(JSON.parse(data.toString())));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const send = (channel: string, type: string, content: object) => {
    const header = { msg_id: type, msg_type: type, session: 's', username: '', version: '5.4', date: '' };
    socket.send(JSON.stringify({ channel, header, parent_header: {}, metadata: {}, content }));
  };
  return { socket, heard, send };
}

describe('a kernel', () => {
  it('is busy while its cell runs, whatever it answers beside it', async () => {
    const kernel = await lab.server.lab.kernels.start('echo');
    await kernel.whenReady();
    expect(kernel.state).toBe('idle');
    const front = await connect(kernel.id);
    front.send('shell', 'execute_request', { code: 'sleep 20000' });
    await expect.poll(() => kernel.state).toBe('busy');
    // On control the echo kernel answers at once.
    for (const type of ['comm_msg', 'kernel_info_request', 'comm_info_request']) {
      front.send('control', type, { comm_id: 'c', data: {} });
      const isIdle = ({ parent_header, content }: (typeof front.heard)[number]) =>
        parent_header.msg_type === type && content.execution_state === 'idle';
      await expect.poll(() => front.heard.some(isIdle), { interval: 5 }).toBe(true);
      expect((await lab.ask('GET', `/api/kernels/${kernel.id}`)).body.execution_state).toBe('busy');
    }
    kernel.interrupt();
    await expect.poll(() => kernel.state).toBe('idle');
    front.socket.terminate();
    await lab.ask('DELETE', `/api/kernels/${kernel.id}`);
  });

  it('is idle as soon as it is ready, for a front end that was there before', async () => {
    const kernel = await lab.server.lab.kernels.start('echo');
    const front = await connect(kernel.id);
    const states = () =>
      front.heard
        .filter(({ header, parent_header }) => header.msg_type === 'status' && !parent_header.msg_type)
        .map(({ content }) => content.execution_state);
    await expect.poll(states).toEqual(['starting', 'idle']);
    await kernel.restart();
    await expect.poll(states).toEqual(['starting', 'idle', 'starting', 'idle']);
    front.socket.terminate();
    await kernel.shutdown();
  });

  it('does not start again by a report of its start that comes after its first answer', async () => {
    const kernel = await lab.server.lab.kernels.start('echo');
    await kernel.whenReady();
    const front = await connect(kernel.id);
    // Connected; answers to the server's own requests may still come behind.
    await expect.poll(() => front.heard.length).toBeGreaterThan(0);
    // Reports come on one channel and answers on another: which of them arrives first is not said.
    front.send('shell', 'execute_request', { code: 'state starting\nprint done\nsleep 20000' });
    await expect.poll(() => front.heard.some(({ content }) => content.text === 'done\n')).toBe(true);
    expect(kernel.state).toBe('busy');
    expect(front.heard.filter(({ content }) => content.execution_state === 'starting')).toEqual([]);
    front.socket.terminate();
    await kernel.shutdown();
  });

  it('is dead when it cannot be started again, and lives with the next restart', async () => {
    const kernel = await lab.server.lab.kernels.start('echo');
    await kernel.whenReady();
    const front = await connect(kernel.id);
    const runtime = join(lab.server.stateFolder, 'runtime');
    renameSync(runtime, `${runtime}-aside`);
    writeFileSync(runtime, 'where no connection file can be');
    await expect(kernel.restart()).rejects.toThrow();
    expect(kernel.state).toBe('dead');
    await expect.poll(() => front.heard.at(-1)?.content.execution_state).toBe('dead');
    rmSync(runtime);
    renameSync(`${runtime}-aside`, runtime);
    await kernel.restart();
    expect(kernel.state).toBe('idle');
    front.socket.terminate();
    await kernel.shutdown();
  });

  it('that sends what cannot be read costs the server nothing, and goes on', async () => {
    const kernel = await lab.server.lab.kernels.start('echo');
    await kernel.whenReady();
    const front = await connect(kernel.id);
    const long = 'x'.repeat(3 * 2 ** 20);
    const broken = [
      ...['header stream no JSON', 'header stream null', 'parent stream ', 'parent stream []'],
      ...['content status no JSON', 'content status null', 'content status []'],
      ...[`content execute_result ${long}`, `content execute_result {"data":null,"long":"${long}"}`],
      ...[`content error {"traceback":[{"toString":1}],"long":"${long}"}`],
      ...['content stream null', `content stream {"long":"${long}"}`, `content stream ${long}`],
    ];
    front.socket.removeAllListeners('message');
    const heard: string[] = [];
    front.socket.on('message', (data) => heard.push(String(data)));
    for (const message of broken) {
      heard.length = 0;
      front.send('shell', 'execute_request', { code: `raw ${message}\nhtml done` });
      await expect.poll(() => heard.some((text) => text.includes('"text/html":"done"'))).toBe(true);
    }
    expect(kernel.state).not.toBe('dead');
    front.socket.terminate();
    await kernel.shutdown();
  });

  it('the page goes by the same list of requests that say nothing of the cell', async () => {
    const page = await lab.server.fetch('/lab');
    const config = JSON.parse(/type="application\/json">(.*?)<\/script>/s.exec(await page.text())![1]!);
    expect(JSON.parse(config.untracked_message_types)).toEqual(
      expect.arrayContaining(['comm_msg', 'comm_open', 'complete_request', 'kernel_info_request']),
    );
    expect(JSON.parse(config.untracked_message_types)).not.toContain('execute_request');
  });

  it('works in the folder of its path: the folder itself, a document in it, or the closest that exists', async () => {
    mkdirSync(join(lab.server.folder, 'work/deep'), { recursive: true });
    writeFileSync(join(lab.server.folder, 'work/a.ipynb'), '');
    const root = realpathSync(lab.server.folder);
    for (const [path, folder] of [
      ['work/deep', 'work/deep'],
      ['work/a.ipynb', 'work'],
      ['work/none/b.ipynb', 'work'],
      ['../..', ''],
      [undefined, ''],
    ] as const) {
      const { body } = await lab.ask('POST', '/api/kernels', { name: 'echo', path });
      const front = await connect(body.id);
      front.send('shell', 'execute_request', { code: 'folder' });
      const output = () => front.heard.find(({ header }) => header.msg_type === 'stream')?.content.text;
      await expect.poll(output).toBe(join(root, folder));
      front.socket.terminate();
      await lab.ask('DELETE', `/api/kernels/${body.id}`);
    }
  });

  it('begins again where its document is now, or close to where its folder was', async () => {
    mkdirSync(join(lab.server.folder, 'old/inner'), { recursive: true });
    writeFileSync(join(lab.server.folder, 'old/inner/a.ipynb'), '');
    const root = realpathSync(lab.server.folder);
    const body = { path: 'old/inner/a.ipynb', name: 'a', type: 'notebook', kernel: { name: 'echo' } };
    const session = (await lab.ask('POST', '/api/sessions', body)).body;
    const restartedIn = async () => {
      const { status } = await lab.ask('POST', `/api/kernels/${session.kernel.id}/restart`);
      expect(status).toBe(200);
      const front = await connect(session.kernel.id);
      front.send('shell', 'execute_request', { code: 'folder' });
      const output = () => front.heard.find(({ header }) => header.msg_type === 'stream')?.content.text;
      await expect.poll(output).toBeDefined();
      front.socket.terminate();
      return output();
    };
    renameSync(join(root, 'old/inner'), join(root, 'old/moved'));
    expect(await restartedIn()).toBe(join(root, 'old'));
    await lab.ask('PATCH', `/api/sessions/${session.id}`, { path: 'old/moved/a.ipynb' });
    expect(await restartedIn()).toBe(join(root, 'old/moved'));
    await lab.ask('DELETE', `/api/sessions/${session.id}`);
  });

  it('and a terminal are refused with the reason where the folder of the lab is gone', async () => {
    const own = await startServer();
    const kernel = await own.lab.kernels.start('echo');
    await kernel.whenReady();
    rmSync(own.folder, { recursive: true });
    const message = 'The folder that this lab shows is gone: start the lab in another one';
    for (const path of ['/api/kernels', '/api/terminals', `/api/kernels/${kernel.id}/restart`]) {
      const answer = await ask(own, 'POST', path, path === '/api/kernels' ? { name: 'echo' } : undefined);
      expect(answer).toMatchObject({ status: 409, body: { message } });
    }
    mkdirSync(own.folder);
    await kernel.restart();
    await own.close();
  });
});
