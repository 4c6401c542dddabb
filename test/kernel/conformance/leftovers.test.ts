// @module-tag process
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort, TestKernel } from '../client.js';
import { isRunning, sleep, until } from '../waiting.js';

let kernel: TestKernel;
const strays: number[] = [];
afterEach(async () => {
  await kernel.stop();
  for (const pid of strays.splice(0)) if (isRunning(pid)) process.kill(pid, 'SIGKILL');
});

/** Processes that a cell has left running in every way that there is. */
const start = `
const { spawn, execFile } = require('node:child_process');
const { readFileSync } = require('node:fs');
const pids: Record<string, number> = {};
pids.child = spawn('sleep', ['300']).pid;
pids.deaf = spawn('sh', ['-c', 'trap "" TERM INT; while :; do sleep 0.05; done']).pid;
pids.inheriting = spawn('sleep', ['300'], { stdio: 'inherit' }).pid;
spawn('sh', ['-c', 'sleep 300 & echo $! > orphan.pid'], { stdio: 'inherit' });
spawn('bash', ['-c', 'set -m; sleep 300 & echo $! > job.pid'], { stdio: 'inherit' });
const { Worker } = require('node:worker_threads');
new Worker("require('node:fs').writeFileSync('worker.pid', String(require('node:child_process').spawn('sleep', ['300']).pid))", { eval: true });
const daemon = spawn('sleep', ['300'], { detached: true, stdio: 'inherit' });
daemon.unref();
pids.daemon = daemon.pid;
for (const name of ['orphan', 'job', 'worker']) {
  while (!pids[name]) {
    await new Promise((next) => setTimeout(next, 10));
    try { pids[name] = Number(readFileSync(name + '.pid', 'utf8')); } catch {}
  }
}
JSON.stringify(pids)`;

async function leaveBehind(): Promise<{ pids: Record<string, number>; daemon: number }> {
  kernel = await TestKernel.start();
  const { result, error } = await kernel.execute(start);
  expect(error).toBeUndefined();
  const { daemon, ...pids } = JSON.parse(result!.slice(1, -1)) as Record<string, number>;
  strays.push(daemon!, ...Object.values(pids));
  expect(Object.keys(pids).sort()).toEqual(['child', 'deaf', 'inheriting', 'job', 'orphan', 'worker']);
  for (const pid of [daemon!, ...Object.values(pids)]) expect(isRunning(pid)).toBe(true);
  return { pids, daemon: daemon! };
}

const running = (pids: Record<string, number>) =>
  Object.entries(pids)
    .filter(([, pid]) => isRunning(pid))
    .map(([name]) => name);

describe('what cells have started', () => {
  it.each([
    ['a shutdown', () => kernel.request('control', 'shutdown_request', { restart: false })],
    ['a restart', () => kernel.request('control', 'shutdown_request', { restart: true })],
    ['SIGTERM', () => kernel.child.kill('SIGTERM')],
  ])('has ended by the time that %s ends the kernel, unless it detached itself', async (_, end) => {
    const { pids, daemon } = await leaveBehind();
    const ended = new Promise((resolve) => kernel.child.once('exit', resolve));
    await end();
    await ended;
    expect(running(pids)).toEqual([]);
    expect(isRunning(daemon)).toBe(true);
  });

  it('ends with a kernel that is killed, also while a cell spins', async () => {
    const { pids, daemon } = await leaveBehind();
    const [runtime] = kernel.runtimePids();
    kernel.start('while (true);');
    await sleep(200);
    kernel.child.kill('SIGKILL');
    await until(() => running({ ...pids, runtime: runtime! }).length === 0);
    expect(isRunning(daemon)).toBe(true);
  });

  it.each(['process.kill(process.pid, "SIGKILL")', 'process.abort()'])(
    'ends with a runtime that dies of %s, and a new one comes at once',
    async (death) => {
      const { pids, daemon } = await leaveBehind();
      const { error } = await kernel.execute(death);
      expect(error?.ename).toBe('RuntimeDied');
      await until(() => running(pids).length === 0);
      expect(isRunning(daemon)).toBe(true);
      expect((await kernel.execute('1 + 1')).result).toBe('2');
    },
  );

  it('gets the chance to end by itself', async () => {
    kernel = await TestKernel.start();
    await kernel.execute(
      `require('node:child_process').spawn('sh', ['-c', 'trap "echo bye > farewell; exit" TERM; : > ready; while :; do sleep 0.02; done']);
       while (!require('node:fs').existsSync('ready')) await new Promise((next) => setTimeout(next, 10));`,
    );
    const ended = new Promise((resolve) => kernel.child.once('exit', resolve));
    kernel.child.kill('SIGTERM');
    await ended;
    expect(readFileSync(join(kernel.directory, 'farewell'), 'utf8')).toBe('bye\n');
  });
});

describe('a server of a cell', () => {
  it.each([
    ['in the runtime', (port: number) => `await listen(${port})`],
    [
      'in a child',
      (port: number) =>
        `const child = require('node:child_process').spawn(process.execPath, ['-e', 'require("node:http").createServer().listen(${port}, () => console.log("up"))']);
         await new Promise((up) => child.stdout.on('data', up));`,
    ],
  ])('%s leaves its port free at a restart, also beside much memory', async (_, code) => {
    const port = await freePort();
    const listen =
      'const listen = (port: number) => new Promise((up, down) => require("node:http").createServer().on("error", down).listen(port, () => up(port)));';
    kernel = await TestKernel.start();
    await kernel.execute(`${listen} const ballast = Buffer.alloc(500_000_000, 1); ${code(port)}`);
    const first = kernel;
    const ended = new Promise((resolve) => first.child.once('exit', resolve));
    await first.request('control', 'shutdown_request', { restart: true });
    await ended;
    kernel = await TestKernel.start();
    await first.stop();
    expect((await kernel.execute(`${listen} await listen(${port})`)).result).toBe(String(port));
  });
});

describe('an interrupt', () => {
  /** Processor time that the runtime uses up in a while, as a fraction of it. */
  async function load(): Promise<number> {
    const [pid] = kernel.runtimePids();
    const ticks = () => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ');
      return Number(fields[11]) + Number(fields[12]);
    };
    const before = ticks();
    await sleep(1000);
    return (ticks() - before) / 100;
  }

  const worker =
    'const { Worker } = require("node:worker_threads"); const spin = () => new Worker("while (true);", { eval: true });';

  it.each([
    ['whose cell waits', 'const w = spin(); await new Promise(() => {});'],
    ['whose cell spins', 'const w = spin(); while (true);'],
    [
      'whose cell is blocked',
      'const w = spin(); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);',
    ],
  ])('ends a spinning worker %s', async (_, code) => {
    kernel = await TestKernel.start();
    await kernel.execute(worker);
    const cell = kernel.start(code);
    await sleep(400);
    await kernel.interrupt();
    expect((await kernel.finished(cell)).error?.ename).toBe('KeyboardInterrupt');
    await sleep(300);
    expect(await load()).toBeLessThan(0.3);
  });

  it('ends the spinning worker of an earlier cell, and leaves one that waits', async () => {
    kernel = await TestKernel.start();
    await kernel.execute(
      `${worker} const echo = new Worker("const { parentPort } = require('node:worker_threads'); parentPort.on('message', (m) => parentPort.postMessage(m))", { eval: true });
       const blocked = new Worker("Atomics.wait(require('node:worker_threads').workerData, 0, 0)", { eval: true, workerData: new Int32Array(new SharedArrayBuffer(4)) });
       let ended = false; blocked.on('exit', () => { ended = true; });`,
    );
    const interruptOne = async () => {
      const cell = kernel.start('await new Promise(() => {});');
      await sleep(300);
      await kernel.interrupt();
      await kernel.finished(cell);
      await sleep(300);
    };
    await interruptOne();
    expect((await kernel.execute('ended')).result).toBe('false');
    await kernel.execute('const w = spin();');
    await interruptOne();
    expect(await load()).toBeLessThan(0.3);
    expect(
      (
        await kernel.execute(
          'await new Promise((got) => { echo.once("message", got); echo.postMessage(5); })',
        )
      ).result,
    ).toBe('5');
  });

  it('with no cell running ends the workers of all', async () => {
    kernel = await TestKernel.start();
    await kernel.execute(
      `${worker} const w = spin(); let ended = false; w.on('exit', () => { ended = true; });`,
    );
    await kernel.interrupt();
    await expect.poll(async () => (await kernel.execute('ended')).result).toBe('true');
  });

  it('ends the children of a cell that spins beside them', async () => {
    kernel = await TestKernel.start();
    const cell = kernel.start(
      'const child = require("node:child_process").spawn("sleep", ["300"]); console.log(child.pid); while (true);',
    );
    const { content } = await kernel.wait(({ type }) => type === 'stream');
    const pid = Number(content.text);
    await kernel.interrupt();
    await kernel.finished(cell);
    await until(() => !isRunning(pid));
    expect((await kernel.execute('child.signalCode')).result).toBe("'SIGINT'");
  });
});
