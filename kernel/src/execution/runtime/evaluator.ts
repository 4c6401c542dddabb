import { type Runtime, Session } from 'node:inspector';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { types } from 'node:util';
import vm from 'node:vm';
import { SILENT } from '../../display/display.js';
import { formatValue } from '../../display/format.js';
import { BRIDGE } from '../bridge.js';
import type { Bundle, Done, ExecuteOrder, ExpressionResult } from '../wire.js';
import type { Attribution } from './attribution.js';
import { sendable } from './bundles.js';
import { Cell, KeyboardInterrupt } from './cell.js';
import type { Channel } from './channel.js';
import { declare, type Results } from './globals.js';
import type { KeptVariables } from './kept-variables.js';
import { holds } from './loop-guard.js';
import { describeThrown } from './thrown.js';

/** Grace period for an interrupted cell's cleanup before it is forced to end. */
const CLEANUP_MS = 60;
/** Taken before timers are tracked: the kernel's own must not be cleared with a cell's. */
const later = globalThis.setTimeout;

/** Ended cells that are remembered, for their timers and for output that comes late. */
const REMEMBERED = 256;

/**
 * Runs cells on the main thread. Each starts in a synchronous call through an inspector session of this very
 * thread: only then can the pump's session terminate it, because Node delivers no inspector message while
 * another one from the same source is being handled.
 */
export class Evaluator {
  readonly #session = new Session();
  readonly #cells = new Map<number, Cell>();
  /** Cells that were interrupted and are over. */
  readonly #interrupted = new Set<number>();

  constructor(
    private readonly channel: Channel,
    private readonly attribution: Attribution,
    private readonly results: Results,
    private readonly kept: KeptVariables,
    private readonly stopWorkers: () => void,
  ) {
    this.#session.connect();
  }

  /** The cell on whose behalf code runs now, if it is remembered. */
  current(): Cell | undefined {
    const id = this.attribution.current();
    return id === undefined ? undefined : this.#cells.get(id);
  }

  /**
   * Called by rewritten cells when they continue after an `await` or catch something: a cell that was interrupted
   * and is over must not continue in the background.
   *
   * @throws KeyboardInterrupt
   */
  checkContinuation(id: number | undefined): void {
    if (this.#interrupted.size === 0) return;
    const cell = id ?? this.attribution.current();
    if (cell !== undefined && this.#interrupted.has(cell)) throw new KeyboardInterrupt();
  }

  /** Starts a cell; its end is posted as `done`. */
  execute(order: ExecuteOrder): void {
    const cell = new Cell(order);
    this.#remember(cell);
    this.#enter(cell, 'run', () => {
      if (!order.program.isAsync) return this.#settle(cell);
      (cell.value as Promise<readonly [unknown] | undefined>).then(resultOf).then(
        ([result]) => {
          cell.value = result;
          this.#enter(cell, 'conclude', () => this.#settle(cell));
        },
        (error: unknown) => this.#fail(cell, error),
      );
    });
  }

  /** Called through the bridge, inside the inspector's synchronous evaluation; concludes a synchronous cell. */
  run(id: number): void {
    this.channel.callUserCode(() => this.#run(id));
  }

  #run(id: number): void {
    const cell = this.#cells.get(id)!;
    const { program, file } = cell.order;
    this.kept.restore();
    declare(program.names, program);
    if (!Object.hasOwn(globalThis, program.bridge))
      Object.defineProperty(globalThis, program.bridge, { value: Reflect.get(globalThis, BRIDGE) });
    const options = {
      filename: file,
      importModuleDynamically: vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    } as vm.RunningScriptOptions;
    this.attribution.start(id, () => {
      if (program.functions !== undefined) {
        vm.runInThisContext(program.functions, { ...options, columnOffset: program.functionsColumnOffset });
      }
      cell.value = vm.runInThisContext(program.main, { ...options, columnOffset: program.mainColumnOffset });
    });
    if (!program.isAsync) this.#conclude(id);
  }

  /** Called by a rewritten loop: whether it may keep variables in locals. */
  fits(id: number, index: number): boolean {
    const { guard, kept } = this.#cells.get(id)!.order.program.loops[index]!;
    return holds(guard, kept);
  }

  /** Called by a rewritten loop whose guard fails: runs it as it was written. */
  plain(id: number, index: number): void {
    const { program, file } = this.#cells.get(id)!.order;
    const { code, line, column } = program.loops[index]!;
    const strict = '"use strict";';
    vm.runInThisContext(strict + code, {
      filename: file,
      lineOffset: line,
      // The column counts in the script, whose first line has more in front of it.
      columnOffset: column + (line === 0 ? program.mainColumnOffset : 0) - strict.length,
    });
  }

  /** Called through the bridge: makes the result's bundle and the user expressions, in the cell's name. */
  conclude(id: number): void {
    this.channel.callUserCode(() => this.#conclude(id));
  }

  #conclude(id: number): void {
    const cell = this.#cells.get(id)!;
    cell.value = this.attribution.run(
      id,
      async (): Promise<[Bundle | undefined, Record<string, ExpressionResult>]> => {
        const { value, order } = cell;
        const hasResult = order.program.hasResult && value !== undefined && !isSilent(value);
        if (hasResult) this.results.record(order.count, value, order.program.names);
        const result = hasResult && order.show ? formatValue(value) : undefined;
        const expressions: Record<string, ExpressionResult> = {};
        for (const [name, code] of Object.entries(order.userExpressions)) {
          try {
            const shown = await formatValue(
              vm.runInThisContext(code, { filename: `user_expression ${name}` }),
            );
            expressions[name] = { status: 'ok', ...sendable(shown).bundle };
          } catch (error) {
            const { name: ename, message: evalue } = describeThrown(error);
            expressions[name] = { status: 'error', ename, evalue, traceback: [`${ename}: ${evalue}`] };
          }
        }
        while (cell.displays.size > 0) await Promise.all(cell.displays);
        const shown = await result;
        return [shown && sendable(shown).bundle, expressions];
      },
    );
  }

  /** Handles the pump's call to stop: see `pump.ts`. */
  interrupt(ids: readonly number[]): void {
    this.channel.acknowledgeInterrupt();
    this.stopWorkers();
    for (const id of ids) {
      const cell = this.#cells.get(id);
      if (!cell || cell.ended) continue;
      const first = !cell.interrupted;
      cell.interrupt();
      if (first) later(() => this.#end(cell, { kind: 'interrupted' }), CLEANUP_MS);
      else this.#end(cell, { kind: 'interrupted' });
    }
    if (ids.length === 0) for (const cell of this.#cells.values()) cell.interrupt();
  }

  /** Ends a cell when its conclusion has been made. */
  #settle(cell: Cell): void {
    (cell.value as Promise<[Bundle | undefined, Record<string, ExpressionResult>]>).then(
      ([result, expressions]) => this.#end(cell, { kind: 'ok', ...(result ? { result } : {}), expressions }),
      (error: unknown) => this.#fail(cell, error),
    );
  }

  #call: (() => unknown) | undefined;

  /**
   * Calls user code that belongs to no cell (a comm's handler), so that it can be interrupted like a cell.
   *
   * @throws whatever the code throws; KeyboardInterrupt when it is interrupted
   */
  call(action: () => unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#call = () => {
        try {
          resolve(action());
        } catch (error) {
          reject(error);
        }
      };
      this.#session.post('Runtime.evaluate', { expression: `${BRIDGE}.call()` }, (error, reply) =>
        this.channel.afterUserCode(() => {
          if (error || reply.exceptionDetails) reject(new KeyboardInterrupt());
        }),
      );
    });
  }

  /** Called through the bridge. */
  runCall(): void {
    const call = this.#call;
    this.#call = undefined;
    if (call) this.channel.callUserCode(call);
  }

  /** Calls a method of the bridge through the session; `then` runs when it returned normally. */
  #enter(cell: Cell, method: 'run' | 'conclude', then: () => void): void {
    this.#session.post(
      'Runtime.evaluate',
      { expression: `${BRIDGE}.${method}(${cell.id})` },
      (error, reply) =>
        this.channel.afterUserCode(() => {
          if (error) return this.#end(cell, { kind: 'interrupted' });
          const thrown = reply.exceptionDetails?.exception;
          if (!reply.exceptionDetails) return then();
          if (!thrown) return this.#end(cell, { kind: 'interrupted' });
          this.#fail(cell, this.#materialise(thrown));
        }),
    );
  }

  /** The JavaScript value behind an inspector's description of it. */
  #materialise(remote: Runtime.RemoteObject): unknown {
    let value: unknown = remote.value;
    if (remote.objectId) {
      this.#session.post(
        'Runtime.callFunctionOn',
        { objectId: remote.objectId, functionDeclaration: `function () { ${BRIDGE}.hold(this) }` },
        () => undefined,
      );
      value = this.#held;
      this.#held = undefined;
      this.#session.post('Runtime.releaseObject', { objectId: remote.objectId });
    } else if (remote.unserializableValue) {
      value = vm.runInThisContext(remote.unserializableValue);
    }
    return value;
  }

  #held: unknown;

  /** Called through the bridge. */
  hold(value: unknown): void {
    this.#held = value;
  }

  #fail(cell: Cell, error: unknown): void {
    const stopped = (cell.interrupted || this.channel.interrupting) && isStop(error);
    this.#end(cell, stopped ? { kind: 'interrupted' } : { kind: 'error', error: describeThrown(error) });
  }

  #end(cell: Cell, outcome: Done['outcome']): void {
    if (cell.ended) return;
    cell.ended = true;
    // What was terminated has left them behind.
    this.kept.restore();
    this.channel.forget(cell.id);
    cell.value = undefined;
    if (cell.order.time) {
      const elapsedMs = performance.now() - cell.startedMs;
      this.attribution.run(cell.id, () => process.stdout.write(`Time: ${formatMs(elapsedMs)}\n`));
    }
    const interrupted = outcome.kind === 'interrupted';
    if (interrupted || cell.interrupted) this.#interrupted.add(cell.id);
    this.channel.postDone({ type: 'done', cell: cell.id, outcome, payload: cell.payload });
    // A cell whose code was terminated has not been asked to stop, and has left behind what it started. The end comes
    // first: another termination may still be under way.
    if (interrupted) cell.interrupt();
  }

  #remember(cell: Cell): void {
    this.#cells.set(cell.id, cell);
    if (this.#cells.size <= REMEMBERED) return;
    for (const [id, old] of this.#cells) {
      if (old.ended && old.timers.size === 0) {
        this.#cells.delete(id);
        if (this.#cells.size <= REMEMBERED) break;
      }
    }
  }
}

/**
 * What an asynchronous cell came to, in the list that keeps it from being taken for a promise: only a true
 * promise is waited for, as reading `then` of anything else could run code, or throw.
 */
async function resultOf(returned: readonly [unknown] | undefined): Promise<readonly [unknown]> {
  const value = returned?.[0];
  return [types.isPromise(value) ? await value : value];
}

function isSilent(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !types.isProxy(value) && Object.hasOwn(value, SILENT);
}

/** Whether an error is what an interrupt leads to: an abort, or a child that was ended by a signal. */
function isStop(error: unknown): boolean {
  try {
    const { name, code, signal } = (error ?? {}) as { name?: unknown; code?: unknown; signal?: unknown };
    return (
      error instanceof KeyboardInterrupt ||
      name === 'AbortError' ||
      code === 'aborted' ||
      ['SIGINT', 'SIGTERM', 'SIGKILL'].includes(String(signal))
    );
  } catch {
    return false;
  }
}

function formatMs(ms: number): string {
  return ms < 1000 ? `${ms.toPrecision(3)} ms` : `${(ms / 1000).toPrecision(3)} s`;
}
