// @module-tag process
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestKernel } from '../client.js';
import { isRunning, sleep, until } from '../waiting.js';

let kernel: TestKernel;
beforeAll(async () => {
  kernel = await TestKernel.start();
});
afterAll(() => kernel.stop());

describe('requests', () => {
  it('answers kernel_info on shell and control alike', async () => {
    for (const channel of ['shell', 'control'] as const) {
      const { type, content } = await kernel.request(channel, 'kernel_info_request');
      expect(type).toBe('kernel_info_reply');
      expect(content).toMatchObject({
        status: 'ok',
        protocol_version: '5.5',
        implementation: 'fovea',
        language_info: {
          name: 'typescript',
          file_extension: '.ts',
          mimetype: 'text/x.typescript',
          codemirror_mode: 'typescript',
        },
      });
      expect(content.supported_features).toEqual(expect.arrayContaining(['debugger', 'kernel subshells']));
    }
  });

  it('welcomes every new subscriber on iopub', async () => {
    const welcome = await kernel.wait(({ type }) => type === 'iopub_welcome');
    expect(welcome.content).toEqual({ subscription: '' });
    expect(welcome.parent).toEqual({});
  });

  it('publishes busy, execute_input, output, result, idle, in that order, and replies', async () => {
    const { messages, reply } = await kernel.execute('console.log("one"); 1 + 2');
    expect(messages.map(({ type, content }) => (type === 'status' ? content.execution_state : type))).toEqual(
      ['busy', 'execute_input', 'stream', 'execute_result', 'idle'],
    );
    expect(reply).toMatchObject({ status: 'ok', payload: [], user_expressions: {} });
    expect(messages[1]!.content.execution_count).toBe(reply.execution_count);
  });

  it('does not count, show or remember silent cells', async () => {
    const { reply: before } = await kernel.execute('1');
    const { messages } = await kernel.execute('var quiet = 5; quiet', { content: { silent: true } });
    expect(messages.map(({ type }) => type)).toEqual(['status', 'status']);
    const { reply: after, result } = await kernel.execute('quiet');
    expect(result).toBe('5');
    expect(after.execution_count).toBe(before.execution_count + 1);
  });

  it('runs without counting when store_history is false', async () => {
    const { reply: before } = await kernel.execute('1');
    const { result, reply } = await kernel.execute('40 + 2', { content: { store_history: false } });
    expect(result).toBe('42');
    expect(reply.execution_count).toBe(before.execution_count);
    const { content } = await kernel.request('shell', 'history_request', {
      hist_access_type: 'search',
      pattern: '40 + 2',
    });
    expect(content.history).toEqual([]);
  });

  it('evaluates user_expressions after the cell, each with its own error', async () => {
    const { reply } = await kernel.execute('var base = 20', {
      content: { user_expressions: { sum: 'base + 1', broken: 'nothing.here', text: '`${base}`' } },
    });
    expect(reply.user_expressions.sum).toMatchObject({ status: 'ok', data: { 'text/plain': '21' } });
    expect(reply.user_expressions.text).toMatchObject({ status: 'ok', data: { 'text/plain': "'20'" } });
    expect(reply.user_expressions.broken).toMatchObject({ status: 'error', ename: 'ReferenceError' });
  });

  it('aborts the cells that wait behind an error, and only those', async () => {
    const ids = [
      'await new Promise((r) => setTimeout(r, 100)); throw new Error("first")',
      'var ran = true',
      '2',
    ].map((code) => kernel.start(code));
    const [first, second, third] = await Promise.all(ids.map((id) => kernel.finished(id)));
    expect(first!.reply.status).toBe('error');
    expect(second!.reply.status).toBe('aborted');
    expect(third!.reply.status).toBe('aborted');
    expect((await kernel.execute('typeof ran')).result).toBe("'undefined'");
  });

  it('goes on behind an error when stop_on_error is false', async () => {
    const failing = kernel.start('throw new Error("never mind")', { content: { stop_on_error: false } });
    const next = kernel.start('"went on"');
    expect((await kernel.finished(failing)).reply.status).toBe('error');
    expect((await kernel.finished(next)).result).toBe("'went on'");
  });

  it('answers is_complete for finished, unfinished and wrong code', async () => {
    const status = async (code: string) =>
      (await kernel.request('shell', 'is_complete_request', { code })).content.status;
    for (const code of [
      '1',
      'const a = 1',
      'function f(x: number) { return x }',
      'for (const x of [1]) { x }',
      'enum E { A }',
      '%time 1',
      'type T = { a: string }',
      '@d class A {}',
    ]) {
      expect([code, await status(code)]).toEqual([code, 'complete']);
    }
    for (const code of [
      'function f() {',
      'let t = `open',
      '[1, 2,',
      'if (true) {',
      'interface A {',
      'foo(',
      'const x =',
      'a +',
      '/* open',
    ]) {
      expect([code, await status(code)]).toEqual([code, 'incomplete']);
    }
    for (const code of ['const const = 1', ')', 'let x = }', '"open', 'function (', 'let 1x']) {
      expect([code, ['invalid', 'incomplete'].includes(await status(code))]).toEqual([code, true]);
    }
    for (const code of ['const const = 1', ')', 'let x = }', '"open', 'let 1x']) {
      expect([code, await status(code)]).toEqual([code, 'invalid']);
    }
  });

  it('answers other requests at once while a cell spins, and says that it is still busy', async () => {
    const cell = kernel.start('var end = Date.now() + 1500; while (Date.now() < end);');
    await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === cell);
    const { content } = await kernel.request('shell', 'is_complete_request', { code: '1' });
    expect(content.status).toBe('complete');
    expect((await kernel.request('control', 'kernel_info_request')).content.status).toBe('ok');
    expect(await kernel.heartbeat()).toBe('ping');
    await sleep(50);
    const states = kernel.heard.filter(({ type }) => type === 'status');
    expect(states.at(-1)!.content.execution_state).toBe('busy');
    expect(states.at(-1)!.parent.msg_id).toBe(cell);
    expect((await kernel.finished(cell)).reply.status).toBe('ok');
  });

  it('completes and inspects by the types of cells that ran, with offsets in code points', async () => {
    await kernel.execute('const square = (side: number): number => side * side');
    const code = '/* 🎈 */ squ';
    const { content } = await kernel.request('shell', 'complete_request', {
      code,
      cursor_pos: [...code].length,
    });
    expect(content).toMatchObject({ status: 'ok', cursor_start: 8, cursor_end: 11 });
    expect(content.matches[0]).toBe('square');
    expect(content.metadata).toBeDefined();
    const inspected = await kernel.request('shell', 'inspect_request', {
      code: 'square',
      cursor_pos: 3,
      detail_level: 0,
    });
    expect(inspected.content).toMatchObject({ status: 'ok', found: true });
    expect(inspected.content.data['text/plain']).toContain('(side: number)');
    const missing = await kernel.request('shell', 'inspect_request', {
      code: 'nowhere',
      cursor_pos: 3,
      detail_level: 0,
    });
    expect(missing.content).toMatchObject({ status: 'ok', found: false, data: {} });
  });

  it('completes magics, where they can stand', async () => {
    const complete = async (code: string) =>
      (await kernel.request('shell', 'complete_request', { code, cursor_pos: [...code].length })).content;
    expect(await complete('%l')).toMatchObject({
      matches: ['%load', '%lsmagic'],
      cursor_start: 0,
      cursor_end: 2,
    });
    expect((await complete('%')).matches).toEqual(
      expect.arrayContaining(['%time', '%npm', '%%bash', '%%time']),
    );
    expect((await complete('// 🎈\n%time\n%')).matches).not.toContain('%%bash');
    expect(await complete('// 🎈\n%ti')).toMatchObject({
      matches: ['%time'],
      cursor_start: 5,
      cursor_end: 8,
    });
    expect((await complete('%strict o')).matches).toEqual(['on', 'off']);
    expect((await complete('%npm install ')).matches).toEqual([]);
    expect((await complete('%time Math.sq')).matches[0]).toBe('sqrt');
    expect((await complete('const n = 7\n%Math.sq')).matches[0]).toBe('sqrt');
  });

  it('completes the file that %load is given', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fovea-load-'));
    try {
      writeFileSync(join(folder, '🎈 cell.ts'), '');
      const code = `%load ${folder}/🎈`;
      const { content } = await kernel.request('shell', 'complete_request', {
        code,
        cursor_pos: [...code].length,
      });
      expect(content).toMatchObject({
        matches: [`${folder}/🎈 cell.ts`],
        cursor_start: '%load '.length,
        cursor_end: [...code].length,
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('completes the keys of living objects, also while a cell waits', async () => {
    await kernel.execute('var living: any = JSON.parse(\'{"depthwise": 1}\')');
    const cell = kernel.start('await new Promise(() => {})');
    await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === cell);
    const { content } = await kernel.request('shell', 'complete_request', {
      code: 'living.dep',
      cursor_pos: 10,
    });
    expect(content.matches).toContain('depthwise');
    await kernel.interrupt();
    await kernel.finished(cell);
  });

  it('shows help in the pager for ?name', async () => {
    const { reply } = await kernel.execute('?Math.sqrt');
    expect(reply.payload[0]).toMatchObject({ source: 'page', start: 0 });
    expect(reply.payload[0].data['text/plain']).toContain('sqrt');
  });

  it('offers subshells, in which cells run while another one waits', async () => {
    const { content } = await kernel.request('control', 'create_subshell_request');
    expect(content.status).toBe('ok');
    const id = content.subshell_id;
    expect((await kernel.request('control', 'list_subshell_request')).content.subshell_id).toEqual([id]);
    const waiting = kernel.start(
      'var order: string[] = []; while (order.length === 0) await new Promise((r) => setTimeout(r, 10)); order.push("main"); order.join()',
    );
    await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === waiting);
    await sleep(100);
    const beside = await kernel.execute('order.push("sub"); order.length', { header: { subshell_id: id } });
    expect(beside.result).toBe('1');
    expect((await kernel.finished(waiting)).result).toBe("'sub,main'");
    expect(
      (await kernel.request('control', 'delete_subshell_request', { subshell_id: id })).content.status,
    ).toBe('ok');
    const gone = await kernel.request('control', 'delete_subshell_request', { subshell_id: id });
    expect(gone.content).toMatchObject({ status: 'error' });
  });
});

describe('the status, while a cell runs', () => {
  it('is busy whatever is answered beside it: comms, in a subshell too, completion, and cells elsewhere', async () => {
    const id = (await kernel.request('control', 'create_subshell_request')).content.subshell_id;
    const running = kernel.start(
      'var gate = { open: false }; while (!gate.open) await new Promise((r) => setTimeout(r, 10)); "done"',
    );
    await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === running);
    const from = kernel.heard.length;
    const comm = { comm_id: 'c', target_name: 'nobody', data: {} };
    kernel.send('shell', 'comm_open', comm, { header: { subshell_id: id } });
    kernel.send('shell', 'comm_msg', { comm_id: 'c', data: {} }, { header: { subshell_id: id } });
    await kernel.request('shell', 'complete_request', { code: 'Mat', cursor_pos: 3 });
    await kernel.execute('1', { header: { subshell_id: id } });
    await sleep(100);
    const isStatus = ({ type }: { type: string }) => type === 'status';
    const beside = kernel.heard.slice(from).filter(isStatus);
    const idle = beside.filter(({ content }) => content.execution_state === 'idle');
    expect(new Set(idle.map(({ parent }) => parent.msg_type))).toEqual(
      new Set(['comm_open', 'comm_msg', 'complete_request', 'execute_request']),
    );
    for (const one of idle) {
      const next = beside[beside.indexOf(one) + 1]!;
      expect(next.content.execution_state).toBe('busy');
    }
    await kernel.execute('gate.open = true', { header: { subshell_id: id } });
    expect((await kernel.finished(running)).result).toBe("'done'");
    await expect.poll(() => kernel.heard.filter(isStatus).at(-1)!.content.execution_state).toBe('idle');
    await kernel.request('control', 'delete_subshell_request', { subshell_id: id });
  });
});

describe('history', () => {
  it('gives the tail, a range and a search, with outputs when asked', async () => {
    const { reply } = await kernel.execute('100 + 23');
    const line = reply.execution_count;
    const ask = async (content: object) =>
      (await kernel.request('shell', 'history_request', content)).content.history;
    const tail = await ask({ hist_access_type: 'tail', n: 1, raw: true, output: false });
    expect(tail).toEqual([[expect.any(Number), line, '100 + 23']]);
    expect(await ask({ hist_access_type: 'tail', n: 1, output: true })).toEqual([
      [tail[0][0], line, ['100 + 23', '123']],
    ]);
    expect(await ask({ hist_access_type: 'range', session: 0, start: line, stop: line + 1 })).toEqual(tail);
    expect(await ask({ hist_access_type: 'search', pattern: '100 ? 2*', n: 5 })).toEqual(tail);
    await kernel.execute('100 + 23');
    expect(await ask({ hist_access_type: 'search', pattern: '100*', unique: true })).toHaveLength(1);
  });

  it('is kept for the next session of the same notebook folder', async () => {
    const file = `${kernel.directory}/kept.jsonl`;
    const first = await TestKernel.start({ environment: { FOVEA_HISTORY: file } });
    await first.execute('"from the first session"');
    await first.stop();
    const second = await TestKernel.start({ environment: { FOVEA_HISTORY: file } });
    const { content } = await second.request('shell', 'history_request', {
      hist_access_type: 'tail',
      n: 5,
      output: true,
    });
    expect(content.history).toEqual([[1, 1, ['"from the first session"', "'from the first session'"]]]);
    const range = await second.request('shell', 'history_request', {
      hist_access_type: 'range',
      session: -1,
      start: 1,
      stop: 2,
    });
    expect(range.content.history).toHaveLength(1);
    await second.stop();
  });
});

describe('shutdown', () => {
  it('replies, and ends both processes', async () => {
    const own = await TestKernel.start();
    await own.execute('1');
    const [runtime] = own.runtimePids();
    const ended = new Promise((resolve) => own.child.once('exit', resolve));
    const { content } = await own.request('control', 'shutdown_request', { restart: true });
    expect(content).toEqual({ status: 'ok', restart: true });
    expect(await ended).toBe(0);
    await until(() => !isRunning(runtime!));
    await own.stop();
  });

  it('ends the runtime when the host is killed, even while a cell spins', async () => {
    const own = await TestKernel.start();
    const cell = own.start('while (true) {}');
    await own.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === cell);
    const [runtime] = own.runtimePids();
    await sleep(200);
    await own.stop();
    await until(() => !isRunning(runtime!));
  });

  it('ends when the parent process named by JPY_PARENT_PID has ended', async () => {
    const { spawn } = await import('node:child_process');
    const parent = spawn('sleep', ['60']);
    const own = await TestKernel.start({ environment: { JPY_PARENT_PID: String(parent.pid) } });
    const ended = new Promise((resolve) => own.child.once('exit', () => resolve(true)));
    parent.kill('SIGKILL');
    expect(await ended).toBe(true);
    await own.stop();
  });
});
