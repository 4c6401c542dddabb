// @module-tag process
import { unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestKernel } from '../client.js';

let kernel: TestKernel;
const write = (name: string, text: string) => writeFileSync(join(kernel.directory, name), text);
const value = async (code: string) => {
  const { result, error } = await kernel.execute(code);
  expect(error).toBeUndefined();
  return result;
};

beforeAll(async () => {
  kernel = await TestKernel.start();
});
afterAll(() => kernel.stop());

describe('an edited file', () => {
  /** What each kind of file that depends on data.json says it holds. */
  const all =
    "import { n as module } from './module.mjs';\nimport { n as typescript } from './typescript.ts';\nimport common from './common.js';\n" +
    "import data from './data.json' with { type: 'json' };\n" +
    "JSON.stringify([require('./data.json').n, require('./direct.cjs').n, require('./indirect.cjs').n, common.n, module, typescript, data.n])";

  it('is loaded again by require and import, with everything that depends on it', async () => {
    write('data.json', '{ "n": 1 }');
    write('direct.cjs', "exports.n = require('./data.json').n;");
    write('indirect.cjs', "exports.n = require('./direct.cjs').n;");
    write('common.js', "module.exports = { n: require('./indirect.cjs').n };");
    write('module.mjs', "import common from './common.js';\nexport const n = common.n;");
    write('typescript.ts', "import { n as inner } from './module.mjs';\nexport const n: number = inner;");
    expect(await value(all)).toBe("'[1,1,1,1,1,1,1]'");
    write('data.json', '{ "n": 22 }');
    expect(await value(all)).toBe("'[22,22,22,22,22,22,22]'");
    write('direct.cjs', "exports.n = 100 + require('./data.json').n;");
    expect(await value(all)).toBe("'[22,122,122,122,122,122,22]'");
    write('indirect.cjs', "const { n } = require('./direct.cjs');\nexports.n = -n;");
    expect(await value(all)).toBe("'[22,122,-122,-122,-122,-122,22]'");
  });

  it('is loaded again by a function of an earlier cell too', async () => {
    write('late.cjs', 'module.exports = 1;');
    expect(await value("const late = () => require('./late.cjs'); late()")).toBe('1');
    write('late.cjs', 'module.exports = "two";');
    expect(await value('late()')).toBe("'two'");
  });

  it('is one module as long as it stays the same, and so are those that do not depend on it', async () => {
    write('state.cjs', 'exports.seen = 0;');
    write('other.cjs', "exports.state = require('./state.cjs');");
    expect(await value("require('./other.cjs').state.seen = 5; require('./state.cjs').seen")).toBe('5');
    write('unrelated.cjs', 'exports.a = 1;');
    expect(await value("require('./unrelated.cjs').a")).toBe('1');
    write('unrelated.cjs', 'exports.a = 22;');
    expect(await value("require('./unrelated.cjs').a + ' ' + require('./other.cjs').state.seen")).toBe(
      "'22 5'",
    );
  });

  it('that is gone is no longer found, and one that was broken is read again', async () => {
    write('gone.cjs', 'exports.a = 1;');
    expect(await value("require('./gone.cjs').a")).toBe('1');
    unlinkSync(join(kernel.directory, 'gone.cjs'));
    expect((await kernel.execute("require('./gone.cjs').a")).error?.evalue).toMatch(/Cannot find/);
    write('gone.cjs', 'exports.a = ;');
    expect((await kernel.execute("require('./gone.cjs').a")).error?.ename).toBe('SyntaxError');
    write('gone.cjs', 'exports.a = 3;');
    expect(await value("require('./gone.cjs').a")).toBe('3');
  });
});
