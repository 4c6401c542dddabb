import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isRunning, processSpace } from './running-process.js';

const prefix = '.~fovea-';

/** Who makes it stands before the rest of a name. */
const form = /^\.~fovea-([0-9a-f]{16})-(\d+)-/;

/** After this long nobody writes any more, wherever that was. */
const abandonedMs = 24 * 3600_000;

/**
 * Where a file or a folder is made before it takes its place: hidden, in the same folder and hence on the same disk. The
 * name does not grow with that of the target, which may be as long as a name can be.
 * @param extension ending of the name, where it matters to what writes the file
 */
export function temporaryName(target: string, extension = ''): string {
  const name = `${prefix}${processSpace}-${process.pid}-${randomUUID()}${extension}`;
  return join(dirname(target), name);
}

/** Removes what processes that were killed while they wrote have left in a folder; what cannot be removed stays. */
export function removeAbandoned(folder: string, now = Date.now()): void {
  try {
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(prefix)) continue;
      const path = join(folder, name);
      const [, space, pid] = form.exec(name) ?? [];
      const hasEnded = space === processSpace && !isRunning(Number(pid));
      if (hasEnded || now - statSync(path).mtimeMs > abandonedMs)
        rmSync(path, { recursive: true, force: true });
    }
  } catch {
    // A folder that cannot be read or changed is as it was.
  }
}
