import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processSpace } from '@fovea/engine/files';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createConnection,
  removeAbandonedConnections,
  writeConnectionFile,
} from '../../../kernel/src/server/kernels/connection-file.js';
import { KeptMessages } from '../../../kernel/src/server/kernels/kept-messages.js';
import { Kernel } from '../../../kernel/src/server/kernels/kernel.js';
import { KernelManager } from '../../../kernel/src/server/kernels/manager.js';
import { type Message, MessageFactory } from '../../../kernel/src/server/kernels/message.js';
import { type InstalledSpec, KernelSpecs } from '../../../kernel/src/server/kernelspecs.js';

const echoKernel = fileURLToPath(new URL('support/echo-kernel.mjs', import.meta.url));
/** The echo kernel, which leaves its process number as a file in its folder. */
const countedEcho = `
  require('node:fs').writeFileSync('process-' + process.pid, '');
  process.argv.splice(1, 0, 'echo');
  import(${JSON.stringify(echoKernel)});`;

let base: string;
let kernel: Kernel;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'fovea-lives-'));
  kernel = new Kernel(echo(), { folder: base, root: base, runtimeFolder: join(base, 'runtime') });
});
afterEach(async () => {
  await kernel.shutdown();
  for (const pid of living()) process.kill(pid, 'SIGKILL');
  rmSync(base, { recursive: true, force: true });
});

function echo(): InstalledSpec {
  const argv = [process.execPath, '-e', countedEcho, '{connection_file}'];
  const spec = { argv, display_name: 'Echo', language: 'echo', interrupt_mode: 'message' } as const;
  return { name: 'echo', spec, folder: base };
}

/** The processes that were started for the kernel and still run. */
function living(): number[] {
  const names = readdirSync(base).filter((name) => name.startsWith('process-'));
  const pids = names.map((name) => Number(name.slice('process-'.length)));
  return pids.filter((pid) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  });
}

/** A front end at the kernel: sends cells, and hears what they print. */
function frontEnd() {
  const factory = new MessageFactory();
  const printed: string[] = [];
  const deliver = ({ channel, content }: Message) => {
    const { text } = JSON.parse(content.toString('utf8')) as { text?: string };
    if (channel === 'iopub' && text !== undefined) printed.push(text);
  };
  const none = () => undefined;
  kernel.clients.add({
    ...{ session: 's', unconfirmed: new KeptMessages(), deliver, close: none, abandon: none },
    succeeded: () => Promise.resolve(),
  });
  const run = (code: string) => kernel.send(factory.create('shell', 'execute_request', { code }));
  return { printed, run };
}

describe('a kernel', () => {
  it('that two pages restart at once has one process after it', async () => {
    await kernel.start();
    await kernel.whenReady();
    await Promise.all([kernel.restart(), kernel.restart()]);
    expect(living()).toEqual([kernel.pid]);
    expect(kernel.state).toBe('idle');
  });

  it('that is restarted again before its new process answers has restarted for both pages', async () => {
    await kernel.start();
    await kernel.whenReady();
    const before = kernel.pid;
    const overtaken = kernel.restart();
    await expect.poll(() => kernel.pid !== undefined && kernel.pid !== before, { interval: 1 }).toBe(true);
    await Promise.all([overtaken, kernel.restart()]);
    expect(living()).toEqual([kernel.pid]);
    expect(kernel.state).toBe('idle');
  });

  it('that is restarted while it starts again after a death has one process', async () => {
    await kernel.start();
    await kernel.whenReady();
    process.kill(kernel.pid!, 'SIGKILL');
    await expect.poll(() => kernel.state, { interval: 1 }).toBe('restarting');
    await kernel.restart();
    expect(living()).toEqual([kernel.pid]);
  });

  it.each(['start', 'restart'] as const)(
    'that is shut down during its %s leaves no process',
    async (begin) => {
      if (begin === 'restart') {
        await kernel.start();
        await kernel.whenReady();
      }
      const begun = kernel[begin]().catch(() => undefined);
      await kernel.shutdown();
      await begun;
      expect(kernel.pid).toBeUndefined();
      expect(kernel.state).toBe('dead');
      expect(living()).toEqual([]);
    },
  );

  it('starts again after five deaths that are minutes apart, whatever the clock shows', async () => {
    const clock = vi.spyOn(Date, 'now').mockReturnValue(0);
    const elapsed = performance.now.bind(performance);
    let slept = 0;
    const timer = vi.spyOn(performance, 'now').mockImplementation(() => elapsed() + slept);
    try {
      await kernel.start();
      for (let death = 1; death <= 5; death++) {
        await kernel.whenReady();
        await expect.poll(() => kernel.state).toBe('idle');
        slept += 61_000;
        process.kill(kernel.pid!, 'SIGKILL');
        await expect.poll(() => kernel.state, { interval: 1 }).not.toBe('idle');
      }
      await expect.poll(() => kernel.state).toBe('idle');
    } finally {
      clock.mockRestore();
      timer.mockRestore();
    }
  });

  it('runs what comes while the old process ends in the new one', async () => {
    await kernel.start();
    await kernel.whenReady();
    const { printed, run } = frontEnd();
    run('print before\nsleep 20000');
    await expect.poll(() => printed).toEqual(['before\n']);
    const restarted = kernel.restart();
    run('print after');
    await restarted;
    await expect.poll(() => printed).toEqual(['before\n', 'after\n']);
  });
});

it('the connection files of a lab that was killed go with the next start, those of others stay', async () => {
  const runtime = join(base, 'runtime');
  const connection = await createConnection('echo');
  const ended = { pid: 999999999, space: processSpace };
  await writeConnectionFile(runtime, 'own', connection);
  await writeConnectionFile(runtime, 'killed', { ...connection, lab: ended });
  await writeConnectionFile(runtime, 'elsewhere', { ...connection, lab: { ...ended, space: 'other' } });
  writeFileSync(join(runtime, 'kernel-jupyter.json'), '{}');
  await removeAbandonedConnections(runtime);
  const names = ['kernel-elsewhere.json', 'kernel-jupyter.json', 'kernel-own.json'];
  expect(readdirSync(runtime).sort()).toEqual(names);
});

it('a manager that ends all its kernels waits for one that is being ended already', async () => {
  const specs = new KernelSpecs(() => []);
  const manager = new KernelManager(specs, { folder: base, runtimeFolder: join(base, 'runtime') });
  specs.all = async () => new Map([['echo', echo()]]);
  const started = await manager.start('echo');
  await started.whenReady();
  void manager.shutdown(started.id);
  await manager.dispose();
  expect(started.state).toBe('dead');
  expect(living()).toEqual([]);
});

it('a manager that has ended its kernels starts no other, not even one that was asked for before', async () => {
  const specs = new KernelSpecs(() => []);
  const manager = new KernelManager(specs, { folder: base, runtimeFolder: join(base, 'runtime') });
  const all = specs.all.bind(specs);
  specs.all = async () => {
    await manager.dispose();
    return all();
  };
  await expect(manager.start()).rejects.toThrow('is shutting down');
  expect(manager.list()).toEqual([]);
});
