import { existsSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { murmur2 } from '../../../kernel/src/execution/cells/cellFile.js';
import { TestKernel } from '../client.js';

type Body = Record<string, any>;

let kernel: TestKernel;
let seq = 1;

beforeAll(async () => {
  kernel = await TestKernel.start({
    files: {
      'helper.ts':
        'export function twice(n: number): number {\n  const doubled = n * 2;\n  return doubled;\n}\n',
    },
  });
});

afterAll(() => kernel.stop());

/** Sends a request of the debug protocol; a failed one throws its message. */
async function debug(command: string, parameters: Record<string, unknown> = {}): Promise<Body> {
  const { content } = await kernel.request('control', 'debug_request', {
    type: 'request',
    seq: seq++,
    command,
    arguments: parameters,
  });
  if (!content.success) throw new Error(content.message);
  return content.body;
}

let eventsSeen = 0;

/** The next debug event of this name. */
async function event(name: string): Promise<Body> {
  let found: Body | undefined;
  await expect
    .poll(
      () => {
        const events = kernel.heard
          .filter(({ type }) => type === 'debug_event')
          .map(({ content }) => content);
        const at = events.findIndex((one, index) => index >= eventsSeen && one.event === name);
        if (at >= 0) {
          found = events[at];
          eventsSeen = at + 1;
        }
        return at >= 0;
      },
      { timeout: 15_000, interval: 10 },
    )
    .toBe(true);
  return found!.body;
}

/** Starts a session; breakpoints are lines of the cell, from 1. */
async function session(
  code: string,
  lines: readonly (number | { line: number; condition: string })[],
): Promise<string> {
  await debug('initialize', { adapterID: 'test', linesStartAt1: true });
  await debug('attach');
  const { sourcePath } = await debug('dumpCell', { code });
  const breakpoints = lines.map((line) => (typeof line === 'number' ? { line } : line));
  const answer = await debug('setBreakpoints', {
    source: { path: sourcePath },
    breakpoints,
    sourceModified: false,
  });
  expect(
    answer.breakpoints.map((one: { verified: boolean; line: number }) => [one.verified, one.line]),
  ).toEqual(breakpoints.map(({ line }) => [true, line]));
  await debug('configurationDone');
  eventsSeen = kernel.heard.filter(({ type }) => type === 'debug_event').length;
  return sourcePath;
}

afterEach(async () => {
  for (const [path] of files) await debug('setBreakpoints', { source: { path }, breakpoints: [] });
  files.clear();
  await debug('setExceptionBreakpoints', { filters: [] });
  await debug('disconnect', { restart: false, terminateDebuggee: false });
});

/** Files that a test has set breakpoints in. */
const files = new Map<string, true>();

/** Where the program stands: function and line, from the innermost. */
async function stack(): Promise<[string, number][]> {
  const { stackFrames } = await debug('stackTrace', { threadId: 1 });
  return stackFrames.map((frame: { name: string; line: number }) => [frame.name, frame.line]);
}

async function scope(name: string, frame = 0): Promise<Body[]> {
  const { stackFrames } = await debug('stackTrace', { threadId: 1 });
  const { scopes } = await debug('scopes', { frameId: stackFrames[frame].id });
  const found = scopes.find((one: { name: string }) => one.name === name);
  if (!found) throw new Error(`no scope ${name} among ${scopes.map((one: { name: string }) => one.name)}`);
  return (await debug('variables', { variablesReference: found.variablesReference })).variables;
}

const values = (variables: Body[]) => Object.fromEntries(variables.map(({ name, value }) => [name, value]));

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

describe('what can be seen while it stands', () => {
  const code = [
    'function look() {',
    '  const list = Array.from({ length: 250 }, (_, i) => i);',
    '  const pair = new Map([["a", { deep: [1, 2] }]]);',
    '  const thing = { text: "x", get computed() { throw new Error("ran"); }, nothing: null, big: 10n };',
    '  class Dog { name = "Rex" }',
    '  const dog = new Dog();',
    '  return [list, pair, thing, dog];',
    '}',
    'look().length',
  ].join('\n');

  it('is every value by its parts, without running any code', async () => {
    files.set(await session(code, [7]), true);
    const id = kernel.start(code);
    await event('stopped');
    const locals = await scope('Locals');
    const local = (name: string) => locals.find((one) => one.name === name)!;
    const parts = async (variable: Body) =>
      (await debug('variables', { variablesReference: variable.variablesReference })).variables;
    expect(local('dog')).toMatchObject({ value: 'Dog {name: "Rex"}', type: 'Dog' });
    expect(values(await parts(local('thing')))).toMatchObject({
      text: '"x"',
      computed: '(…)',
      nothing: 'null',
      big: '10n',
    });
    const pieces = await parts(local('list'));
    expect(pieces.map((piece: { name: string }) => piece.name)).toEqual([
      '[0 … 99]',
      '[100 … 199]',
      '[200 … 249]',
    ]);
    expect((await parts(pieces[2])).at(-1)).toMatchObject({ name: '249', value: '249' });
    const entries = (await parts(local('pair'))).find((one: { name: string }) => one.name === 'entries');
    expect((await parts(entries))[0].value).toContain('a');
    await debug('continue', { threadId: 1 });
    expect((await kernel.finished(id)).result).toBe('4');
    await expect(debug('variables', { variablesReference: pieces[0].variablesReference })).rejects.toThrow(
      /gone on/,
    );
  });

  it('is any expression, and variables can be kept for the cells to come', async () => {
    files.set(await session(code, [7]), true);
    const id = kernel.start(code);
    await event('stopped');
    const { stackFrames } = await debug('stackTrace', { threadId: 1 });
    const frameId = stackFrames[0].id;
    expect(await debug('evaluate', { expression: 'list.length + thing.text', frameId })).toMatchObject({
      result: '"250x"',
      type: 'string',
    });
    await expect(debug('evaluate', { expression: 'thing.computed', frameId })).rejects.toThrow(/Error: ran/);
    await debug('copyToGlobals', { srcVariableName: 'dog', dstVariableName: 'kept', srcFrameId: frameId });
    await expect(
      debug('copyToGlobals', { srcVariableName: 'dog', dstVariableName: 'a; evil()', srcFrameId: frameId }),
    ).rejects.toThrow(/names are accepted/);
    expect(
      (await debug('richInspectVariables', { variableName: 'dog', frameId })).data['text/plain'],
    ).toContain("name: 'Rex'");
    await debug('continue', { threadId: 1 });
    await kernel.finished(id);
    expect((await kernel.execute('kept.name')).result).toBe("'Rex'");
  });
});

describe('without stopping', () => {
  it('the variables of cells can be looked at, also while a cell runs', async () => {
    await session('1', []);
    await kernel.execute('const shown = { rows: [1, 2] }; let counted = 0; const html5 = "x";');
    const { variables } = await debug('inspectVariables');
    expect(values(variables)).toMatchObject({ shown: '{rows: Array(2)}', counted: '0' });
    expect(variables.map((one: { name: string }) => one.name)).not.toContain('setTimeout');
    const rich = await debug('richInspectVariables', { variableName: 'shown' });
    expect(rich.data['text/plain']).toBe('{ rows: [ 1, 2 ] }');
    const id = kernel.start('while (true) counted++;');
    await expect
      .poll(async () => Number(values((await debug('inspectVariables')).variables).counted))
      .toBeGreaterThan(0);
    await kernel.interrupt();
    await kernel.finished(id);
  });

  it('JupyterLab is told values alone, since its tree would show types in their place', async () => {
    await session('1', []);
    await debug('initialize', { clientID: 'jupyterlab', adapterID: 'test' });
    await kernel.execute('const told = 42;');
    const { variables } = await debug('inspectVariables');
    expect(variables.find((one: Body) => one.name === 'told')).toEqual({
      name: 'told',
      value: '42',
      variablesReference: 0,
      evaluateName: 'told',
    });
    await debug('initialize', { adapterID: 'test' });
  });

  it('a running cell can be paused, looked at and interrupted', async () => {
    await session('1', []);
    const id = kernel.start('let turns = 0;\nwhile (true) {\n  turns++;\n}');
    await expect
      .poll(async () => Number(values((await debug('inspectVariables')).variables).turns))
      .toBeGreaterThan(0);
    await debug('pause', { threadId: 1 });
    expect((await event('stopped')).reason).toBe('pause');
    expect((await stack())[0]![0]).toBe('<cell>');
    await kernel.interrupt();
    expect((await kernel.finished(id)).error?.ename).toBe('KeyboardInterrupt');
    expect(Number((await kernel.execute('turns')).result)).toBeGreaterThan(0);
  });
});

describe('exceptions', () => {
  const code = [
    'function risky(n: number) {',
    '  if (n > 1) throw new RangeError("too much: " + n);',
    '  return n;',
    '}',
    'try {',
    '  risky(2);',
    '} catch {}',
    'risky(3);',
  ].join('\n');

  it('stop the program where nothing of the user’s catches them', async () => {
    files.set(await session(code, []), true);
    await debug('setExceptionBreakpoints', { filters: ['uncaught'] });
    const id = kernel.start(code);
    expect(await event('stopped')).toMatchObject({ reason: 'exception', text: 'RangeError: too much: 3' });
    expect(await stack()).toEqual([
      ['risky', 2],
      ['<cell>', 8],
    ]);
    expect(await debug('exceptionInfo', { threadId: 1 })).toMatchObject({
      exceptionId: 'RangeError',
      breakMode: 'unhandled',
    });
    await debug('continue', { threadId: 1 });
    expect((await kernel.finished(id)).error).toMatchObject({ ename: 'RangeError', evalue: 'too much: 3' });
  });

  it('or wherever they are thrown, if asked for', async () => {
    files.set(await session(code, []), true);
    await debug('setExceptionBreakpoints', { filters: ['raised'] });
    const id = kernel.start(code);
    for (const text of ['RangeError: too much: 2', 'RangeError: too much: 3']) {
      expect(await event('stopped')).toMatchObject({ text });
      await debug('continue', { threadId: 1 });
    }
    await kernel.finished(id);
  });
});

describe('local files', () => {
  it('can be stepped into and hold breakpoints', async () => {
    const code = "import { twice } from './helper.ts';\ntwice(21)";
    await session(code, []);
    const path = `${kernel.directory}/helper.ts`;
    files.set(path, true);
    await debug('setBreakpoints', { source: { path }, breakpoints: [{ line: 3 }] });
    const id = kernel.start(code);
    await event('stopped');
    expect((await stack())[0]).toEqual(['twice', 3]);
    expect(values(await scope('Locals'))).toMatchObject({ n: '21', doubled: '42' });
    const { modules } = await debug('modules');
    expect(
      modules.map((one: Body) => one.path).filter((one: string) => !one.startsWith('/tmp/fovea_')),
    ).toEqual([path]);
    expect((await debug('source', { source: { path } })).content).toContain('export function twice');
    await debug('continue', { threadId: 1 });
    expect((await kernel.finished(id)).result).toBe('42');
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
