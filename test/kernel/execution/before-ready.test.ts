import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Executor, type ExecutorContext } from '../../../kernel/src/execution/host/executor.js';
import { Runtime, type RuntimeContext } from '../../../kernel/src/execution/host/runtime.js';
import type { RuntimeEvents } from '../../../kernel/src/execution/host/runtime-process.js';
import type { Done, ExecuteOrder, Order } from '../../../kernel/src/execution/wire.js';
import type { Message } from '../../../kernel/src/protocol/message.js';

const { processes, FakeProcess } = vi.hoisted(() => {
  const all: Fake[] = [];
  /** A process that gets ready, and dies, when a test says so. */
  class Fake {
    readonly sent: Order[] = [];
    getReady: () => void = () => undefined;
    readonly ready = new Promise<void>((resolve) => {
      this.getReady = resolve;
    });

    constructor(
      _directory: string,
      private readonly events: RuntimeEvents,
    ) {
      all.push(this);
    }

    send(order: Order): void {
      this.sent.push(order);
    }

    report(packet: Parameters<RuntimeEvents['onReport']>[0]): void {
      this.events.onReport(packet);
    }

    /** As a real one, it lets go of those who wait for it. */
    die(): void {
      this.events.onExit(1, null);
      this.getReady();
    }
  }
  return { processes: all, FakeProcess: Fake };
});
vi.mock('../../../kernel/src/execution/host/runtime-process.js', () => ({ RuntimeProcess: FakeProcess }));

const request = { content: {}, header: {} } as Message;
const cell = { type: 'execute', cell: 7, allowInput: false } as ExecuteOrder;
const comm = { type: 'comm', kind: 'msg', id: 'c', target: 't', data: {}, metadata: {}, request: 8 } as const;
const idle = { stream: () => undefined, publish: async () => undefined, begin() {}, end() {} };

let runtime: Runtime;
beforeEach(() => {
  processes.length = 0;
  runtime = new Runtime({ output: idle, onRestart: () => undefined } as unknown as RuntimeContext);
});

describe('a runtime that dies before it is ready', () => {
  it('answers the cell that waits for it, and the next one does not run it', async () => {
    const done = runtime.execute(cell, request);
    processes[0]!.die();
    expect((await done).outcome).toMatchObject({ kind: 'error', error: { name: 'RuntimeDied' } });
    processes[1]!.getReady();
    await new Promise((resolve) => setImmediate(resolve));
    expect(processes.map(({ sent }) => sent)).toEqual([[], []]);
  });

  it('lets the shell go on after a comm message that waits for it', async () => {
    const handled = runtime.comm(comm, []);
    processes[0]!.die();
    await handled;
    processes[1]!.getReady();
    await new Promise((resolve) => setImmediate(resolve));
    expect(processes[1]!.sent).toEqual([]);
  });
});

describe('a runtime that cannot start', () => {
  it('is tried twice, and then once for each cell', async () => {
    const last = () => processes.at(-1)!;
    last().die();
    last().die();
    expect(processes).toHaveLength(2);
    for (const [count, message] of [
      [3, /cannot be started, it ended with exit code 1; the next cell tries again/],
      [4, /cannot be started/],
    ] as const) {
      const done = runtime.execute(cell, request);
      expect(processes).toHaveLength(count);
      last().die();
      expect((await done).outcome).toMatchObject({ error: { message: expect.stringMatching(message) } });
      expect(processes).toHaveLength(count);
    }
  });

  it('is started again at once when it dies after it was ready', () => {
    for (let times = 1; times < 5; times++) {
      processes.at(-1)!.report({ message: { type: 'ready' }, buffers: [] } as never);
      processes.at(-1)!.die();
      expect(processes).toHaveLength(times + 1);
    }
  });
});

describe('an interrupt', () => {
  it('stops a cell that waits for the runtime to be ready', async () => {
    const done = runtime.execute(cell, request);
    void runtime.interrupt();
    expect((await done).outcome).toEqual({ kind: 'interrupted' });
    processes[0]!.getReady();
    await new Promise((resolve) => setImmediate(resolve));
    expect(processes[0]!.sent.filter(({ type }) => type === 'execute')).toEqual([]);
  });

  it('stops a cell whose types are still being checked', async () => {
    let checked: () => void = () => undefined;
    const diagnosis = new Promise<[]>((resolve) => {
      checked = () => resolve([]);
    });
    const diagnose = vi.fn(() => diagnosis);
    const ran: ExecuteOrder[] = [];
    const executor = new Executor({
      output: idle,
      history: { add: () => undefined },
      introspection: { diagnose },
      runtime: {
        async execute(order: ExecuteOrder): Promise<Done> {
          ran.push(order);
          return { type: 'done', cell: order.cell, outcome: { kind: 'ok', expressions: {} }, payload: [] };
        },
      },
      isDebugging: () => false,
    } as unknown as ExecutorContext);
    const code = '%strict on\nconst n: number = 1;';
    const outcome = executor.execute({ ...request, content: { code } });
    // It has been compiled and waits for the language server.
    await expect.poll(() => diagnose.mock.calls.length).toBe(1);
    executor.interrupt();
    checked();
    expect((await outcome).reply).toMatchObject({ status: 'error', ename: 'KeyboardInterrupt' });
    expect(ran).toEqual([]);
  });
});
