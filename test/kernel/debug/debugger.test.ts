// @module-tag process
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { murmur2 } from '../../../kernel/src/execution/cells/cell-file.js';
import { TestKernel } from '../client.js';
import { debug, event, files, kernel, scope, session, stack, values } from './support/session.js';

const adding = [
  'function add(first: number, second: number): number {',
  '  const sum = first + second;',
  '  return sum;',
  '}',
  'let total = 0;',
  'for (let i = 0; i < 2; i++) {',
  '  total += add(i, 10);',
  '}',
  'total',
].join('\n');

describe('what a front end learns first', () => {
  it('is how cells are named, so that breakpoints find them', async () => {
    const info = await debug('debugInfo');
    expect(info).toMatchObject({
      isStarted: false,
      hashMethod: 'Murmur2',
      richRendering: true,
      breakpoints: [],
      stoppedThreads: [],
    });
    const code = 'const a = "ä🦊"';
    const path = await session(code, []);
    expect(path).toBe(`${info.tmpFilePrefix}${murmur2(code, info.hashSeed)}${info.tmpFileSuffix}`);
    expect(readFileSync(path, 'utf8')).toBe(code);
    expect((await debug('debugInfo')).isStarted).toBe(true);
    expect((await debug('source', { source: { path } })).content).toBe(code);
  });

  it('lists breakpoints again after a reload of the page', async () => {
    files.set(await session(adding, [2]), true);
    const { breakpoints } = await debug('debugInfo');
    expect(breakpoints).toEqual([{ source: [...files.keys()][0], breakpoints: [{ line: 2 }] }]);
  });
});

describe('a breakpoint in a cell', () => {
  it('stops there, shows variables, steps out and goes on', async () => {
    files.set(await session(adding, [3]), true);
    const id = kernel.start(adding);
    expect(await event('stopped')).toMatchObject({ reason: 'breakpoint', threadId: 1 });
    expect((await debug('debugInfo')).stoppedThreads).toEqual([1]);
    expect(await stack()).toEqual([
      ['add', 3],
      ['<cell>', 7],
    ]);
    expect(values(await scope('Locals'))).toMatchObject({ first: '0', second: '10', sum: '10' });
    expect(values(await scope('Globals', 1))).toMatchObject({ total: '0' });

    await debug('stepOut', { threadId: 1 });
    expect((await event('stopped')).reason).toBe('step');
    // The calling statement ends with the return; the next one is the loop's `i++`.
    expect((await stack())[0]).toEqual(['<cell>', 6]);

    await debug('continue', { threadId: 1 });
    await event('stopped');
    expect(values(await scope('Locals'))).toMatchObject({ first: '1', sum: '11' });
    await debug('continue', { threadId: 1 });
    const run = await kernel.finished(id);
    expect(run.result).toBe('21');
  });

  it('steps over and into calls, line by line', async () => {
    files.set(await session(adding, [7]), true);
    const id = kernel.start(adding);
    await event('stopped');
    await debug('stepIn', { threadId: 1 });
    await event('stopped');
    expect((await stack())[0]).toEqual(['add', 2]);
    await debug('next', { threadId: 1 });
    await event('stopped');
    expect((await stack())[0]).toEqual(['add', 3]);
    await debug('setBreakpoints', { source: { path: [...files.keys()][0] }, breakpoints: [] });
    await debug('continue', { threadId: 1 });
    await event('continued');
    expect((await kernel.finished(id)).result).toBe('21');
  });

  it('may have a condition', async () => {
    files.set(await session(adding, [{ line: 3, condition: 'first === 1' }]), true);
    const id = kernel.start(adding);
    await event('stopped');
    expect(values(await scope('Locals'))).toMatchObject({ first: '1' });
    await debug('continue', { threadId: 1 });
    await kernel.finished(id);
  });

  it('stops where it is set in cells with top-level await and functions, and nowhere else', async () => {
    const code =
      'const one = await Promise.resolve(1);\nconst two = one + 1;\nfunction later() {\n  return two;\n}\nlater()';
    files.set(await session(code, [2]), true);
    const id = kernel.start(code);
    await event('stopped');
    expect((await stack())[0]![1]).toBe(2);
    expect(values(await scope('Globals'))).toMatchObject({ one: '1' });
    await debug('continue', { threadId: 1 });
    const run = await kernel.finished(id);
    expect(run.result).toBe('2');
    const stops = kernel.heard.filter(
      ({ type, content, parent }) =>
        type === 'debug_event' && content.event === 'stopped' && parent !== undefined,
    );
    expect(stops.slice(-1)[0]!.content.body.reason).toBe('breakpoint');
    expect((await debug('debugInfo')).stoppedThreads).toEqual([]);
  });

  it('keeps to the user’s lines where TypeScript was compiled', async () => {
    const code =
      'enum Colour {\n  Red,\n  Green,\n}\nfunction pick(colour: Colour) {\n  const name = Colour[colour];\n  return name;\n}\npick(Colour.Green)';
    files.set(await session(code, [7]), true);
    const id = kernel.start(code);
    await event('stopped');
    expect((await stack())[0]).toEqual(['pick', 7]);
    expect(values(await scope('Locals'))).toMatchObject({ colour: '1', name: '"Green"' });
    await debug('continue', { threadId: 1 });
    expect((await kernel.finished(id)).result).toBe("'Green'");
  });
});

describe('a session', () => {
  it('lets the program go when it ends', async () => {
    files.set(await session(adding, [3]), true);
    const id = kernel.start(adding);
    await event('stopped');
    await debug('disconnect', { restart: false });
    expect((await kernel.finished(id)).result).toBe('21');
    expect((await debug('debugInfo')).isStarted).toBe(false);
    expect((await kernel.execute(adding)).result).toBe('21');
  });

  it('answers what it does not know, or cannot do now, with a reason', async () => {
    await session('1', []);
    await expect(debug('teleport')).rejects.toThrow('the debugger has no command "teleport"');
    await expect(debug('next', { threadId: 1 })).rejects.toThrow('the program is running');
    await expect(debug('scopes', { frameId: 99 })).rejects.toThrow(/frame 99 is no longer there/);
    await expect(debug('source', { source: { path: '/etc/hostname' } })).rejects.toThrow(
      /no script was loaded/,
    );
    await expect(debug('setBreakpoints', {})).rejects.toThrow(/needs source.path/);
  });

  it('keeps its breakpoints when the runtime dies and is started again', async () => {
    files.set(await session(adding, [3]), true);
    process.kill(kernel.runtimePids()[0]!, 'SIGKILL');
    await expect.poll(async () => (await kernel.execute('1 + 1')).result, { timeout: 20_000 }).toBe('2');
    const id = kernel.start(adding);
    await event('stopped');
    expect((await stack())[0]).toEqual(['add', 3]);
    await debug('disconnect', {});
    expect((await kernel.finished(id)).result).toBe('21');
  });

  it('leaves no file behind when the kernel shuts down', async () => {
    const other = await TestKernel.start();
    const { content } = await other.request('control', 'debug_request', {
      type: 'request',
      seq: 1,
      command: 'dumpCell',
      arguments: { code: 'x' },
    });
    expect(existsSync(content.body.sourcePath)).toBe(true);
    await other.request('control', 'shutdown_request', { restart: false });
    await expect.poll(() => existsSync(content.body.sourcePath)).toBe(false);
    await other.stop();
  });
});
