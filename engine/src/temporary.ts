import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isRunning, processSpace, startOf } from './running-process.js';

const prefix = '.~fovea-';

/** Who makes it stands before the rest of a name: where, the number of the process, and when that was started. */
const form = /^\.~fovea-([0-9a-f]{16})-(\d+)-(?:(\d*)\.)?/;

/** After this long nobody writes any more on another machine. */
const abandonedMs = 24 * 3600_000;

let ownStart: string | undefined;

/**
 * Where a file or a folder is made before it takes its place: hidden, in the same folder and hence on the same disk. The
 * name does not grow with that of the target, which may be as long as a name can be.
 * @param extension ending of the name, where it matters to what writes the file
 */
export function temporaryName(target: string, extension = ''): string {
  ownStart ??= startOf(process.pid) ?? '';
  const name = `${prefix}${processSpace}-${process.pid}-${ownStart}.${randomUUID()}${extension}`;
  return join(dirname(target), name);
}

/**
 * Removes what processes that were killed while they wrote have left in a folder; what cannot be removed stays. Of those of
 * this machine it is known which have ended, so that no clock decides: it is set forward by years where a machine begins
 * without the time.
 */
export function removeAbandoned(folder: string, now = Date.now()): void {
  try {
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(prefix)) continue;
      const path = join(folder, name);
      const [, space, pid, start] = form.exec(name) ?? [];
      const isAbandoned =
        space === processSpace ? hasEnded(Number(pid), start) : now - statSync(path).mtimeMs > abandonedMs;
      if (isAbandoned) rmSync(path, { recursive: true, force: true });
    }
  } catch {
    // A folder that cannot be read or changed is as it was.
  }
}

/** Numbers of processes are given again, above all in containers, where each start gets the same ones. */
const hasEnded = (pid: number, start: string | undefined): boolean =>
  !isRunning(pid) || (Boolean(start) && start !== startOf(pid));
