import { beforeEach, describe, expect, it } from 'vitest';
import { DebugAdapter } from '../../../kernel/src/debug/adapter.js';
import type { RuntimeLink } from '../../../kernel/src/execution/runtime-link.js';

type Handler = (params: Record<string, unknown>) => unknown;

/** A runtime's inspector that answers in a later turn, as a test says; what it holds are breakpoints. */
class FakeRuntime implements RuntimeLink {
  readonly called: string[] = [];
  readonly breakpoints = new Map<string, number>();
  readonly handlers: Record<string, Handler> = {
    'Debugger.setBreakpointByUrl': ({ lineNumber }) => {
      if ([...this.breakpoints.values()].includes(Number(lineNumber)))
        throw new Error('Breakpoint at specified location already exists.');
      const breakpointId = `b${this.called.length}`;
      this.breakpoints.set(breakpointId, Number(lineNumber));
      return { breakpointId, locations: [] };
    },
    'Debugger.removeBreakpoint': ({ breakpointId }) => this.breakpoints.delete(String(breakpointId)),
  };
  #hear: (method: string, params: unknown) => void = () => undefined;
  #restarted: () => void = () => undefined;
  #reject: ((error: Error) => void)[] = [];

  inspector(method: string, params: object = {}): Promise<unknown> {
    this.called.push(method);
    return new Promise((resolve, reject) => {
      this.#reject.push(reject);
      setImmediate(() => {
        try {
          resolve(this.handlers[method]?.(params as Record<string, unknown>) ?? {});
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  onInspectorEvent(listener: (method: string, params: unknown) => void): () => void {
    this.#hear = listener;
    return () => undefined;
  }

  onRestart(listener: () => void): () => void {
    this.#restarted = listener;
    return () => undefined;
  }

  toScript = <Place>(_file: string, place: Place) => place;
  toSource = <Place>(_file: string, place: Place) => place;

  pause(reason: string, data?: object): void {
    const location = { scriptId: '1', lineNumber: 0, columnNumber: 0 };
    const call = { callFrameId: 'f', functionName: '', url: '/cell.ts', location, scopeChain: [], this: {} };
    this.#hear('Debugger.scriptParsed', { scriptId: '1', url: '/cell.ts', startLine: 0, startColumn: 0 });
    this.#hear('Debugger.paused', { callFrames: [call], reason, data });
  }

  /** The process dies: its requests fail, and another one is there. */
  die(): void {
    for (const reject of this.#reject.splice(0)) reject(new Error('the runtime has ended'));
    this.#restarted();
  }
}

let runtime: FakeRuntime;
let adapter: DebugAdapter;
let events: string[];
const ask = (command: string, given: object = {}) => adapter.handle({ seq: 1, command, arguments: given });
const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

beforeEach(() => {
  runtime = new FakeRuntime();
  events = [];
  adapter = new DebugAdapter({
    link: runtime,
    sendEvent: ({ event }: { event: string }) => events.push(event),
  });
});

describe('the debugger', () => {
  it('sets the breakpoints of the last of two requests at once', async () => {
    const set = (...lines: number[]) =>
      ask('setBreakpoints', { source: { path: '/cell.ts' }, breakpoints: lines.map((line) => ({ line })) });
    const [, last] = await Promise.all([set(1, 2), set(2, 3)]);
    const { breakpoints } = last.body as { breakpoints: { verified: boolean }[] };
    expect(breakpoints.map(({ verified }) => verified)).toEqual([true, true]);
    expect([...runtime.breakpoints.values()].sort()).toEqual([1, 2]);
  });

  it('interrupts a program that has just gone on by itself', async () => {
    await ask('attach');
    runtime.pause('other');
    await settled();
    expect(events).toContain('stopped');
    runtime.handlers['Debugger.resume'] = () => {
      throw new Error('Can only perform operation while paused.');
    };
    await adapter.interrupt();
  });

  it('does not report a stop once the session has ended, or that a new runtime knows nothing of', async () => {
    for (const end of [() => ask('disconnect'), async () => runtime.die()]) {
      await ask('attach');
      await ask('setExceptionBreakpoints', { filters: ['uncaught'] });
      events = [];
      // Whether it is caught is found out while the session, or the runtime, ends.
      runtime.handlers['Debugger.getScriptSource'] = () => ({ scriptSource: 'throw 1' });
      runtime.pause('exception', { type: 'object', className: 'Error', description: 'Error' });
      await end();
      await settled();
      expect(events).not.toContain('stopped');
    }
  });

  it('stays switched on when a runtime dies while it is switched on', async () => {
    const attached = ask('attach');
    runtime.die();
    await attached;
    await settled();
    runtime.called.length = 0;
    await ask('disconnect');
    expect(runtime.called).toContain('Debugger.disable');
  });
});
