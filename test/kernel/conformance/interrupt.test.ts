// @module-tag process
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { LIVE_TARGET } from '../../../kernel/src/display/live/protocol.js';
import { TestKernel } from '../client.js';
import { sleep } from '../waiting.js';

const engine =
  'const image = Tensor.zeros([1, 224, 224, 3]), network = builtNetwork("resnet18"), options = { masker: "random", rate: 0.5 } as const;\n';

/** Code that does not end by itself; every kind is stopped with the variables of earlier cells intact. */
const stuck: Readonly<Record<string, string>> = {
  'a synchronous loop': 'while (true) {}',
  'a loop after an await': 'await 1; while (true) {}',
  'an await that never settles': 'await new Promise(() => {})',
  'a loop in try, catch and finally': 'try { while (true) {} } catch { keep = -1 } finally { }',
  'nested loops that catch everything': 'while (true) { try { while (true) {} } catch {} }',
  'a catastrophic regular expression': '/^(a+)+$/.test("a".repeat(40) + "b")',
  'Atomics.wait': 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)',
  'awaits of timers in a loop': 'while (true) await new Promise((r) => setTimeout(r, 5))',
  'an endless chain of microtasks': 'while (true) await null',
  'allocation in a loop': 'while (true) JSON.stringify(Array.from({ length: 1e5 }, (_, i) => ({ i })))',
  'recursion to the limit, then a loop': '(function f(): void { try { f() } catch { while (true) {} } })()',
  'a child process': 'require("child_process").execSync("sleep 30")',
  'setImmediate for ever': '(function f() { setImmediate(f) })(); await new Promise(() => {})',
  'an asynchronous generator': 'async function* g() { while (true) yield 1 }\nfor await (const x of g());',
  'a nested vm context': 'require("vm").runInNewContext("while (true) {}")',
  'file reads in a loop': 'while (true) require("fs").readFileSync("/etc/hostname")',
  'a WebAssembly loop':
    'new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,9,1,7,0,3,64,12,0,11,11]))).exports.f()',
  'a storm of timers':
    'for (let i = 0; i < 50; i++) setInterval(() => { let n = 0; for (let k = 0; k < 1e5; k++) n += k }, 0)\nawait new Promise(() => {})',
  'a timer that loops': 'setTimeout(() => { while (true) {} }, 1)\nawait new Promise(() => {})',
  'an await in a function that loops on':
    'async function poll() { while (true) await new Promise((r) => setTimeout(r, 2)) }\nawait poll()',
  'printing without end': 'while (true) console.log("again and again")',
  'runs of the engine': `${engine}while (true) await run(network, image, options)`,
  'runs of the engine in a loop that catches everything': `${engine}while (true) try { await run(network, image, options) } catch {}`,
  'runs of the engine in a function that catches everything': `${engine}async function poll() { for (;;) try { await run(network, image, options) } catch {} }\nawait poll()`,
  'runs of the engine in a module that catches everything': `${engine}
require('node:fs').writeFileSync('poll.mjs', 'export async function poll(once) { for (;;) try { await once() } catch {} }')
const { poll } = await import('./poll.mjs')
await poll(() => run(network, image, options))`,
  'a loop that catches rejected promises': 'while (true) try { await Promise.reject(1) } catch {}',
  'a prompt': 'prompt("name?")',
};

let kernel: TestKernel;

describe('interrupt', () => {
  /** The kernel of the kinds before, as in a notebook; none where the last of them failed. */
  let kept: TestKernel | undefined;
  afterEach(() => kept === undefined && kernel.stop());
  afterAll(() => kept?.stop());

  for (const [kind, code] of Object.entries(stuck)) {
    it(`stops ${kind} and keeps the variables`, async () => {
      kernel = kept ?? (await TestKernel.start());
      kept = undefined;
      await kernel.execute('var keep = 123');
      if (code.startsWith(engine)) {
        await kernel.execute('import { builtNetwork, run, Tensor } from "@fovea/engine"', { ms: 60_000 });
      }
      const cell = kernel.start(code);
      await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === cell);
      await sleep(150);
      expect(await kernel.heartbeat()).toBe('ping');
      const { content } = await kernel.interrupt();
      expect(content.status).toBe('ok');
      const { reply, error } = await kernel.finished(cell, 20_000);
      expect(reply.status).toBe('error');
      expect(error?.ename).toBe('KeyboardInterrupt');
      const after = await kernel.execute('keep');
      expect(after.result).toBe('123');
      // And what it left behind does not go on.
      await kernel.execute('var ticks = 0; await new Promise((r) => setTimeout(r, 30)); ticks');
      kept = kernel;
    });
  }
});

describe('an interrupt', () => {
  afterEach(() => kernel.stop());

  it('stops a cell that begins while the interrupt of the one before is still under way', async () => {
    kernel = await TestKernel.start();
    await kernel.execute('var keep = 123');
    const interrupts: Promise<unknown>[] = [];
    for (const _ of [1, 2, 3]) {
      const cell = kernel.start('while (true) {}');
      await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === cell);
      interrupts.push(kernel.interrupt());
      expect((await kernel.finished(cell, 5000)).error?.ename).toBe('KeyboardInterrupt');
    }
    await Promise.all(interrupts);
    expect((await kernel.execute('keep')).result).toBe('123');
  });

  // Stopped in a call of the cell, and in a job of a promise.
  for (const code of ['while (true) {}', 'await 1; while (true) {}']) {
    for (const delayMs of [0, 200, 450]) {
      it(`leaves the live panel whole that was opened ${delayMs} ms before: ${code}`, async () => {
        kernel = await TestKernel.start();
        await kernel.execute('var keep = 123');
        const comm_id = randomUUID();
        kernel.send('shell', 'comm_open', { comm_id, target_name: LIVE_TARGET, data: {} });
        kernel.send('shell', 'comm_msg', { comm_id, data: { type: 'hello' } });
        await sleep(delayMs);
        const cell = kernel.start(code);
        await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === cell);
        const [done] = await Promise.all([kernel.finished(cell, 20_000), kernel.interrupt()]);
        expect(done.error?.ename).toBe('KeyboardInterrupt');
        expect((await kernel.execute('keep')).result).toBe('123');
        const answer = await kernel.wait(
          ({ type, content }) => type === 'comm_msg' && content.comm_id === comm_id,
        );
        expect(answer.content.data.type).toBe('catalogue');
      });
    }
  }

  it('strikes in no native code, which would end the process', async () => {
    kernel = await TestKernel.start();
    const sharp = createRequire(import.meta.url).resolve('sharp');
    await kernel.execute(`var keep = 123; const sharp = require(${JSON.stringify(sharp)})`);
    for (const _ of [1, 2, 3, 4, 5]) {
      const cell = kernel.start(
        'const raw = { width: 1, height: 1, channels: 3 } as const\nwhile (true) sharp(new Uint8Array(3), { raw }).png().toBuffer(() => undefined)',
      );
      await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === cell);
      await sleep(60);
      const [done] = await Promise.all([kernel.finished(cell, 20_000), kernel.interrupt()]);
      expect(done.error?.ename).toBe('KeyboardInterrupt');
    }
    expect((await kernel.execute('keep')).result).toBe('123');
  });

  it('is as quick as ever after a module that does not end was stopped', async () => {
    kernel = await TestKernel.start();
    await kernel.execute('require("node:fs").writeFileSync("spin.mjs", "for (;;);")');
    const stop = async (code: string) => {
      const cell = kernel.start(code);
      await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === cell);
      await sleep(150);
      const startedMs = performance.now();
      let tookMs = 0;
      const ended = kernel.finished(cell, 20_000).then((done) => {
        tookMs = performance.now() - startedMs;
        expect(done.error?.ename).toBe('KeyboardInterrupt');
      });
      await Promise.all([ended, kernel.interrupt()]);
      return tookMs;
    };
    await stop('import "./spin.mjs"');
    // What an import under way is spared: were that one taken to be, every stop of what is no call of the cell would last
    // as long. On a busy machine one does, but not all.
    const sparedMs = 1000;
    let quickestMs = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < 20 && quickestMs >= sparedMs; tries++)
      quickestMs = Math.min(quickestMs, await stop(stuck['a timer that loops']!));
    expect(quickestMs).toBeLessThan(sparedMs);
  });
});
