// @module-tag process
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestKernel } from '../client.js';
import { sleep } from '../waiting.js';

let kernel: TestKernel;
beforeAll(async () => {
  kernel = await TestKernel.start();
});
afterAll(() => kernel.stop());

const result = async (code: string) => (await kernel.execute(code)).result;

/** Interrupts a cell that does not end by itself. */
async function interrupted(code: string) {
  const cell = kernel.start(code);
  await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === cell);
  await sleep(200);
  await kernel.interrupt();
  return kernel.finished(cell);
}

describe('a loop at the top of a cell', () => {
  it('leaves its variables as it made them, for later cells and for functions of earlier ones', async () => {
    await kernel.execute('let sum = 0; const read = () => sum');
    expect(await result('for (let i = 0; i < 1000; i++) sum += i * 0.5;\n[sum, read()]')).toBe(
      '[ 249750, 249750 ]',
    );
    expect(await result('for (let i = 0; i < 3; i++) { sum -= 1; read() }\n[sum, read()]')).toBe(
      '[ 249747, 249747 ]',
    );
  });

  it('loses nothing to an interrupt', async () => {
    const { error } = await interrupted(
      'let total = 0.25, turns = 0\nwhile (true) { total += 0.5; turns++ }',
    );
    expect(error?.ename).toBe('KeyboardInterrupt');
    expect(await result('turns > 1000 && Math.abs(total - 0.25 - turns / 2) < 1')).toBe('true');
    await kernel.execute('await null; let later = 0.5; for (let i = 0; i < 10; i++) later += 0.5');
    expect(await result('later')).toBe('5.5');
  });

  it('nor in a cell with top-level await', async () => {
    await interrupted('await null; let waited = 0.5\nfor (;;) waited += 0.5');
    expect(await result('waited > 1000')).toBe('true');
  });

  it('loses nothing to an error, which names its line', async () => {
    const { error } = await kernel.execute(
      'let steps = 0, text = ""\nfor (;;) {\n  steps += 0.5; text += "x"\n  if (steps > 4) null![0]\n}',
    );
    expect(error?.ename).toBe('TypeError');
    expect(error?.traceback.join('\n')).toContain('line 4');
    expect(await result('[steps, text]')).toBe("[ 4.5, 'xxxxxxxxx' ]");
  });

  it('shows the variables of the moment to completion while it runs', async () => {
    const cell = kernel.start('let rows: any = 0.5, done = false\nwhile (!done) { rows += 0.5 }');
    await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === cell);
    await sleep(200);
    const { content } = await kernel.request('shell', 'inspect_request', {
      code: 'rows',
      cursor_pos: 4,
      detail_level: 0,
    });
    expect(content.found).toBe(true);
    await kernel.interrupt();
    await kernel.finished(cell);
  });

  it('means what it says whatever is in it', async () => {
    expect(
      await result(
        'let a = 0, b = 1, n = 0\nouter: for (;;) { do { [a, b] = [b, a + b]; if (b > 50) break outer } while (n++ < 100) }\n[a, b, n]',
      ),
    ).toBe('[ 34, 55, 8 ]');
    expect(await result('let k = 0; for (k = 3; k--; ) ;\nk')).toBe('-1');
    expect(await result('var big = 1n; for (let i = 0; i < 70; i++) big *= 2n\nbig')).toBe(
      '1180591620717411303424n',
    );
    expect(await result('for (var v = 0; v < 5; v++) n = v;\n[v, n]')).toBe('[ 5, 4 ]');
    expect(
      await result('let s = 1; for (let i = 0; i < 3; i++) { let s = 5; s++ }\nwhile (s < 9) s *= 2\ns'),
    ).toBe('16');
    expect(
      await result(
        'let left = 3\nconst box = { get more() { return left > 0 } }\nwhile (box.more) left--\nleft',
      ),
    ).toBe('0');
  });
});
