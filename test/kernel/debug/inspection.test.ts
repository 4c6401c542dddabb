// @module-tag process
import { describe, expect, it } from 'vitest';
import { type Body, debug, event, files, kernel, scope, session, stack, values } from './support/session.js';

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

  it('shows what cells declare, and not what the kernel keeps beside it', async () => {
    await session('1', []);
    await kernel.execute("globalThis[Symbol('kept')] = 1; const named = 2;");
    const { variables } = await debug('inspectVariables');
    const names = variables.map((one: { name: string }) => one.name);
    expect(names).toContain('named');
    expect(names.filter((name: string) => name.startsWith('Symbol('))).toEqual([]);
  });

  it('gives JupyterLab values alone, since its tree would show types in their place', async () => {
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
