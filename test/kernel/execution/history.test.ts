import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { History } from '../../../kernel/src/execution/host/history.js';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fovea-history-'));
  file = join(folder, 'history.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true }));

const tail = (history: History, n = 100) => history.answer({ hist_access_type: 'tail', n });
const codes = (history: History) => tail(history).map(([, , code]) => code);

describe('the history of a folder', () => {
  it('keeps the cells of kernels that run at the same time, each in a session of its own', () => {
    const [first, second] = [new History(file), new History(file)];
    first.add(1, 'a1');
    second.add(1, 'b1');
    first.setOutput(1, 'of a1');
    second.setOutput(1, 'of b1');
    first.flush();
    second.flush();
    first.add(2, 'a2');
    first.flush();
    expect(tail(first)).toEqual([
      [1, 1, 'a1'],
      [1, 2, 'a2'],
    ]);

    const third = new History(file);
    expect(tail(third)).toEqual([
      [1, 1, 'a1'],
      [2, 1, 'b1'],
      [1, 2, 'a2'],
    ]);
    const outputs = third.answer({ hist_access_type: 'range', session: 2, output: true });
    expect(outputs).toEqual([[2, 1, ['b1', 'of b1']]]);
    third.add(1, 'c1');
    expect(third.answer({ hist_access_type: 'range', session: 0 })).toEqual([[3, 1, 'c1']]);
  });

  it('loses nothing but the line that a killed kernel was writing', () => {
    const killed = new History(file);
    killed.add(1, 'whole');
    killed.flush();
    appendFileSync(file, '{"s":1,"n":2,"c":"ha');
    const next = new History(file);
    next.add(1, 'behind it');
    next.flush();
    expect(codes(new History(file))).toEqual(['whole', 'behind it']);
  });

  it('reads what earlier versions wrote, and passes over what is none', () => {
    writeFileSync(
      file,
      '{"s":4,"n":1,"c":"old"}\n{"s":4,"n":1,"o":"4"}\n[]\nnull\n{"n":3,"c":"no session"}\n',
    );
    const history = new History(file);
    expect(history.answer({ output: true })).toEqual([[4, 1, ['old', '4']]]);
    history.add(1, 'new');
    expect(tail(history).at(-1)).toEqual([5, 1, 'new']);
  });

  it('is made shorter at once, and a kernel that runs meanwhile goes on', () => {
    const running = new History(file);
    const lines = Array.from({ length: 10_001 }, (_, n) =>
      JSON.stringify({ s: 1, k: 'k', n, c: `cell ${n}` }),
    );
    writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
    new History(file);
    expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(5001);
    expect(readdirSync(folder)).toEqual(['history.jsonl']);
    running.add(1, 'meanwhile');
    running.flush();
    expect(codes(new History(file)).slice(-2)).toEqual(['cell 10000', 'meanwhile']);
  });

  it('works in a session that cannot write it', () => {
    const history = new History('/dev/null/history.jsonl');
    history.add(1, 'a');
    history.flush();
    history.add(2, 'b');
    history.flush();
    expect(codes(history)).toEqual(['a', 'b']);
  });
});
