// @module-tag process
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestKernel } from '../client.js';
import { isRunning, until } from '../waiting.js';

let kernel: TestKernel;
beforeAll(async () => {
  kernel = await TestKernel.start();
});
afterAll(() => kernel.stop());

const traceback = async (code: string) => (await kernel.execute(code)).error!.traceback.join('\n');

describe('errors', () => {
  it('are the last word of a cell, the same in the message and in the reply', async () => {
    const { messages, reply, error } = await kernel.execute('throw new TypeError("wrong shape")');
    expect(messages.map(({ type }) => type)).toEqual(['status', 'execute_input', 'error', 'status']);
    expect(error).toMatchObject({ ename: 'TypeError', evalue: 'wrong shape' });
    expect(reply).toMatchObject({ status: 'error', ...error });
  });

  it('show the cell’s own line with a caret, under the functions of other cells', async () => {
    await kernel.execute(
      'function deep(value: number): never {\n  const checked: number = value;\n  throw new RangeError(`no ${checked}`);\n}',
    );
    const text = await traceback('const before = 1;\ndeep(7)');
    expect(text).toContain('RangeError: no 7');
    expect(text).toMatch(/> {3}3 \| {3}throw new RangeError/);
    expect(text).toMatch(/\| +\^/);
    expect(text).toMatch(/at deep \(In\[\d+\]:3:9\)/);
    expect(text).toMatch(/at In\[\d+\]:2:1/);
    expect(text).not.toMatch(/node:|kernel\/lib|__fovea__|evalmachine/);
  });

  it('have exact columns where types, await and declarations were rewritten', async () => {
    expect(await traceback('const a: Array<number> = [], b = await missing.call(1)')).toContain(
      'line 1, column 40',
    );
    expect(await traceback('let c: string = "x"; class K<T> {}\nconst d = null as any; d.f')).toContain(
      'line 2, column 26',
    );
    expect(
      await traceback('enum E { A }\n\nfunction inner(): void {\n  undefinedName\n}\ninner()'),
    ).toContain('line 4, column 3');
  });

  it('show causes, the members of an AggregateError, and what an error carries', async () => {
    const text = await traceback(
      'throw new Error("outer", { cause: Object.assign(new TypeError("inner"), { code: "E_INNER" }) })',
    );
    expect(text).toContain('Caused by: TypeError: inner');
    expect(text).toContain("code: 'E_INNER'");
    const many = await traceback(
      'await Promise.any([Promise.reject(new Error("one")), Promise.reject(new Error("two"))])',
    );
    expect(many).toContain('[0] Error: one');
    expect(many).toContain('[1] Error: two');
  });

  it('show thrown values that are no errors', async () => {
    expect((await kernel.execute('throw "text"')).error).toMatchObject({ ename: 'Error', evalue: 'text' });
    expect((await kernel.execute('throw { a: 1 }')).error!.evalue).toBe('{ a: 1 }');
    expect((await kernel.execute('throw undefined')).error!.evalue).toBe('undefined');
    expect((await kernel.execute('throw null')).error!.evalue).toBe('null');
    expect((await kernel.execute('await Promise.reject(5)')).error!.evalue).toBe('5');
    expect(
      (
        await kernel.execute(
          'throw new Proxy({}, { get() { throw new Error("trap") }, has() { throw new Error("trap") } })',
        )
      ).error,
    ).toBeDefined();
    expect(
      (await kernel.execute('throw Object.defineProperty(new Error("m"), "stack", { get() { throw 1 } })'))
        .error!.evalue,
    ).toBe('m');
  });

  it('are shortened when their message is huge, and still say where they were thrown', async () => {
    for (const code of ['throw new Error("m".repeat(1e7))', 'throw "m".repeat(1e7)']) {
      const { error, reply } = await kernel.execute(code);
      expect(error!.evalue).toHaveLength(100_000 + '... 9900000 more characters'.length);
      expect(error!.traceback.join('\n').length).toBeLessThan(101_000);
      expect(reply.evalue).toBe(error!.evalue);
    }
    expect(await traceback('const one = 1;\nthrow new Error("m".repeat(1e6))')).toContain('line 2, column 7');
  });

  it('take no line of a message for a frame', async () => {
    const text = await traceback('throw new Error("one\\n    at elsewhere (file:///x.ts:1:1)\\nend")');
    expect(text.match(/^ +at elsewhere/gm)).toHaveLength(1);
  });

  it('name cells by their count where a cell prints them', async () => {
    const { stderr } = await kernel.execute(
      'function fails() { throw new Error("printed") }\ntry { fails() } catch (error) { console.error(error) }',
    );
    expect(stderr).toMatch(/^Error: printed\n {4}at fails \(In\[\d+\]:1:26\)\n {4}at In\[\d+\]:2:7\n$/);
  });

  it('name cells in the same way where an error is a result or is displayed', async () => {
    const { result } = await kernel.execute('function made() { return new Error("a value") }\nmade()');
    expect(result).toMatch(/^Error: a value\n {4}at made \(In\[\d+\]:1:26\)\n {4}at In\[\d+\]:2:1$/);
    const { displays } = await kernel.execute('display(made());');
    expect(displays[0]!.data['text/plain']).toMatch(
      /^Error: a value\n {4}at made \(In\[\d+\]:1:26\)\n {4}at In\[\d+\]:1:9$/,
    );
  });

  it('keep the brackets and commas that follow a stack', async () => {
    const withCode = await kernel.execute('console.log(Object.assign(new Error("coded"), { code: 1 }))');
    expect(withCode.stdout).toMatch(/^Error: coded\n {4}at In\[\d+\]:1:27 \{\n {2}code: 1\n\}\n$/);
    const list = await kernel.execute('[new Error("listed"), 1]');
    expect(list.result).toMatch(/^\[\n {2}Error: listed\n {6}at In\[\d+\]:1:2,\n {2}1\n\]$/);
    const caused = await kernel.execute('new Error("outer", { cause: new TypeError("inner") })');
    expect(caused.result).toMatch(
      /^Error: outer\n {4}at In\[\d+\]:1:1\n {4}\.\.\. lines matching cause stack trace \.\.\. \{\n {2}\[cause\]: TypeError: inner\n {6}at In\[\d+\]:1:29\n\}$/,
    );
  });

  it('point at the line that threw in a class of any name', async () => {
    for (const name of ['Session', 'Script', 'Trainer'])
      expect(
        await traceback(
          `{\n  class ${name} {\n    run() {\n      throw new Error("x");\n    }\n  }\n  new ${name}().run();\n}`,
        ),
      ).toContain('line 4, column 13');
  });

  it('name the line of a local file, which a module that fails as it loads has too', async () => {
    mkdirSync(join(kernel.directory, 'kernel', 'lib', 'execution'), { recursive: true });
    writeFileSync(
      join(kernel.directory, 'top.ts'),
      'export const a = 1;\n\nthrow new Error("at the top");\n',
    );
    const late = join('kernel', 'lib', 'execution', 'late.ts');
    writeFileSync(join(kernel.directory, late), 'export function late() {\n  return new Error("late");\n}\n');
    const top = await traceback('const one = 1;\nimport "./top.ts"');
    expect(top).toContain('line 2, column 1');
    expect(top).toMatch(/at file:\/\/\S*\/top\.ts:3:7$/m);
    expect(await traceback(`import { late } from "./${late}"\nthrow late()`)).toMatch(
      /at late \(file:\/\/\S*\/late\.ts:2:10\)$/m,
    );
    expect((await kernel.execute('console.log(late())')).stdout).toMatch(/\/late\.ts:2:10\)\n {4}at In\[/);
  });

  it('point at the place of a syntax error', async () => {
    const { error } = await kernel.execute('const ok = 1;\nlet x = }');
    expect(error).toMatchObject({ ename: 'SyntaxError' });
    expect(error!.traceback.join('\n')).toContain('line 2, column 9');
    expect((await kernel.execute('break')).error!.ename).toBe('SyntaxError');
    expect((await kernel.execute('return 1')).error!.ename).toBe('SyntaxError');
  });
});

describe('what happens outside of a cell', () => {
  it('reports unhandled rejections and throws in timers, and goes on', async () => {
    const id = kernel.start(
      'var alive = 1; Promise.reject(new Error("nobody caught")); setTimeout(() => { throw new Error("in a timer") }, 5); 0',
    );
    await kernel.finished(id);
    await kernel.wait(({ type, content }) => type === 'stream' && content.text.includes('nobody caught'));
    const late = await kernel.wait(
      ({ type, content }) => type === 'stream' && content.text.includes('in a timer'),
    );
    expect(late.content.name).toBe('stderr');
    expect((await kernel.execute('alive')).result).toBe('1');
  });

  it('answers process.exit() with an error and keeps the variables', async () => {
    await kernel.execute('var keep = 1');
    expect((await kernel.execute('process.exit(3)')).error).toMatchObject({ ename: 'ProcessExit' });
    expect((await kernel.execute('keep')).result).toBe('1');
  });

  it('starts a new runtime when the old one dies, and says so in the cell', async () => {
    for (const [code, reason] of [
      ['process.abort()', 'SIGABRT'],
      ['process.reallyExit(3)', 'exit code 3'],
      ['process.kill(process.pid, "SIGKILL"); await new Promise(() => {})', 'SIGKILL'],
    ]) {
      const { error } = await kernel.execute(code!);
      expect(error!.ename).toBe('RuntimeDied');
      expect(error!.evalue).toContain(reason);
      expect((await kernel.execute('1 + 1')).result).toBe('2');
    }
  });

  it('reports an out-of-memory kill as such', async () => {
    const own = await TestKernel.start({ environment: { FOVEA_RUNTIME_FLAGS: '--max-old-space-size=40' } });
    const { error } = await own.execute(
      'const all: unknown[] = []; while (true) all.push({ x: Array(100).fill(1) })',
      { ms: 40_000 },
    );
    expect(error!.ename).toBe('RuntimeDied');
    expect(error!.evalue).toContain('ran out of memory');
    expect((await own.execute('"alive"')).result).toBe("'alive'");
    await own.stop();
  });

  it('leaves no process behind when the runtime is replaced', async () => {
    const [before] = kernel.runtimePids();
    await kernel.execute('process.abort()');
    await until(() => !isRunning(before!));
    expect(kernel.runtimePids()).toHaveLength(1);
  });
});
