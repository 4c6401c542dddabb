// @module-tag process
import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { TestKernel } from '../client.js';
import { sleep } from '../waiting.js';

const entry = fileURLToPath(new URL('../../../kernel/bin/fovea.js', import.meta.url));

let kernel: TestKernel;
beforeAll(async () => {
  kernel = await TestKernel.start();
});
afterAll(() => kernel.stop());

/** Sends frames that must be ignored: the log says why, and the kernel still answers. */
async function ignored(frames: (string | Uint8Array)[], reason: RegExp): Promise<void> {
  kernel.log.length = 0;
  await kernel.sendFrames('shell', frames);
  const { result } = await kernel.execute('"alive"');
  expect(result).toBe("'alive'");
  expect(kernel.log.join('')).toMatch(reason);
}

describe('hostile messages', () => {
  const request = { code: 'globalThis.pwned = 1', silent: false };

  it('with a wrong signature are ignored', async () => {
    const { frames } = kernel.frames('execute_request', request);
    frames[1] = '0'.repeat(64);
    await ignored(frames, /signature does not match/);
    frames[1] = 'short';
    await ignored(frames, /signature does not match/);
    frames[1] = '';
    await ignored(frames, /signature does not match/);
    expect((await kernel.execute('typeof pwned')).result).toBe("'undefined'");
  });

  it('sent twice are carried out once', async () => {
    await kernel.execute('var times = 0');
    const { id, frames } = kernel.frames('execute_request', { code: '++times' });
    await kernel.sendFrames('shell', frames);
    await kernel.finished(id);
    await ignored(frames, /replayed/);
    expect((await kernel.execute('times')).result).toBe('1');
  });

  it('that are not JSON, or not objects, are ignored', async () => {
    for (const parts of [
      ['{', '{}', '{}', '{}'],
      ['{"msg_id":"1","msg_type":"x"}', '{}', '{}', 'nonsense'],
      ['[]', '{}', '{}', '{}'],
      ['null', '{}', '{}', '{}'],
      ['{"msg_id":"1","msg_type":"x"}', '{}', '{}', '5'],
    ]) {
      await ignored(['<IDS|MSG>', kernel.sign(parts), ...parts], /is not (?:JSON|a JSON object)/);
    }
    const parts = ['{"msg_type":"kernel_info_request"}', '{}', '{}', '{}'];
    await ignored(['<IDS|MSG>', kernel.sign(parts), ...parts], /has no msg_id/);
  });

  it('with the wrong number of frames are ignored', async () => {
    await ignored(['<IDS|MSG>'], /0 frames after the delimiter/);
    await ignored(['<IDS|MSG>', 'a', '{}'], /2 frames after the delimiter/);
    await ignored(['no delimiter', 'at all'], /no <IDS\|MSG> delimiter/);
    await ignored([''], /no <IDS\|MSG> delimiter/);
  });

  it('of unknown type are ignored', async () => {
    await ignored(kernel.frames('make_coffee_request', {}).frames, /unknown type "make_coffee_request"/);
    await ignored(kernel.frames('__proto__', {}).frames, /unknown type/);
    await ignored(kernel.frames('constructor', {}).frames, /unknown type/);
  });

  it('with contents of the wrong kinds are answered', async () => {
    expect((await kernel.execute(5 as never)).reply.status).toBe('ok');
    const ask = async (type: string, content: unknown) =>
      (await kernel.request('shell', type, content)).content.status;
    expect(await ask('complete_request', { code: null, cursor_pos: 'x' })).toBe('ok');
    expect(await ask('inspect_request', {})).toBe('ok');
    expect(await ask('is_complete_request', { code: {} })).toBe('complete');
    expect(await ask('history_request', { hist_access_type: 9, n: 'many', pattern: [] })).toBe('ok');
    expect((await kernel.execute('1', { content: { user_expressions: 'none' } })).reply.status).toBe('ok');
    expect((await kernel.request('control', 'debug_request', { nonsense: true })).type).toBe('debug_reply');
  });
});

describe('hostile cells', () => {
  it('of 100 MB are refused with a clear message', async () => {
    const { error } = await kernel.execute(`"${'x'.repeat(100_000_000)}"`, { ms: 50_000 });
    expect(error!.ename).toBe('RangeError');
    expect(error!.evalue).toContain('8,000,000 are accepted');
    expect((await kernel.execute('1')).result).toBe('1');
  });

  it('nested or recursing beyond the stack are errors', async () => {
    expect((await kernel.execute('(function f(): any { return f() })()')).error!.ename).toBe('RangeError');
    expect((await kernel.execute(`${'['.repeat(200_000)}${']'.repeat(200_000)}`)).error!.ename).toBe(
      'SyntaxError',
    );
    expect(
      (await kernel.execute(`let x: number = ${'('.repeat(100_000)}1${')'.repeat(100_000)}`)).error!.ename,
    ).toBe('SyntaxError');
    const sum = await kernel.execute(`${'1+'.repeat(3000)}1`);
    expect(sum.result).toBe('3001');
    await kernel.execute(`${'1+'.repeat(300_000)}1`);
    expect((await kernel.execute('let ok: number = 1; ok')).result).toBe('1');
  });
});

describe('a connection file', () => {
  const start = (path: string) =>
    spawnSync(process.execPath, [entry, 'kernel', '-f', path], { encoding: 'utf8', timeout: 20_000 });
  const folder = temporaryFolder('fk-');

  it('that is missing, unreadable or wrong ends the kernel with one clear line', () => {
    const cases: [string, RegExp][] = [
      [join(folder, 'absent.json'), /cannot read the connection file .*absent\.json: ENOENT/],
    ];
    const write = (name: string, text: string, reason: RegExp) => {
      const path = join(folder, name);
      writeFileSync(path, text);
      cases.push([path, reason]);
    };
    const valid = { shell_port: 1, iopub_port: 2, stdin_port: 3, control_port: 4, hb_port: 5, key: 'k' };
    write('text.json', 'hello', /is not JSON/);
    write('list.json', '[]', /does not hold a JSON object/);
    write('port.json', JSON.stringify({ ...valid, shell_port: 'x' }), /shell_port = "x"; an integer/);
    write(
      'transport.json',
      JSON.stringify({ ...valid, transport: 'pigeon' }),
      /transport "pigeon"; tcp and ipc/,
    );
    write(
      'scheme.json',
      JSON.stringify({ ...valid, signature_scheme: 'hmac-rot13' }),
      /hmac-rot13 is not supported/,
    );
    write(
      'address.json',
      JSON.stringify({ ...valid, ip: '203.0.113.1' }),
      /cannot bind the \w+ channel to tcp:\/\/203\.0\.113\.1/,
    );
    for (const [path, reason] of cases) {
      const { status, stderr } = start(path);
      expect(stderr).toMatch(reason);
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect(status).toBe(1);
    }
  });

  it.skipIf(process.getuid?.() === 0)('without read permission (needs a user other than root)', () => {
    const path = join(folder, 'secret.json');
    writeFileSync(path, '{}');
    chmodSync(path, 0o000);
    expect(start(path).stderr).toMatch(/EACCES/);
  });

  it('is required', () => {
    const { status, stderr } = spawnSync(process.execPath, [entry, 'kernel'], { encoding: 'utf8' });
    expect(status).not.toBe(0);
    expect(stderr).toContain('--connection-file');
  });
});

describe('a stalled reader', () => {
  it('of iopub does not stop the kernel', async () => {
    const { Subscriber } = await import('zeromq');
    const stalled = new Subscriber({ linger: 0, receiveHighWaterMark: 10 });
    stalled.connect(TestKernel.address(kernel.connection, 'iopub'));
    stalled.subscribe();
    await sleep(100);
    expect(
      (await kernel.execute('for (let i = 0; i < 3000; i++) console.log("x".repeat(500)); 1', { ms: 40_000 }))
        .result,
    ).toBe('1');
    stalled.close();
  });
});
