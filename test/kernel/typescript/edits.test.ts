import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Editor } from '../../../kernel/src/typescript/edits.js';

describe('edits of a text', () => {
  it('are applied in order of position, whatever order they were made in', () => {
    const editor = new Editor('const a = f(b);');
    editor.insert(15, '/*end*/', 'close');
    editor.replace(12, 13, 'longer');
    editor.insert(0, 'export ', 'open');
    expect(editor.apply()).toBe('export const a = f(longer);/*end*/');
  });

  it('at one place close inner brackets before outer ones, and open outer ones first', () => {
    const editor = new Editor('ab');
    editor.insert(1, '{', 'open-statement');
    editor.insert(1, '(', 'open');
    editor.insert(1, '}', 'close-statement');
    editor.insert(1, ')', 'close');
    expect(editor.apply()).toBe('a)}{(b');
  });

  it('blank out without moving what follows, over line breaks too', () => {
    const editor = new Editor('a: number;\nb');
    editor.blank(1, 10);
    expect(editor.apply()).toBe('a         \nb');
    const removed = new Editor('import x\nfrom "y"; z');
    removed.remove(0, 18);
    expect(removed.apply()).toBe(`;       \n${' '.repeat(9)} z`);
  });

  it('can be left out of a plain text that keeps every place', () => {
    const editor = new Editor('x += 1');
    editor.insert(0, 'guard(', 'open', 'blank');
    editor.replace(0, 1, 'y');
    editor.insert(6, ')', 'close', 'blank');
    expect(editor.apply()).toBe('guard(y += 1)');
    expect(editor.apply(0, 6, { plain: true })).toBe('      y += 1 ');
  });

  it('apply to a part, with or without what is inserted at its ends', () => {
    const editor = new Editor('f(x)');
    editor.insert(2, '[', 'open');
    editor.insert(3, ']', 'close');
    expect(editor.apply(2, 3)).toBe('[x]');
    expect(editor.apply(2, 3, { ends: false })).toBe('x');
  });

  it('lead from every place that they leave to where it is afterwards, and back (seeded)', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.nat(19), fc.string({ minLength: 1, maxLength: 5, unit: fc.constantFrom('#', '%') })),
          {
            maxLength: 6,
          },
        ),
        (insertions) => {
          const text = 'abcdefghi\nklmnopqrst';
          const editor = new Editor(text);
          for (const [at, inserted] of insertions) editor.insert(at, inserted, 'open');
          const lines = editor.apply().split('\n');
          for (let offset = 0; offset < text.length; offset++) {
            if (text[offset] === '\n') continue;
            const place = editor.place(offset);
            const after = editor.edited(place);
            expect(lines[after.line]![after.column]).toBe(text[offset]);
            expect(editor.original(after)).toEqual(place);
          }
        },
      ),
      { seed: 5, numRuns: 300 },
    );
  });
});
