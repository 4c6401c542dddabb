import childProcess, { type ChildProcess } from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import type { Cell } from './cell.js';

/**
 * Keeps the order of a child's output with that of the cell around it, and remembers which cell started
 * which child, so that an interrupt reaches it.
 */
export function trackChildren(barrier: () => void, cellOf: () => Cell | undefined): void {
  type Module = Record<string, (...parameters: never[]) => unknown>;
  const module = childProcess as unknown as Module;
  for (const name of ['spawnSync', 'execSync', 'execFileSync']) {
    const native = module[name]!;
    module[name] = (...parameters) => {
      barrier();
      try {
        return native(...parameters);
      } finally {
        barrier();
      }
    };
  }
  const prototype = childProcess.ChildProcess.prototype as unknown as {
    spawn(this: ChildProcess, options: unknown): unknown;
  };
  const spawn = prototype.spawn;
  prototype.spawn = function (options) {
    barrier();
    const cell = cellOf();
    if (cell && !cell.ended) {
      cell.children.add(this);
      this.once('exit', () => cell.children.delete(this));
    }
    return spawn.call(this, options);
  };
  syncBuiltinESMExports();
}
