import vm from 'node:vm';
import { compileCell } from '../../../../kernel/src/execution/cells/compile.js';
import { KeptVariables } from '../../../../kernel/src/execution/runtime/kept-variables.js';
import { holds } from '../../../../kernel/src/execution/runtime/loop-guard.js';

/** What running a cell came to: how many of its loops kept variables in locals, and what was thrown. */
export interface LoopRun {
  readonly fitted: number;
  readonly thrown: string | undefined;
}

/** A cell that is ready to run in this very realm. */
export interface LoopCell {
  /** @param around what to do before and after, while nothing but the cell's own code runs */
  run(around?: { before(): void; after(): void }): LoopRun;
}

/**
 * Compiles a cell.
 *
 * @param variables names that are variables of the notebook; without them no loop is rewritten
 */
export async function loopCell(source: string, variables?: ReadonlySet<string>): Promise<LoopCell> {
  const { program } = await compileCell(source, { cell: 1, variables });
  const main = new vm.Script(program.main);
  const loops = program.loops.map(({ code }) => new vm.Script(`"use strict";${code}`));
  const kept = new KeptVariables();
  return {
    run({ before, after } = { before: () => undefined, after: () => undefined }) {
      let fitted = 0;
      let thrown: unknown;
      const bridge = {
        keep: kept.keep.bind(kept),
        restore: kept.restore.bind(kept),
        fits(_cell: number, index: number) {
          const { guard, kept: names } = program.loops[index]!;
          const fits = holds(guard, names);
          if (fits) fitted++;
          return fits;
        },
        plain: (_cell: number, index: number) => loops[index]!.runInThisContext(),
      };
      Object.defineProperty(globalThis, program.bridge, { value: bridge, configurable: true });
      for (const name of program.names) setGlobal(name, undefined);
      // What is thrown must not run code that reads its stack.
      const { stackTraceLimit, prepareStackTrace } = Error;
      Object.assign(Error, { stackTraceLimit: 0, prepareStackTrace: undefined });
      before();
      try {
        main.runInThisContext();
      } catch (error) {
        thrown = error;
      }
      after();
      Object.assign(Error, { stackTraceLimit, prepareStackTrace });
      Reflect.deleteProperty(globalThis, program.bridge);
      return { fitted, thrown: thrown === undefined ? undefined : String(thrown) };
    },
  };
}

/** Makes a name a variable of the notebook. */
export function setGlobal(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, writable: true, enumerable: true, configurable: true });
}
