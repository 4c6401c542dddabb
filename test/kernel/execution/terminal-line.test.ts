import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TerminalLine } from '../../../kernel/src/execution/runtime/terminal-line.js';

/** What a notebook shows of a text: carriage returns go back, characters (of colour codes too) replace each other. */
function shown(text: string): string[] {
  const lines: string[] = [''];
  let at = 0;
  for (const character of text) {
    if (character === '\n') {
      lines.push('');
      at = 0;
    } else if (character === '\r') at = 0;
    else {
      const line = lines.at(-1)!;
      lines[lines.length - 1] = line.slice(0, at) + character + line.slice(at + 1);
      at++;
    }
  }
  return lines.map((line) => line.trimEnd());
}

function run(...chunks: string[]) {
  const events: string[] = [];
  const line = new TerminalLine({ clear: () => events.push('clear'), movesUp: () => events.push('up') });
  const parts = chunks.map((chunk) => line.translate(chunk));
  return { parts, text: shown(parts.join('')), events };
}

const E = '\x1b[';
const green = (text: string) => `${E}32m${text}${E}39m`;

describe('what programs write for a terminal', () => {
  it('passes when it is text with colours, unchanged', () => {
    const chunks = ['plain\n', green('good'), ' more\r', 'over\nx\n', `${E}1;38;5;208mbold${E}0m\n`];
    expect(run(...chunks).parts).toEqual(chunks);
  });

  it.each<[string, string[], string[]]>([
    ['a line that is erased and written again', ['long line', `${E}2K${E}1G`, 'short'], ['short']],
    ['the same from the beginning', ['long line', `${E}G${E}K`, 'short'], ['short']],
    ['the same with a line around it', ['a\n', 'long line', `${E}1G${E}0Kshort`, '\nb'], ['a', 'short', 'b']],
    ['characters that are replaced', ['0%  of 10', `${E}1G50%`], ['50% of 10']],
    ['a column', ['abcdef', `${E}3GX`], ['abXdef']],
    ['a column beyond the end', ['ab', `${E}5GX`], ['ab  X']],
    ['steps to the left and right', ['abcdef', `${E}4D1${E}2C2`], ['ab1de2']],
    ['the beginning of the line erased', ['abcdef', `${E}3D${E}1K`], ['    ef']],
    ['backspaces between', ['abc', `${E}1Gx\b\by`], ['ybc']],
    ['a hidden cursor', [`${E}?25l`, 'text', `${E}?25h`], ['text']],
    [
      'saved cursors, titles and links',
      ['\x1b7\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1b]8;;\x07\x1b8'],
      ['ab'],
    ],
    ['a sequence in two pieces', ['abc\x1b', '[1', 'Gx'], ['xbc']],
    ['emoji as one character', ['🦊🦊', `${E}1Gx`], ['x🦊']],
  ])('%s', (_, chunks, expected) => {
    expect(run(...chunks).text).toEqual(expected);
  });

  it('keeps the colours of a line that is written again', () => {
    const { text } = run(`${green('ok')} and ${E}31mred${E}39m`, `${E}4GOR `);
    expect(text).toEqual([`${E}32mok${E}0m OR  ${E}31mred${E}0m`]);
    expect(run(`${E}1m${E}31mx`, `${E}1G${E}22my`).text).toEqual([`${E}31my${E}0m`]);
  });

  it('writes nothing where nothing changes, and only what is added at the end', () => {
    expect(run('abc', `${E}?25l`, `${E}1G`, 'abc', 'd').parts).toEqual(['abc', '', '', '', 'd']);
  });

  it('clears the output when the screen is cleared', () => {
    for (const clear of [`${E}1;1H${E}0J`, `${E}H${E}2J`, '\x1bc', `${E}2J${E}3J`]) {
      const { parts, events } = run('before', `${clear}after\n`);
      expect(new Set(events)).toEqual(new Set(['clear']));
      expect(parts[1]).toBe('after\n');
    }
  });

  it('says when the cursor goes to lines above', () => {
    expect(run('one\ntwo\n', `${E}2Aone`).events).toEqual(['up']);
  });

  it('shows of any line what a terminal would, in whatever pieces it comes', () => {
    const operation = fc.oneof(
      fc.stringMatching(/^[a-z ]{1,6}$/).map((text) => ({ text })),
      fc.integer({ min: 1, max: 12 }).map((column) => ({ column })),
      fc.constantFrom(0, 1, 2).map((erase) => ({ erase })),
    );
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 12 }),
        fc.infiniteStream(fc.nat(5)),
        (operations, cuts) => {
          const cells: string[] = [];
          let at = 0;
          let written = '';
          for (const step of operations) {
            if ('text' in step) {
              written += step.text;
              for (const character of step.text) cells[at++] = character;
            } else if ('column' in step) {
              written += `${E}${step.column}G`;
              at = step.column - 1;
            } else {
              written += `${E}${step.erase}K`;
              if (step.erase === 0) cells.length = Math.min(cells.length, at);
              else if (step.erase === 2) cells.length = 0;
              else for (let i = 0; i <= at; i++) cells[i] = ' ';
            }
          }
          const chunks: string[] = [];
          for (let rest = written; rest !== ''; ) {
            const length = 1 + cuts.next().value;
            chunks.push(rest.slice(0, length));
            rest = rest.slice(length);
          }
          const expected = Array.from(cells, (character) => character ?? ' ')
            .join('')
            .trimEnd();
          expect(run(...chunks).text).toEqual([expected]);
        },
      ),
    );
  });
});
