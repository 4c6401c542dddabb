// @module-tag process

import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { serverWithClient, services, startServer } from './support/server.js';

/** A request of the front end `tab`, as JSON. */
const executeRequest = (id: string, code: string) =>
  JSON.stringify({
    channel: 'shell',
    header: {
      msg_id: id,
      msg_type: 'execute_request',
      session: 'tab',
      username: '',
      version: '5.4',
      date: '',
    },
    parent_header: {},
    metadata: {},
    content: { code, silent: false, store_history: true, allow_stdin: false, stop_on_error: true },
  });

describe('load and faults', () => {
  const lab = serverWithClient();

  const textOf = async (kernel: Kernel.IKernelConnection, code: string): Promise<string> => {
    let text = '';
    const future = kernel.requestExecute({ code });
    future.onIOPub = ({ header, content }) => {
      if (header.msg_type === 'stream') text += (content as { text: string }).text;
      if (header.msg_type === 'execute_result') {
        text += (content as { data: Record<string, string> }).data['text/plain'];
      }
    };
    await future.done;
    return text;
  };

  it('runs 20 notebooks with a kernel each, and ends them all', async () => {
    const sessions = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        lab.manager.sessions.startNew({
          path: `many/${index}.ipynb`,
          name: `${index}.ipynb`,
          type: 'notebook',
          kernel: { name: 'echo' },
        }),
      ),
    );
    expect(new Set(sessions.map(({ kernel }) => kernel?.id)).size).toBe(20);
    const texts = await Promise.all(
      sessions.map(({ kernel }, index) => textOf(kernel!, `print notebook ${index}`)),
    );
    expect(texts).toEqual(sessions.map((_, index) => `notebook ${index}\n`));
    await Promise.all(sessions.map((session) => session.shutdown()));
    expect(lab.server.lab.kernels.list()).toEqual([]);
  });

  it('survives 200 reconnects, and delivers what was missed in between', async () => {
    const kernel = await lab.server.lab.kernels.start('echo');
    await kernel.whenReady();
    const address = `${lab.server.origin.replace('http', 'ws')}/api/kernels/${kernel.id}/channels`;
    const connect = () =>
      new Promise<{ socket: WebSocket; seen: string[] }>((resolve, reject) => {
        const socket = new WebSocket(`${address}?session_id=tab&token=${lab.server.token}`);
        const seen: string[] = [];
        socket.on('message', (data) => seen.push(data.toString()));
        socket.once('open', () => resolve({ socket, seen })).once('error', reject);
      });
    for (let round = 0; round < 199; round += 1) {
      const { socket } = await connect();
      socket.terminate();
    }
    const { socket } = await connect();
    socket.send(executeRequest('m1', 'sleep 150\nprint missed'));
    await expect.poll(() => kernel.state).toBe('busy');
    socket.terminate();
    await expect.poll(() => kernel.clients.size).toBe(0);
    await expect.poll(() => kernel.state).toBe('idle');
    const back = await connect();
    await expect.poll(() => back.seen.some((text) => text.includes('"text":"missed'))).toBe(true);
    await expect.poll(() => back.seen.some((text) => text.includes('execute_reply'))).toBe(true);
    back.socket.close();
    await expect.poll(() => kernel.clients.size).toBe(0);
    await lab.server.lab.kernels.shutdown(kernel.id);
  });

  it('repeats what a silently broken connection swallowed, and nothing that arrived', async () => {
    const kernel = await lab.server.lab.kernels.start('echo');
    await kernel.whenReady();
    const address = `${lab.server.origin.replace('http', 'ws')}/api/kernels/${kernel.id}/channels`;
    const connect = async () => {
      const socket = new WebSocket(`${address}?session_id=tab&token=${lab.server.token}`);
      const seen: string[] = [];
      socket.on('message', (data) => {
        const { header, content } = JSON.parse(data.toString());
        if (header.msg_type === 'stream') seen.push(content.text);
      });
      await once(socket, 'open');
      return { socket, seen };
    };
    const first = await connect();
    first.socket.send(executeRequest('m1', 'print arrived'));
    await expect.poll(() => first.seen).toEqual(['arrived\n']);
    await expect.poll(() => kernel.state).toBe('idle');
    await new Promise((resolve) => setTimeout(resolve, 200));
    first.socket.send(executeRequest('m2', 'sleep 100\nprint swallowed'));
    await expect.poll(() => kernel.state).toBe('busy');
    // As behind a cable that was pulled: both ends are open, and nothing gets through.
    first.socket.pause();
    await expect.poll(() => kernel.state).toBe('idle');
    const second = await connect();
    await expect.poll(() => second.seen).toEqual(['swallowed\n']);
    expect(kernel.clients.size).toBe(1);
    first.socket.terminate();
    second.socket.close();
    await lab.server.lab.kernels.shutdown(kernel.id);
  });

  it('repeats a restart once: a front end connects again each time that it hears of one', async () => {
    const kernel = await lab.server.lab.kernels.start('echo');
    await kernel.whenReady();
    const address = `${lab.server.origin.replace('http', 'ws')}/api/kernels/${kernel.id}/channels`;
    const sockets: WebSocket[] = [];
    const connect = async () => {
      const socket = new WebSocket(`${address}?session_id=tab&token=${lab.server.token}`, {
        autoPong: false,
      });
      sockets.push(socket);
      const states: string[] = [];
      socket.on('message', (data) => states.push(JSON.parse(data.toString()).content.execution_state));
      await once(socket, 'open');
      return states;
    };
    const first = await connect();
    process.kill(kernel.pid!, 'SIGKILL');
    await expect.poll(() => first).toContain('restarting');
    const second = await connect();
    await expect.poll(() => second).toContain('restarting');
    await expect.poll(() => kernel.state, { timeout: 20_000 }).toBe('idle');
    const third = await connect();
    await expect.poll(() => third).toContain('idle');
    expect(third).not.toContain('restarting');
    for (const socket of sockets) socket.terminate();
    await lab.server.lab.kernels.shutdown(kernel.id);
  });

  it('repeats no restart to a front end that closes its connection for that and opens another one', async () => {
    const kernel = await lab.server.lab.kernels.start('echo');
    await kernel.whenReady();
    const address = `${lab.server.origin.replace('http', 'ws')}/api/kernels/${kernel.id}/channels`;
    const connect = (heard: (state: string, socket: WebSocket) => void) => {
      // Nothing confirms what has arrived.
      const socket = new WebSocket(`${address}?session_id=tab&token=${lab.server.token}`, {
        autoPong: false,
      });
      socket.on('message', (data) => heard(JSON.parse(data.toString()).content.execution_state, socket));
      return socket;
    };
    const states: string[] = [];
    const next: WebSocket[] = [];
    const first = connect((state, socket) => {
      if (state !== 'restarting' || next.length > 0) return;
      // The new connection may well be there before the old one's end is.
      next.push(connect((each) => states.push(each)));
      next[0]!.once('open', () => socket.close());
    });
    await once(first, 'open');
    process.kill(kernel.pid!, 'SIGKILL');
    await expect.poll(() => states, { timeout: 20_000 }).toContain('idle');
    expect(states).not.toContain('restarting');
    for (const socket of next) socket.terminate();
    await lab.server.lab.kernels.shutdown(kernel.id);
  });

  it('reports that a kernel was killed, starts a new one by itself, and goes on', async () => {
    const kernel = await lab.startKernel();
    const statuses: string[] = [];
    kernel.statusChanged.connect((_, status) => void statuses.push(status));
    const running = lab.server.lab.kernels.get(kernel.id);
    const { pid } = running;
    process.kill(pid!, 'SIGKILL');
    await expect.poll(() => statuses).toContain('autorestarting');
    await expect.poll(() => running.state, { timeout: 20_000 }).toBe('idle');
    expect(running.pid).not.toBe(pid);
    expect(await textOf(kernel, 'print again')).toBe('again\n');
    expect(lab.server.log.at(-1)).toContain('Kernel echo was ended by SIGKILL');
    await kernel.shutdown();
  });

  it('gives up on a kernel that keeps dying, reports it dead, and restarts it when asked', async () => {
    const running = await lab.server.lab.kernels.start('echo');
    for (let round = 0; round < 5; round += 1) {
      await running.whenReady();
      await expect.poll(() => running.state, { timeout: 20_000 }).toBe('idle');
      process.kill(running.pid!, 'SIGKILL');
      await expect.poll(() => running.state, { timeout: 20_000, interval: 5 }).not.toBe('idle');
    }
    await expect.poll(() => running.state).toBe('dead');
    const model = await (await lab.server.fetch(`/api/kernels/${running.id}`)).json();
    expect(model.execution_state).toBe('dead');
    const restarted = await lab.server.fetch(`/api/kernels/${running.id}/restart`, { method: 'POST' });
    expect(restarted.status).toBe(200);
    const kernel = lab.manager.kernels.connectTo({ model: { id: running.id, name: 'echo' } });
    expect(await textOf(kernel, 'print alive')).toBe('alive\n');
    await kernel.shutdown();
  });

  it('says why a kernel that cannot start did not', async () => {
    const kernels = join(lab.server.folder, 'kernels');
    mkdirSync(join(kernels, 'broken'), { recursive: true });
    const argv = [process.execPath, '-e', 'console.error("no such library"); process.exit(3)'];
    const spec = { argv, display_name: 'Broken', language: 'none' };
    writeFileSync(join(kernels, 'broken', 'kernel.json'), JSON.stringify(spec));
    const { KernelSpecs } = await import('../../../kernel/src/server/kernelspecs.js');
    const own = await startServer({ kernelspecs: new KernelSpecs(() => [kernels]) });
    const kernel = await own.lab.kernels.start('broken');
    await expect(kernel.whenReady()).rejects.toThrow('exited with code 3 before it answered');
    await expect.poll(() => kernel.state, { timeout: 20_000 }).toBe('dead');
    expect(own.log.join('\n')).toContain('no such library');
    await own.close();
  });

  it('leaves no process, no connection file and no port behind a kernel', async () => {
    const kernel = await lab.server.lab.kernels.start('echo');
    await kernel.whenReady();
    const runtime = join(lab.server.stateFolder, 'runtime');
    expect(readdirSync(runtime)).toHaveLength(1);
    const { pid } = kernel;
    await lab.server.lab.kernels.shutdown(kernel.id);
    expect(() => process.kill(pid!, 0)).toThrow();
    expect(readdirSync(runtime)).toEqual([]);
  });

  it('cuts 50 MB of text to what a browser can show, and says so', async () => {
    const kernel = await lab.startKernel();
    const text = await textOf(kernel, 'stream 50000000');
    expect(text.length).toBeLessThan(3_000_000);
    expect(text).toContain('This cell wrote more than 2 MB: the rest is not shown');
    expect(await textOf(kernel, 'print still here')).toBe('still here\n');
    await kernel.shutdown();
  });

  it('cuts a result of 50 MB, and shortens one of 5 MB', async () => {
    const kernel = await lab.startKernel();
    expect(await textOf(kernel, 'result 50000000')).toMatch(
      /^\[Output of 47.7 MB \(text\/plain\) is not shown/,
    );
    const shortened = await textOf(kernel, 'result 5000000');
    expect(shortened).toMatch(/y\n\[3\.8 MB more are not shown\.\]$/);
    await kernel.shutdown();
  });

  it('drops outputs that come faster than a browser draws, and says so once', async () => {
    const own = await startServer({
      outputLimits: {
        streamBytes: 2 ** 24,
        plainTextBytes: 2 ** 20,
        bundleBytes: 2 ** 25,
        messagesPerSecond: 100,
      },
    });
    const ownManager = new services.KernelManager({ serverSettings: own.settings, standby: 'never' });
    const kernel = await ownManager.startNew({ name: 'echo' });
    await kernel.info;
    const text = await textOf(kernel, 'burst 2000');
    expect(text.match(/More than 100 outputs per second/g)).toHaveLength(1);
    expect(text.split('\n').length).toBeLessThan(2000);
    await kernel.shutdown();
    ownManager.dispose();
    await own.close();
  });

  it.skipIf(process.getuid?.() === 0)('refuses to write where it may not (not as root)', async () => {
    writeFileSync(join(lab.server.folder, 'fixed.txt'), 'fixed');
    chmodSync(join(lab.server.folder, 'fixed.txt'), 0o444);
    const refused = await lab.server.fetch('/api/contents/fixed.txt', {
      method: 'PUT',
      body: JSON.stringify({ type: 'file', format: 'text', content: 'x' }),
    });
    expect(refused.status).toBe(403);
    expect(readFileSync(join(lab.server.folder, 'fixed.txt'), 'utf8')).toBe('fixed');
  });

  it('two front ends on one kernel both see output, and each its own answers', async () => {
    const first = await lab.startKernel();
    const second = lab.manager.kernels.connectTo({ model: { id: first.id, name: 'echo' } });
    await second.info;
    const seen: string[] = [];
    second.anyMessage.connect(
      (_, { msg }) => void seen.push((msg as KernelMessage.IMessage).header.msg_type),
    );
    expect(await textOf(first, 'print shared')).toBe('shared\n');
    await expect.poll(() => seen).toContain('stream');
    expect(seen).not.toContain('execute_reply');
    second.dispose();
    await first.shutdown();
    expect(existsSync(join(lab.server.stateFolder, 'runtime'))).toBe(true);
  });
});
