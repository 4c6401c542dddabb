import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openString, wordAt } from '../../../kernel/src/language/complete.js';
import { codePointOffset, Lines, utf16Offset } from '../../../kernel/src/language/text.js';

describe('offsets', () => {
  it('count code points as Jupyter does, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const characters = [...text];
        for (let i = 0; i <= characters.length; i++) {
          const index = utf16Offset(text, i);
          expect(index).toBe(characters.slice(0, i).join('').length);
          expect(codePointOffset(text, index)).toBe(i);
        }
      }),
    );
  });

  it('beyond the text are its end', () => {
    expect(utf16Offset('🦊', 5)).toBe(2);
    expect(new Lines('a\nb').indexAt({ line: 7, character: 1 })).toBe(3);
  });

  it('become line and character and back, for every kind of line end', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', '🦊', '\n', '\r\n', '\r')), (pieces) => {
        const text = pieces.join('');
        const lines = new Lines(text);
        expect(lines.count).toBe(text.split(/\r\n|\n|\r/).length);
        for (let index = 0; index <= text.length; index++) {
          expect(lines.indexAt(lines.positionAt(index))).toBe(index);
        }
      }),
    );
  });
});

describe('the word in front of the cursor', () => {
  it.each([
    ['Math.sq', 'sq', false],
    ['this.#priv', '#priv', false],
    ['größe', 'größe', false],
    ['f(', '', false],
    ["import x from './fo", './fo', true],
    ['a["ke', 'ke', true],
    ["'it\\'s ok' + wo", 'wo', false],
    ['"closed" // "not open', 'open', false],
    ['/* "comment */ wo', 'wo', false],
    [`\`template $\{wo`, 'wo', false],
    [`\`template $\{ {a: "x"} } "inside`, 'inside', false],
  ] as const)('of %s is %s', (code, typed, inString) => {
    expect(wordAt(code, code.length)).toMatchObject({ typed, inString });
  });

  it('is found in any text, and an open string begins inside it', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const opened = openString(text);
        if (opened !== undefined) expect(text[opened - 1]).toMatch(/["']/);
        expect(wordAt(text, text.length).typed.length).toBeLessThanOrEqual(text.length);
      }),
    );
  });
});
