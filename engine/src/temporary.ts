import { randomUUID } from 'node:crypto';
import { lstatSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
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
 * without the time. What others make stays while anything of it has changed within a day, by the clock that stamps files
 * there: that of this machine may show any time.
 * @param now by that clock
 */
export function removeAbandoned(folder: string, now?: number): void {
  for (const name of namesIn(folder)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(folder, name);
    const [, space, pid, start] = form.exec(name) ?? [];
    try {
      const isAbandoned = space === processSpace ? hasEnded(Number(pid), start) : isOld(path, now);
      if (isAbandoned) rmSync(path, { recursive: true, force: true });
    } catch {
      // Another process removes it, or it cannot be removed.
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isOld(path: string, given?: number): boolean {
  if (given === undefined && hasChangedSince(path, Date.now() - abandonedMs)) return false;
  const now = given ?? clockIn(dirname(path));
  return now !== undefined && !hasChangedSince(path, now - abandonedMs);
}

/** Whether a file, or anything in a folder, was made, written or renamed since then; copies may keep the times of their originals. */
function hasChangedSince(path: string, since: number): boolean {
  const status = lstatSync(path);
  if (Math.max(status.mtimeMs, status.ctimeMs) > since) return true;
  return status.isDirectory() && readdirSync(path).some((name) => hasChangedSince(join(path, name), since));
}

/** The time by the clock that stamps files in a folder; undefined where none can be written. */
function clockIn(folder: string): number | undefined {
  const stamped = temporaryName(join(folder, 'clock'));
  try {
    writeFileSync(stamped, '', { flag: 'wx' });
    return statSync(stamped).mtimeMs;
  } catch {
    return undefined;
  } finally {
    rmSync(stamped, { force: true });
  }
}

/** Numbers of processes are given again, above all in containers, where each start gets the same ones. */
const hasEnded = (pid: number, start: string | undefined): boolean =>
  !isRunning(pid) || (Boolean(start) && start !== startOf(pid));
