import { link, open, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FoveaError } from '@fovea/engine/errors';
import {
  isRunning,
  makeFolder,
  processSpace,
  removeAbandoned,
  startOf,
  temporaryName,
  writeRefusal,
} from '@fovea/engine/files';

/** How often a holder says that it is alive, for those who cannot see its process. */
const aliveMs = 10_000;
/** After this long without that, a process on another machine is taken for dead. */
const deadMs = 60_000;

/** How long removing an abandoned lock may take, which takes milliseconds. */
const removalMs = 2000;
/** How long others that find the same one wait for it. */
const patienceMs = 2 * removalMs;

/** Who holds a lock. */
export interface LockHolder {
  readonly pid: number;
  /** Whether it is on another machine, or in another container, that shares the folder. */
  readonly isElsewhere: boolean;
}

/**
 * Takes a file that says which process works on something, so that two never do. The file appears with its content, so
 * that nobody takes it for an abandoned one while it is written.
 * @param what for the message
 * @returns gives it back
 * @throws FoveaError `bad-argument` when a process that still runs has it, `io` when it cannot be written
 */
export async function takeLock(path: string, what: string): Promise<() => Promise<void>> {
  const own = `${process.pid} ${processSpace} ${startOf(process.pid) ?? ''}\n`;
  const fresh = temporaryName(path);
  try {
    makeFolder(dirname(path));
    removeAbandoned(dirname(path));
    await writeFile(fresh, own, { flag: 'wx' });
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline; ) {
      if (await appears(fresh, path, own)) return keep(path, own);
      const found = await contentOf(path);
      const holder = found === undefined ? undefined : await holderIn(path, found);
      if (holder) {
        throw new FoveaError(
          'bad-argument',
          `${what} is under way in ${describeHolder(holder)}; one at a time is accepted`,
        );
      }
      if (found !== undefined) await removeAbandonedLock(path, found);
    }
  } catch (cause) {
    if (cause instanceof FoveaError) throw cause;
    throw new FoveaError('io', `cannot write ${path}: ${writeRefusal(cause)}`, { cause });
  } finally {
    await rm(fresh, { force: true });
  }
  throw new FoveaError('io', `cannot take ${path}: others keep taking it`);
}

/**
 * Works on something that two processes must not work on at once.
 * @throws FoveaError as `takeLock`, and what `work` throws
 */
export async function underLock<Result>(
  path: string,
  what: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const release = await takeLock(path, what);
  try {
    return await work();
  } finally {
    await release();
  }
}

/** Which process that still runs has taken a lock; undefined when none has. */
export async function lockHolder(path: string): Promise<LockHolder | undefined> {
  const content = await contentOf(path);
  return content === undefined ? undefined : holderIn(path, content);
}

/** A holder, as messages name it. */
export function describeHolder({ pid, isElsewhere }: LockHolder): string {
  const where = ' of another machine or container (one that was killed is noticed after a minute)';
  return `process ${pid}${isElsewhere ? where : ''}`;
}

const contentOf = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch(() => undefined);

async function holderIn(path: string, content: string): Promise<LockHolder | undefined> {
  const [number, space = processSpace, start] = content.trim().split(' ');
  const pid = Number(number);
  if (space !== processSpace) {
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 }));
    return Date.now() - mtimeMs < deadMs ? { pid, isElsewhere: true } : undefined;
  }
  // Numbers are given again, above all in containers, where each start gets the same ones.
  const isSame = isRunning(pid) && (start === undefined || start === startOf(pid));
  return isSame ? { pid, isElsewhere: false } : undefined;
}

/** Whether a file appears under another name with its content, which it does not where that name is taken. */
async function appears(fresh: string, path: string, content: string): Promise<boolean> {
  try {
    await link(fresh, path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
  }
  // Some file systems have no links.
  try {
    const file = await open(path, 'wx');
    await file.writeFile(content).finally(() => file.close());
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw cause;
  }
}

/**
 * Removes a lock that was judged to be nobody's. One process at a time does, and looks again before: the lock that another
 * one has taken in the meantime stays.
 */
async function removeAbandonedLock(path: string, judged: string): Promise<void> {
  const guard = `${path}.removing`;
  try {
    await writeFile(guard, '', { flag: 'wx' });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    const { mtimeMs } = await stat(guard).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > removalMs) await rm(guard, { force: true });
    await delay(20);
    return;
  }
  try {
    if ((await contentOf(path)) === judged) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

/** Says that the holder is alive, until it gives the lock back. */
function keep(path: string, own: string): () => Promise<void> {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, aliveMs).unref();
  return async () => {
    clearInterval(timer);
    if ((await contentOf(path)) === own) await rm(path, { force: true });
  };
}
