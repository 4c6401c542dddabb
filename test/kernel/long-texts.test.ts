import { describe, expect, it } from 'vitest';
import { valueText } from '../../kernel/src/debug/values.js';
import { cellFilePrefix } from '../../kernel/src/execution/cells/cell-file.js';
import { compileCell } from '../../kernel/src/execution/cells/compile.js';
import { completeMagic } from '../../kernel/src/execution/cells/magic-completion.js';
import { tidyStacks } from '../../kernel/src/execution/host/traceback.js';
import { withoutVersion } from '../../kernel/src/execution/module-version.js';
import { importsOf } from '../../kernel/src/execution/runtime/modules/resolve.js';
import { matchesGlob } from '../../kernel/src/glob.js';
import { wordAt } from '../../kernel/src/language/complete.js';
import { runStart } from '../../kernel/src/language/text.js';

const LONG = 200_000;
/** What grew with the square of the length, or worse, took minutes. */
const LIMIT_MS = 15_000;

/** The host of a kernel answers nothing meanwhile, not even an interrupt. */
describe('texts of any length are read in time by their length:', () => {
  const code = 'const a = 0;';
  it.each<[string, () => unknown]>([
    ['the word before the cursor', () => wordAt(`${'a'.repeat(LONG)} + `, LONG + 3)],
    ['comments behind statements', () => resultOf(`enum A { b }\n1;\n${'/* note */ '.repeat(LONG / 10)}2`)],
    ['blank lines', () => resultOf(`enum A { b }\n${'\n'.repeat(LONG)}A.b`)],
    ['semicolons in a comment', () => resultOf(`enum A { b }\n1 ${'//;'.repeat(LONG / 10)}\nA.b`)],
    ['what a file imports', () => importsOf(`import${' '.repeat(LONG)}x`)],
    ['a magic’s argument', () => completeMagic(`%${'0'.repeat(LONG)}\u2028x`)],
    [
      'frames of a stack',
      () => tidyStacks(`E\n    at ${'/'.repeat(LONG)} (${cellFilePrefix}:1:2)`, new Map()),
    ],
    ['versions of files in a stack', () => withoutVersion(`at ${'?v=a&'.repeat(LONG / 5)} (x`)],
    ['values in the debugger', () => valueText({ type: 'string', value: ' '.repeat(LONG) })],
    ['patterns for earlier cells', () => matchesGlob(code.repeat(LONG / 100), `${'*a'.repeat(20)}*!`)],
  ])('%s', async (_, read) => {
    const before = performance.now();
    await read();
    expect(performance.now() - before).toBeLessThan(LIMIT_MS);
  });
});

async function resultOf(source: string): Promise<boolean> {
  return (await compileCell(source, { cell: 1 })).program.hasResult;
}

describe('a cell that a compiler prints again', () => {
  it.each([
    ['1', true],
    ['1;', false],
    ['1; // done', false],
    ['1; /* a */ /* b */\n// c\n', false],
    ['1; /* a */ 2', true],
    ['1; // a\n2 // b', true],
    ['1; /* ; */\n\n', false],
  ])('shows the value of %j: %s', async (source, shown) => {
    expect(await resultOf(`enum A { b }\n${source}`)).toBe(shown);
  });
});

describe('a line of a stack', () => {
  it.each([
    ['at f (file:///a/b.ts?v=1x:2:3)', 'at f (file:///a/b.ts:2:3)'],
    ['at file:///a/b.ts?v=1x:2:3', 'at file:///a/b.ts:2:3'],
    ['at f (file:///a/b.ts?v=1x&raw&y:2:3)', 'at f (file:///a/b.ts?raw&y:2:3)'],
    ['at f (file:///a/b.ts?v=1x&:2:3)', 'at f (file:///a/b.ts:2:3)'],
    ['at f (file:///a?v=X?v=1:2:3)', 'at f (file:///a?v=X:2:3)'],
    ['at f (file:///a?v=1 (file:///b:2:3)', 'at f (file:///a?v=1 (file:///b:2:3)'],
    ['at f (file:///a/b.ts?v=1x)', 'at f (file:///a/b.ts?v=1x)'],
  ])('%j without versions is %j', (line, shown) => {
    expect(withoutVersion(line)).toBe(shown);
  });
});

describe('a pattern', () => {
  it.each([
    ['', '', true],
    ['', '*', true],
    ['abc', 'a*c', true],
    ['abc', 'a?c', true],
    ['abc', 'ab', false],
    ['abc', '*b', false],
    ['abcbc', 'a*bc', true],
    ['aab', '*ab*', true],
    ['a\nb', 'a*b', true],
    ['a.b', 'a.b', true],
    ['axb', 'a.b', false],
    ['a', '??', false],
    ['abc', '***c', true],
  ])('of %j: %s %s', (text, pattern, fits) => {
    expect(matchesGlob(text, pattern)).toBe(fits);
  });
});

describe('the run of characters before an index', () => {
  const name = /[\p{ID_Continue}$]/u;
  it.each([
    ['a.b', 3, 2],
    ['a.', 2, 2],
    ['ab', 2, 0],
    ['', 0, 0],
    ['+𝒳y', 4, 1],
    ['+😀', 3, 3],
  ])('of %j at %d begins at %d', (text, end, start) => {
    expect(runStart(text, end, name)).toBe(start);
  });
});
