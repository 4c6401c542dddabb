import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
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

/** As many cells as make a file full. */
function fill(name: string): void {
  const lines = Array.from({ length: 10_001 }, (_, n) =>
    JSON.stringify({ s: 1, k: name, n, c: `${name} ${n}` }),
  );
  appendFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
}

/**
 * Does something with a history in another process.
 * @param heldAt a function of the file system whose first call waits in the middle: with the file open, or before it is
 *   renamed. The process makes the file `held` then, and goes on when there is one named `go`.
 * @returns its exit code
 */
async function runs(work: string, heldAt?: 'appendFileSync' | 'renameSync'): Promise<number> {
  const lib = new URL('../../../kernel/lib/execution/host/history.js', import.meta.url).href;
  const program = `
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const { appendFileSync, closeSync, existsSync, openSync, renameSync, writeFileSync, writeSync } = fs;
    const wait = () => {
      fs.appendFileSync = appendFileSync;
      fs.renameSync = renameSync;
      syncBuiltinESMExports();
      writeFileSync(${JSON.stringify(join(folder, 'held'))}, '');
      const clock = new Int32Array(new SharedArrayBuffer(4));
      while (!existsSync(${JSON.stringify(join(folder, 'go'))})) Atomics.wait(clock, 0, 0, 5);
    };
    const held = {
      appendFileSync: (path, text) => {
        const file = openSync(path, 'a');
        wait();
        writeSync(file, text);
        closeSync(file);
      },
      renameSync: (from, to) => {
        wait();
        renameSync(from, to);
      },
    };
    const { History } = await import(${JSON.stringify(lib)});
    const at = ${JSON.stringify(heldAt ?? null)};
    if (at) fs[at] = held[at];
    syncBuiltinESMExports();
    const history = new History(${JSON.stringify(file)});
    ${work}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
  const [code] = await once(child, 'close');
  return code;
}

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
    third.flush();
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
    history.flush();
  });

  it('keeps what a kernel writes behind a line that another one was killed in', () => {
    const running = new History(file);
    running.add(1, 'before');
    running.flush();
    appendFileSync(file, '{"s":7,"k":"killed","n":1,"c":"say {\\"s\\":1');
    running.add(2, 'say {"s":2}');
    running.flush();
    expect(codes(new History(file))).toEqual(['before', 'say {"s":2}']);
  });

  it('becomes the earlier part of a new file when it is full, and a kernel that runs meanwhile goes on', async () => {
    const running = new History(file);
    fill('first');
    const kernels = [new History(file), new History(file)];
    await Promise.all(kernels.map((kernel) => kernel.shorten()));
    expect(readdirSync(folder)).toEqual(['history.jsonl.1']);
    running.add(1, 'meanwhile');
    running.flush();
    await running.shorten();
    expect(codes(new History(file)).slice(-2)).toEqual(['first 10000', 'meanwhile']);
    expect(tail(new History(file), 1e6)).toHaveLength(10_002);
    // The part before makes room with the next one.
    fill('second');
    await new History(file).shorten();
    expect(readdirSync(folder)).toEqual(['history.jsonl.1']);
    expect(codes(new History(file)).slice(-2)).toEqual(['second 9999', 'second 10000']);
    expect(tail(new History(file), 1e6)).toHaveLength(10_002);
    expect(statSync(`${file}.1`).mode & 0o777).toBe(0o600);
  });

  it('is shortened behind a link, which stays one', async () => {
    const linked = join(folder, 'elsewhere');
    mkdirSync(linked);
    symlinkSync(join(linked, 'real.jsonl'), file);
    fill('cell');
    await new History(file).shorten();
    const next = new History(file);
    next.add(1, 'behind it');
    next.flush();
    expect(readdirSync(linked)).toEqual(['real.jsonl']);
    expect(codes(new History(file)).slice(-2)).toEqual(['cell 10000', 'behind it']);
  });

  it.each(['before it is renamed', 'while it has the file open'])(
    'loses no line that another process appends %s',
    async (when) => {
      fill('cell');
      const isWriterHeld = when.startsWith('while');
      const shortens = `await history.shorten()`;
      const writes = `for (let n = 1; n <= 50; n++) { history.add(n, 'other ' + n); history.flush(); }`;
      const held = runs(isWriterHeld ? writes : shortens, isWriterHeld ? 'appendFileSync' : 'renameSync');
      await expect.poll(() => existsSync(join(folder, 'held')), { timeout: 60_000 }).toBe(true);
      expect(await runs(isWriterHeld ? shortens : writes)).toBe(0);
      writeFileSync(join(folder, 'go'), '');
      expect(await held).toBe(0);
      expect(existsSync(`${file}.1`)).toBe(true);
      const expected = Array.from({ length: 50 }, (_, at) => `other ${at + 1}`);
      expect(codes(new History(file)).slice(-50)).toEqual(expected);
      expect(tail(new History(file), 1e6)).toHaveLength(10_051);
    },
    180_000,
  );

  it('keeps what the disk refused once it takes it, and says so once', () => {
    const log: string[] = [];
    const history = new History(file, (line) => void log.push(line));
    mkdirSync(file);
    for (const n of [1, 2]) {
      history.add(n, `cell ${n}`);
      history.flush();
    }
    rmSync(file, { recursive: true });
    history.add(3, 'cell 3');
    history.flush();
    expect(codes(new History(file))).toEqual(['cell 1', 'cell 2', 'cell 3']);
    expect(log).toEqual([
      expect.stringMatching(/^cells are not kept in the history until it can be written: EISDIR/),
    ]);
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
