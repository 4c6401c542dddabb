// @module-tag process
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestKernel } from '../client.js';

let kernel: TestKernel;
beforeAll(async () => {
  kernel = await TestKernel.start({
    files: {
      // As data frames of nodejs-polars are: every property that is not its own is looked up as a column.
      'frame.mjs': `
class Frame {
  constructor(columns) { this.columns = columns; }
  toMimeBundle() { return { data: { 'text/html': '<table><th>' + Object.keys(this.columns) + '</th></table>' } }; }
}
const column = (frame, name) => {
  if (typeof name === 'symbol' || !(name in frame.columns)) throw new Error('no column ' + String(name));
  return frame.columns[name];
};
export const frame = (columns) => new Proxy(new Frame(columns), {
  get: (target, name, self) => name in target ? Reflect.get(target, name, self) : column(target, name),
  has: (target, name) => Boolean(column(target, name)),
  getOwnPropertyDescriptor: (target, name) => ({ value: column(target, name), configurable: true }),
});`,
    },
  });
  const { error } = await kernel.execute(
    `const hostile = new Proxy({}, Object.fromEntries(Object.getOwnPropertyNames(Reflect)
       .map((trap) => [trap, () => { throw new Error(trap); }])));
     const revoked = (target: object) => { const { proxy, revoke } = Proxy.revocable(target, {}); revoke(); return proxy; };
     const cyclic: any = { a: 1 }; cyclic.self = cyclic;`,
  );
  expect(error).toBeUndefined();
});
afterAll(() => kernel.stop());

/** The representations of the only thing that a cell shows. */
async function shown(code: string): Promise<Record<string, any>> {
  const { error, displays, reply } = await kernel.execute(code);
  expect(error).toBeUndefined();
  expect(reply.status).toBe('ok');
  expect(displays).toHaveLength(1);
  return displays[0]!.data;
}

/** Node 26 says of each proxy that it is one. */
const withoutProxies = (shown: string) => shown.replace(/Proxy\(((?:[^()]|\([^()]*\))*)\)/g, '$1');

const text = async (code: string): Promise<string> => (await shown(code))['text/plain'];

describe('a result that resists being looked at', () => {
  it.each([
    ['a proxy all of whose traps throw', 'hostile', '{}'],
    ['a list of such proxies', '[hostile, hostile]', '[ {}, {} ]'],
    ['a revoked proxy of an object', 'revoked({})', '<Revoked Proxy>'],
    ['a revoked proxy of a function', 'revoked(() => 1)', '<Revoked Proxy>'],
    ['a revoked proxy of a list', 'revoked([1])', '<Revoked Proxy>'],
    ['a proxy of bytes', 'new Proxy(new Uint8Array(2), {})', 'Uint8Array(2) [ 0, 0 ]'],
    ['a getter that throws', '({ get outerHTML() { throw 1; } })', '{ outerHTML: [Getter] }'],
    ['an inherited getter that throws', 'Object.create({ get toMimeBundle() { throw 1; } })', '{}'],
    ['a cycle', 'cyclic', '<ref *1> { a: 1, self: [Circular *1] }'],
  ])('%s is shown as text', async (_, code, expected) => {
    for (const cell of [code, `display(${code});`, `await 0; (${code})`])
      expect(withoutProxies(await text(cell))).toBe(expected);
  });

  it('is no promise only because it has a `then`', async () => {
    expect(await text('await 0; ({ then() { throw new Error("asked"); } })')).toBe(
      '{ then: [Function: then] }',
    );
    expect(await text('await 0; 1, Promise.resolve(7)')).toBe('7');
  });

  it('is shown by its own means where it has some', async () => {
    const data = await shown("import { frame } from './frame.mjs';\nconst f = frame({ a: [1], b: [2] });\nf");
    expect(data['text/html']).toBe('<table><th>a,b</th></table>');
  });

  it('is what `_` and `out` hold, and is listed by %who', async () => {
    const { reply } = await kernel.execute('hostile');
    expect((await kernel.execute(`_ === hostile && out[${reply.execution_count}] === hostile`)).result).toBe(
      'true',
    );
    expect((await kernel.execute('const odd = { constructor: { name: 5 } };')).error).toBeUndefined();
    expect((await kernel.execute('%who')).stdout).toMatch(/^hostile +Object +(?:Proxy\()?\{\}\)?$/m);
  });
});

describe('a display that fails', () => {
  it.each([
    ['toMimeBundle() { throw new Error("one\\ntwo"); }', 'Error: one'],
    ['async toMimeBundle() { throw new Error("late"); }', 'Error: late'],
    ['toMimeBundle() { throw null; }', 'null'],
    ['toMimeBundle() { throw hostile; }', 'an error that cannot be shown'],
    ['toMimeBundle() { return null; }', 'TypeError: it returned null, not a MIME bundle'],
    ['_toHtml() { throw new Error("no"); }', '_toHtml failed: Error: no'],
  ])('%s says so in one line under the text', async (method, problem) => {
    const lines = (await text(`({ a: 1, ${method} })`)).split('\n');
    expect(lines[0]).toMatch(/^\{ a: 1, \w+: \[/);
    expect(lines.slice(1)).toEqual([`[its display failed: ${problem}]`]);
  });

  it('leaves the value’s other displays', async () => {
    const data = await shown(
      '({ _toHtml() { throw new Error("no"); }, async _toSvg() { return "<svg/>"; }, _toPng() { return new Uint8Array(3); } })',
    );
    expect(data).toMatchObject({ 'image/svg+xml': '<svg/>', 'image/png': 'AAAA' });
    expect(data['text/plain']).toContain('[its display failed: _toHtml failed: Error: no]');
  });

  it('shows what can be sent of a bundle, and says what cannot', async () => {
    const data = await shown(
      `({ toMimeBundle() { return {
         'text/plain': 'plain', 'text/html': cyclic, 'application/json': { a: 1n }, 'image/svg+xml': ['<svg>', '</svg>'],
         'text/latex': {}, 'text/markdown': 42 }; } })`,
    );
    expect(data).toEqual({
      'text/plain':
        'plain\n[text/html is not shown: TypeError: Converting circular structure to JSON]\n' +
        '[application/json is not shown: TypeError: Do not know how to serialize a BigInt]\n' +
        '[text/latex is not shown: TypeError: it is an object, not text]',
      'image/svg+xml': '<svg></svg>',
      'text/markdown': '42',
    });
  });

  it('asks a value for its JSON once', async () => {
    const data = await shown(
      'var asked = 0;\n({ toMimeBundle: () => ({ "application/json": { toJSON() { if (asked++) throw 1; return 5; } } }) })',
    );
    expect(data['application/json']).toBe(5);
  });

  it('neither fails the cell as a raw bundle nor in a user expression', async () => {
    for (const raw of ['null', 'hostile', '{ get "text/plain"() { throw 1; } }']) {
      expect(await text(`display(${raw}, { raw: true });`)).toMatch(/^\[the display is not shown: /);
    }
    const { reply } = await kernel.execute('0;', {
      content: { user_expressions: { x: 'hostile', y: '({ toMimeBundle: () => ({ "a/json": 1n }) })' } },
    });
    expect(withoutProxies(reply.user_expressions.x.data['text/plain'])).toBe('{}');
    expect(reply.user_expressions.y.status).toBe('ok');
  });

  it('says what an inspection of the value’s own does wrong, and shows the value without it', async () => {
    expect(
      await text('({ a: 1, [Symbol.for("nodejs.util.inspect.custom")]() { throw new Error("x"); } })'),
    ).toMatch(/^\{\n? *a: 1,[\s\S]*\}\n\[its inspection failed: Error: x\]$/);
    expect(
      await text('Object.defineProperty(new Error("m"), "stack", { get() { throw new Error("x"); } })'),
      // From Node 22 on, inspection does without the stack.
    ).toMatch(
      /^(?:\[Error: m\]|\[Object: null prototype\] \{ stack: \[Getter\], message: 'm' \}\n\[its inspection failed: Error: x\])$/,
    );
  });
});

describe('a huge result', () => {
  it('is cut, and what is left out is said', async () => {
    expect(await text('"x".repeat(5_000_000)')).toMatch(/^'x{100000}'\.\.\. 4900000 more characters$/);
    const object = await text('Object.fromEntries(Array.from({ length: 300_000 }, (_, i) => ["k" + i, i]))');
    expect(object).toMatch(/^\{\n {2}k0: 0,/);
    expect(object).toMatch(/\n… 299,000 more properties$/);
    expect(await text('let deep: any = 1; for (let i = 0; i < 1e5; i++) deep = [deep]; deep')).toContain(
      '[Array]',
    );
  });
});
