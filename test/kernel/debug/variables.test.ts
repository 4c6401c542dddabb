// @module-tag process
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TestKernel } from '../client.js';

let kernel: TestKernel;
let seq = 1;
beforeAll(async () => {
  kernel = await TestKernel.start();
});
afterEach(() => kernel.interrupt());
afterAll(() => kernel.stop());

/** Sends a request of the debug protocol on the control channel, as a variable explorer does: nothing is attached. */
async function ask(command: string, parameters: Record<string, unknown> = {}): Promise<Record<string, any>> {
  const { content } = await kernel.request('control', 'debug_request', {
    type: 'request',
    seq: seq++,
    command,
    arguments: parameters,
  });
  expect(content).toMatchObject({ type: 'response', command, success: true });
  return content.body;
}

const listed = async () =>
  Object.fromEntries(
    (await ask('inspectVariables')).variables.map(({ name, value }: { name: string; value: string }) => [
      name,
      value,
    ]),
  );

/** Ways to keep the kernel busy, each of which counts in `turns`. */
const busy: Readonly<Record<string, string>> = {
  'a loop that keeps its variables in locals': 'while (true) turns += 0.5',
  'a loop that calls functions': 'while (true) turns = Math.max(turns + 1, JSON.parse("1"))',
  'a loop after an await': 'await null\nfor (;;) turns++',
  'awaits of timers': 'for (;;) { turns++; await new Promise((resolve) => setTimeout(resolve, 2)) }',
};

describe('variables can be looked at without a debugger', () => {
  it('when nothing runs', async () => {
    await kernel.execute('const shown = { rows: [1, 2] }; class Shape {}; let text = "a"');
    expect(await listed()).toMatchObject({ shown: '{rows: Array(2)}', text: '"a"' });
    expect((await ask('debugInfo')).isStarted).toBe(false);
  });

  for (const [kind, code] of Object.entries(busy)) {
    it(`while the kernel is busy with ${kind}`, async () => {
      await kernel.execute('var turns = 0; const shown = { rows: [1, 2] }');
      const cell = kernel.start(code);
      await expect.poll(async () => Number((await listed()).turns)).toBeGreaterThan(0);
      const before = Number((await listed()).turns);
      await expect.poll(async () => Number((await listed()).turns)).toBeGreaterThan(before);
      const { data } = await ask('richInspectVariables', { variableName: 'shown' });
      expect(data['text/plain']).toBe('{ rows: [ 1, 2 ] }');
      const rows = (await ask('inspectVariables')).variables.find(
        ({ name }: { name: string }) => name === 'shown',
      );
      const { variables } = await ask('variables', { variablesReference: rows.variablesReference });
      expect(variables[0]).toMatchObject({ name: 'rows', value: 'Array(2) [1, 2]' });
      // Looking has neither stopped the cell nor touched what it counts.
      const last = Number((await listed()).turns);
      await kernel.interrupt();
      expect((await kernel.finished(cell)).error?.ename).toBe('KeyboardInterrupt');
      expect(Number((await kernel.execute('turns')).result)).toBeGreaterThanOrEqual(last);
    });
  }
});
