// @module-tag process
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contents, Kernel, KernelMessage } from '@jupyterlab/services';
import { describe, expect, it } from 'vitest';
import { serverWithClient, services, startServer } from './support/server.js';

/** What the stock client of JupyterLab does, against the real server over real sockets. */
describe('the stock @jupyterlab/services client', () => {
  const lab = serverWithClient();

  const run = async (kernel: Kernel.IKernelConnection, code: string) => {
    const future = kernel.requestExecute({ code });
    const outputs: KernelMessage.IIOPubMessage[] = [];
    future.onIOPub = (message) => void outputs.push(message);
    const reply = await future.done;
    const text = outputs
      .filter((message) => message.header.msg_type === 'stream')
      .map((message) => (message.content as { text: string }).text)
      .join('');
    return { reply, outputs, text };
  };

  it('lists kernelspecs, Fovea first as the default', async () => {
    await lab.manager.kernelspecs.refreshSpecs();
    const { specs } = lab.manager.kernelspecs;
    expect(specs?.default).toBe('fovea');
    expect(specs?.kernelspecs.fovea?.language).toBe('typescript');
    expect(specs?.kernelspecs.fovea?.metadata?.debugger).toBe(true);
    expect(Object.keys(specs?.kernelspecs.fovea?.resources ?? {}).sort()).toEqual([
      'logo-32x32',
      'logo-64x64',
      'logo-svg',
    ]);
    expect(specs?.kernelspecs.echo?.resources['logo-svg']).toBe('/kernelspecs/echo/logo-svg.svg');
  });

  describe('contents', () => {
    it('creates, renames, copies and deletes', async () => {
      const file = await lab.manager.contents.newUntitled({ type: 'file', ext: '.md' });
      expect(file).toMatchObject({ name: 'untitled.md', type: 'file', content: null });
      const second = await lab.manager.contents.newUntitled({ type: 'file', ext: '.md' });
      expect(second.name).toBe('untitled1.md');
      const renamed = await lab.manager.contents.rename(second.path, 'notes.md');
      expect(renamed.path).toBe('notes.md');
      await expect(lab.manager.contents.rename('untitled.md', 'notes.md')).rejects.toThrow(/409|Exists/);
      const copy = await lab.manager.contents.copy('notes.md', '');
      expect(copy.name).toBe('notes-Copy1.md');
      for (const path of ['untitled.md', 'notes.md', 'notes-Copy1.md'])
        await lab.manager.contents.delete(path);
      expect((await lab.manager.contents.get('')).content).toEqual([]);
    });

    it('deletes a folder with all that is in it, after the question that the page asks', async () => {
      const folder = await lab.manager.contents.newUntitled({ type: 'directory' });
      await lab.manager.contents.save(`${folder.path}/a.txt`, { type: 'file', format: 'text', content: 'a' });
      await lab.manager.contents.delete(folder.path);
      expect((await lab.manager.contents.get('')).content).toEqual([]);
    });

    it('saves text and binary files and gives them back unchanged', async () => {
      const bytes = Buffer.from([0, 255, 1, 128, 10]);
      await lab.manager.contents.save('a.bin', {
        type: 'file',
        format: 'base64',
        content: bytes.toString('base64'),
      });
      await lab.manager.contents
        .save('ä ö/x', { type: 'file', format: 'text', content: '' })
        .catch(() => undefined);
      await lab.manager.contents.save('größe #1?.txt', { type: 'file', format: 'text', content: 'ñ' });
      expect(readFileSync(join(lab.server.folder, 'a.bin'))).toEqual(bytes);
      const binary = await lab.manager.contents.get('a.bin');
      expect(binary).toMatchObject({ format: 'base64', content: bytes.toString('base64') });
      expect(await lab.manager.contents.get('größe #1?.txt')).toMatchObject({ format: 'text', content: 'ñ' });
      await lab.manager.contents.delete('a.bin');
      await lab.manager.contents.delete('größe #1?.txt');
    });

    it('keeps a checkpoint and goes back to it', async () => {
      await lab.manager.contents.save('c.txt', { type: 'file', format: 'text', content: 'first' });
      const checkpoint = await lab.manager.contents.createCheckpoint('c.txt');
      await lab.manager.contents.save('c.txt', { type: 'file', format: 'text', content: 'second' });
      expect(await lab.manager.contents.listCheckpoints('c.txt')).toEqual([checkpoint]);
      await lab.manager.contents.restoreCheckpoint('c.txt', checkpoint.id);
      expect((await lab.manager.contents.get('c.txt')).content).toBe('first');
      await lab.manager.contents.deleteCheckpoint('c.txt', checkpoint.id);
      expect(await lab.manager.contents.listCheckpoints('c.txt')).toEqual([]);
      await lab.manager.contents.delete('c.txt');
    });

    it('writes notebooks as nbformat does: lists of lines, keys in order, one space of indent', async () => {
      const content = {
        nbformat: 4,
        nbformat_minor: 5,
        metadata: {},
        cells: [
          {
            id: 'a',
            cell_type: 'code',
            source: 'one\ntwo',
            metadata: { trusted: true },
            execution_count: 1,
            outputs: [{ output_type: 'stream', name: 'stdout', text: 'x\ny\n' }],
          },
        ],
      };
      await lab.manager.contents.save('n.ipynb', { type: 'notebook', format: 'json', content });
      const text = readFileSync(join(lab.server.folder, 'n.ipynb'), 'utf8');
      expect(text.startsWith('{\n "cells": [\n  {\n   "cell_type": "code",')).toBe(true);
      const saved = JSON.parse(text);
      expect(saved.cells[0].source).toEqual(['one\n', 'two']);
      expect(saved.cells[0].outputs[0].text).toEqual(['x\n', 'y\n']);
      expect(saved.cells[0].metadata).toEqual({});
      const read = await lab.manager.contents.get('n.ipynb');
      expect(read.content.cells[0].source).toBe('one\ntwo');
      expect(read.content.cells[0].outputs[0].text).toBe('x\ny\n');
    });

    it('keeps the JSON of an output as it is, a list too', async () => {
      const data = {
        'application/json': ['one', 'two', { three: [3] }],
        'application/geo+json': ['a', 'b'],
        'image/png': 'aGVs\nbG8=\n',
      };
      const output = { output_type: 'display_data', metadata: {}, data };
      const cell = { cell_type: 'code', source: '', metadata: {}, execution_count: 1, outputs: [output] };
      const content = { nbformat: 4, nbformat_minor: 4, metadata: {}, cells: [cell] };
      await lab.manager.contents.save('json.ipynb', { type: 'notebook', format: 'json', content });
      const saved = JSON.parse(readFileSync(join(lab.server.folder, 'json.ipynb'), 'utf8'));
      expect(saved.cells[0].outputs[0].data).toEqual(data);
      const read = await lab.manager.contents.get('json.ipynb');
      expect(read.content.cells[0].outputs[0].data).toEqual(data);
      await lab.manager.contents.delete('json.ipynb');
    });

    it('trusts a notebook that was saved trusted, and no longer when it was changed elsewhere', async () => {
      const trusted = async () =>
        (await lab.manager.contents.get('n.ipynb')).content.cells[0].metadata.trusted as boolean;
      expect(await trusted()).toBe(true);
      const file = join(lab.server.folder, 'n.ipynb');
      writeFileSync(file, readFileSync(file, 'utf8').replace('x\\n', '<script>\\n'));
      expect(await trusted()).toBe(false);
      await lab.manager.contents.delete('n.ipynb');
    });

    it('takes a file in chunks and shows it only when complete', async () => {
      const part = (text: string) => Buffer.from(text).toString('base64');
      const save = (chunk: number, text: string) =>
        lab.manager.contents.save('big.bin', {
          type: 'file',
          format: 'base64',
          content: part(text),
          chunk,
        } as Partial<Contents.IModel>);
      await save(1, 'one ');
      await save(2, 'two ');
      expect((await lab.manager.contents.get('')).content).toEqual([]);
      await save(-1, 'three');
      expect(readFileSync(join(lab.server.folder, 'big.bin'), 'utf8')).toBe('one two three');
      await lab.manager.contents.delete('big.bin');
    });

    it('gives the hash by which two editors of one file notice each other', async () => {
      await lab.manager.contents.save('h.txt', { type: 'file', format: 'text', content: 'a' });
      const before = await lab.manager.contents.get('h.txt', { content: false, hash: true });
      expect(before.hash_algorithm).toBe('sha256');
      writeFileSync(join(lab.server.folder, 'h.txt'), 'b');
      const after = await lab.manager.contents.get('h.txt', { content: false, hash: true });
      expect(after.hash).not.toBe(before.hash);
      await lab.manager.contents.delete('h.txt');
    });

    it('reads a notebook that begins with a byte order mark', async () => {
      writeFileSync(
        join(lab.server.folder, 'marked.ipynb'),
        '\uFEFF{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}',
      );
      const { content } = await lab.manager.contents.get('marked.ipynb');
      expect(content).toMatchObject({ nbformat: 4, cells: [] });
      await lab.manager.contents.delete('marked.ipynb');
    });

    it('says which file is missing, and which is no notebook', async () => {
      await expect(lab.manager.contents.get('no.txt')).rejects.toThrow('No such file or directory: no.txt');
      writeFileSync(join(lab.server.folder, 'broken.ipynb'), '{"cells": [');
      await expect(lab.manager.contents.get('broken.ipynb')).rejects.toThrow(
        'Unreadable notebook: broken.ipynb',
      );
      const listing = await lab.manager.contents.get('');
      expect(listing.content.map((entry: Contents.IModel) => entry.name)).toEqual(['broken.ipynb']);
      await lab.manager.contents.delete('broken.ipynb');
    });
  });

  describe('kernels', () => {
    it('runs code and delivers output before it reports the end', async () => {
      const kernel = await lab.startKernel();
      const { reply, text, outputs } = await run(kernel, 'print hello\nprint world');
      expect(reply.content.status).toBe('ok');
      expect(text).toBe('hello\nworld\n');
      expect(outputs.at(-1)?.content).toEqual({ execution_state: 'idle' });
      await kernel.shutdown();
    });

    it('carries binary buffers both ways', async () => {
      const kernel = await lab.startKernel();
      const comm = kernel.createComm('test');
      const received = new Promise<KernelMessage.ICommMsgMsg>((resolve) => {
        comm.onMsg = resolve;
      });
      await comm.open({}).done;
      comm.send({ a: 1 }, {}, [new Uint8Array([1, 2, 3]).buffer]);
      const { content, buffers } = await received;
      expect(content.data).toEqual({ a: 1 });
      const first = buffers![0] as DataView;
      expect([...new Uint8Array(first.buffer, first.byteOffset, first.byteLength)]).toEqual([3, 2, 1]);
      await kernel.shutdown();
    });

    it.each(['echo', 'echo-signal'])('interrupts a running cell (%s)', async (name) => {
      const kernel = await lab.startKernel(name);
      const future = kernel.requestExecute({ code: 'sleep 60000' });
      await new Promise<void>((resolve) => {
        future.onIOPub = (message) => {
          if (message.header.msg_type === 'execute_input') resolve();
        };
      });
      await kernel.interrupt();
      expect((await future.done).content.status).toBe('error');
      await kernel.shutdown();
    });

    it('passes questions to the user and answers to the kernel', async () => {
      const kernel = await lab.startKernel();
      const future = kernel.requestExecute({ code: 'ask name?', allow_stdin: true });
      let text = '';
      future.onIOPub = (message) => {
        if (message.header.msg_type === 'stream') text += (message.content as { text: string }).text;
      };
      future.onStdin = (message) => {
        kernel.sendInputReply({ status: 'ok', value: 'Ada' }, message.parent_header as never);
      };
      await future.done;
      expect(text).toBe('Ada');
      await kernel.shutdown();
    });

    it('restarts under the same id, with a fresh state', async () => {
      const kernel = await lab.startKernel();
      await run(kernel, 'print a');
      const statuses: string[] = [];
      kernel.statusChanged.connect((_, status) => void statuses.push(status));
      await kernel.restart();
      await kernel.info;
      const { reply } = await run(kernel, 'print b');
      expect(reply.content.execution_count).toBe(1);
      expect(statuses).toContain('restarting');
      await kernel.shutdown();
    });
  });

  describe('sessions', () => {
    it('finds the same kernel for the same notebook, and follows a rename', async () => {
      const options = { path: 'deep/s.ipynb', name: 's.ipynb', type: 'notebook', kernel: { name: 'echo' } };
      const [first, second] = await Promise.all([
        lab.manager.sessions.startNew(options),
        lab.manager.sessions.startNew(options),
      ]);
      expect(second.id).toBe(first.id);
      expect(second.kernel?.id).toBe(first.kernel?.id);
      const kernel = first.kernel!.id;
      await first.setPath('deep/t.ipynb');
      expect((await lab.manager.sessions.findByPath('deep/t.ipynb'))?.id).toBe(first.id);
      await first.shutdown();
      second.dispose();
      expect(await services.SessionAPI.listRunning(lab.server.settings)).toEqual([]);
      // Other kernels may be left by tests that were tried again.
      const running = await services.KernelAPI.listRunning(lab.server.settings);
      expect(running.map(({ id }) => id)).not.toContain(kernel);
    });

    it('changes the kernel and ends the one before', async () => {
      const session = await lab.manager.sessions.startNew({
        path: 'u.ipynb',
        name: 'u.ipynb',
        type: 'notebook',
        kernel: { name: 'echo' },
      });
      const before = session.kernel!.id;
      await session.changeKernel({ name: 'echo-signal' });
      expect(session.kernel!.name).toBe('echo-signal');
      const running = await services.KernelAPI.listRunning(lab.server.settings);
      expect(running.map(({ id }) => id)).not.toContain(before);
      await session.shutdown();
    });

    it('refuses a kernel that is not installed with 501', async () => {
      const answer = await lab.server.fetch('/api/sessions', {
        method: 'POST',
        body: JSON.stringify({ path: 'v.ipynb', type: 'notebook', kernel: { name: 'cobol' } }),
      });
      expect(answer.status).toBe(501);
      expect(await answer.json()).toMatchObject({ message: 'No such kernel: cobol' });
    });

    it('starts a kernel in the folder of its notebook', async () => {
      mkdirSync(join(lab.server.folder, 'sub'), { recursive: true });
      const session = await lab.manager.sessions.startNew({
        path: 'sub/w.ipynb',
        name: 'w.ipynb',
        type: 'notebook',
        kernel: { name: 'echo' },
      });
      const pid = lab.server.lab.kernels.get(session.kernel!.id).pid!;
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toContain('JPY_SESSION_NAME=');
      await session.shutdown();
    });
  });

  it('keeps settings with their comments, and refuses what is no JSON5 or not of the type in the schema', async () => {
    const id = '@test/plugin:main';
    await lab.manager.settings.save(id, '// mine\n{ size: 3, }');
    const entry = await lab.manager.settings.fetch(id);
    expect(entry).toMatchObject({ id, version: '1.2.3', raw: '// mine\n{ size: 3, }' });
    const listed = await (await lab.server.fetch('/lab/api/settings')).json();
    expect(listed.settings).toHaveLength(1);
    expect(listed.settings[0].settings).toEqual({ size: 3 });
    const refused = await lab.server.fetch(`/lab/api/settings/${id}`, {
      method: 'PUT',
      body: JSON.stringify({ raw: '{' }),
    });
    expect(refused.status).toBe(400);
    expect((await refused.json()).message).toContain('not valid JSON5');
    const wrong = await lab.server.fetch(`/lab/api/settings/${id}`, {
      method: 'PUT',
      body: JSON.stringify({ raw: '{ size: "three" }' }),
    });
    expect(wrong.status).toBe(400);
    expect((await wrong.json()).message).toBe(`${id}: size must be number; nothing was changed`);
    expect((await lab.manager.settings.fetch(id)).raw).toBe('// mine\n{ size: 3, }');
  });

  it('keeps workspaces', async () => {
    const id = 'my layout/ä';
    await lab.manager.workspaces.save(id, { metadata: { id }, data: { a: 1 } });
    expect(await lab.manager.workspaces.fetch(id)).toMatchObject({ metadata: { id }, data: { a: 1 } });
    expect((await lab.manager.workspaces.list()).ids).toEqual([id]);
    await lab.manager.workspaces.remove(id);
    expect((await lab.manager.workspaces.list()).ids).toEqual([]);
  });

  it('keeps the workspaces of one folder from another, whose files they do not name', async () => {
    const { stateFolder, fetch: ask } = lab.server;
    const other = await startServer({ stateFolder });
    try {
      const path = '/lab/api/workspaces/default';
      const data = { 'docmanager:recents': { opened: [{ path: 'only-here.ipynb' }], closed: [] } };
      await ask(path, { method: 'PUT', body: JSON.stringify({ data, metadata: { id: 'default' } }) });
      expect((await (await ask(path)).json()).data).toEqual(data);
      expect((await (await other.fetch(path)).json()).data).toEqual({});
      expect((await (await other.fetch('/lab/api/workspaces')).json()).workspaces.ids).toEqual([]);
    } finally {
      await other.close();
    }
  });

  it('says who is logged in', async () => {
    const { identity } = await (await lab.server.fetch('/api/me')).json();
    expect(identity.username.length).toBeGreaterThan(0);
    expect(identity).toMatchObject({ avatar_url: null, color: null });
  });
});
