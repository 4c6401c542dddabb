import {
  type FileHandle,
  link,
  lstat,
  lutimes,
  open,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FoveaError } from './errors.js';
import { diskRefusal, writeRefusal } from './file.js';
import { makeFolder } from './make-folder.js';
import { isRunning, processSpace, startOf } from './running-process.js';
import { removeAbandoned, temporaryName } from './temporary.js';

/** How often a holder says that it is alive, for those who cannot see its process. */
const aliveMs = 10_000;
/** After this long without that, a process on another machine is taken for dead. */
const deadMs = 60_000;

/** How long removing an abandoned lock may take, which takes milliseconds. */
const removalMs = 2000;
/** How long others that find the same one wait for it. */
const patienceMs = 2 * removalMs;

/** How often one that waits for a lock looks whether it is free. */
const heldMs = 100;
/** How long one that comes lets those go first that wait, which may be slow to look on a busy machine. */
const yieldMs = 10 * heldMs;
/** How often a lock that seems to be a dead holder's is looked at before it is removed. */
const watchMs = 100;

/** Who holds a lock. */
export interface LockHolder {
  readonly pid: number;
  /** Whether it is on another machine, or in another container, that shares the folder. */
  readonly isElsewhere: boolean;
}

/** Gives a lock back. */
export interface Release {
  (): Promise<void>;
  /**
   * Whether another process has it by now: one that slept, or was held up, for longer than others wait finds it taken when
   * it goes on, and must not write any more.
   */
  isLost(): Promise<boolean>;
}

/** How a lock is taken. */
export interface LockOptions {
  /** How often holders say that they are alive, all the same. */
  readonly beatMs?: number;
  /**
   * A full disk does not prevent it, for work that makes room: the lock is then a symbolic link that leads to its content,
   * which has its place in the folder.
   */
  readonly withoutRoom?: boolean;
}

/**
 * Takes a file that says which process works on something, so that two never do. The file appears with its content, so
 * that nobody takes it for an abandoned one while it is written.
 * @param what for the message
 * @throws FoveaError `bad-argument` when a process that still runs has it, `io` when it cannot be written
 */
export async function takeLock(path: string, what: string, options: LockOptions = {}): Promise<Release> {
  const taken = await tryLock(path, options);
  if (typeof taken === 'function') return taken;
  throw new FoveaError(
    'bad-argument',
    `${what} is under way in ${describeHolder(taken)}; one at a time is accepted`,
  );
}

/**
 * Takes a lock as `takeLock` does, when nobody has it any more. One that has just given it back lets those go first that
 * wait: they say so with a file, which the next one who takes the lock removes.
 * @param signal gives up
 * @throws FoveaError `io` when it cannot be written, and the signal's reason
 */
export async function awaitLock(path: string, signal?: AbortSignal): Promise<Release> {
  const waiting = `${path}.waiting`;
  const pause = (ms: number) => delay(ms, undefined, signal ? { signal } : {}).catch(() => undefined);
  // No longer than that: one that was killed while it waited takes nothing.
  for (const deadline = performance.now() + yieldMs; performance.now() < deadline; await pause(heldMs / 5)) {
    if (signal?.aborted || (await modifiedMs(waiting)) === undefined) break;
  }
  for (let waited = false; ; waited = true) {
    // Others that wait say so again.
    if (waited && signal?.aborted) await rm(waiting, { force: true }).catch(() => undefined);
    signal?.throwIfAborted();
    const taken = await tryLock(path);
    if (typeof taken === 'function') {
      await rm(waiting, { force: true }).catch(() => undefined);
      return taken;
    }
    await writeFile(waiting, '').catch(() => undefined);
    await pause(heldMs);
  }
}

/** Takes a lock, or says who has it. */
async function tryLock(
  path: string,
  { beatMs = aliveMs, withoutRoom = false }: LockOptions = {},
): Promise<Release | LockHolder> {
  const own = `${process.pid} ${processSpace} ${startOf(process.pid) ?? ''}`.trim();
  const fresh = temporaryName(path);
  try {
    makeFolder(dirname(path));
    removeAbandoned(dirname(path));
    const hasRoom = await writeFile(fresh, `${own}\n`, { flag: 'wx' }).then(
      () => true,
      (cause) => {
        if (!withoutRoom || diskRefusal(cause) === undefined) throw cause;
        return false;
      },
    );
    let deadline = performance.now() + patienceMs;
    // Once in any case: a machine may sleep between the two.
    do {
      if (await (hasRoom ? appears(fresh, path, own) : appearsAsLink(path, own)))
        return await keep(path, own, beatMs);
      const found = await contentOf(path);
      if (found === undefined) continue;
      const holder = await holderIn(path, found);
      if (holder) return holder;
      if (isForeign(found)) {
        if (await isHeardOf(path, 1.2 * beatMs)) return { pid: partsOf(found).pid, isElsewhere: true };
        deadline = performance.now() + patienceMs;
      }
      await removeAbandonedLock(path, found);
    } while (performance.now() < deadline);
  } catch (cause) {
    if (cause instanceof FoveaError) throw cause;
    throw new FoveaError('io', `cannot write ${path}: ${writeRefusal(cause)}`, { cause });
  } finally {
    await rm(fresh, { force: true }).catch(() => undefined);
  }
  throw new FoveaError('io', `cannot take ${path}: others keep taking it`);
}

/**
 * Works on something that two processes must not work on at once.
 * @param options `wait`: others are waited for, instead of failing; the others as `takeLock`'s
 * @throws FoveaError as `takeLock` or `awaitLock`, and what `work` throws
 */
export async function underLock<Result>(
  path: string,
  what: string,
  work: () => Promise<Result>,
  { wait = false, ...options }: LockOptions & { readonly wait?: boolean } = {},
): Promise<Result> {
  const release = await (wait ? awaitLock(path) : takeLock(path, what, options));
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

/**
 * Which process has taken a lock, for those who do what its holder must not see: a lock of another machine that seems
 * abandoned is watched for as long as its holder could be silent. A clock that was set makes every one look abandoned.
 * @param beatMs as `takeLock`'s
 */
export async function watchedHolder(path: string, beatMs = aliveMs): Promise<LockHolder | undefined> {
  const content = await contentOf(path);
  if (content === undefined) return undefined;
  const holder = await holderIn(path, content);
  if (holder || !isForeign(content)) return holder;
  return (await isHeardOf(path, 1.2 * beatMs)) ? { pid: partsOf(content).pid, isElsewhere: true } : undefined;
}

/** Whether a lock is of a process of this machine that has ended; of others that is not known at once. */
export async function hasEnded(path: string): Promise<boolean> {
  const content = await contentOf(path);
  return content !== undefined && !isForeign(content) && (await holderIn(path, content)) === undefined;
}

/** A holder, as messages name it. */
export function describeHolder({ pid, isElsewhere }: LockHolder): string {
  const where = ' of another machine or container (one that was killed is noticed after a minute)';
  return `process ${pid}${isElsewhere ? where : ''}`;
}

async function contentOf(path: string): Promise<string | undefined> {
  const content = await readFile(path, 'utf8').catch(() => readlink(path).catch(() => undefined));
  return content?.trim();
}

/** The parts of a lock's content. */
function partsOf(content: string) {
  const [number, space = processSpace, start] = content.split(' ');
  return { pid: Number(number), space, start };
}

const isForeign = (content: string): boolean => partsOf(content).space !== processSpace;

async function holderIn(path: string, content: string): Promise<LockHolder | undefined> {
  const { pid, start } = partsOf(content);
  if (isForeign(content)) {
    const age = await ageOf(path);
    return age !== undefined && Math.abs(age) < deadMs ? { pid, isElsewhere: true } : undefined;
  }
  // Numbers are given again, above all in containers, where each start gets the same ones.
  const isSame = isRunning(pid) && (start === undefined || start === startOf(pid));
  return isSame ? { pid, isElsewhere: false } : undefined;
}

const modifiedMs = (path: string): Promise<number | undefined> =>
  lstat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );

/**
 * How long ago a file was written, by the clock that stamps files there: that of this machine may be minutes off the one
 * of a server that keeps the folder. Undefined for one that is gone.
 */
async function ageOf(path: string): Promise<number | undefined> {
  const written = await modifiedMs(path);
  if (written === undefined) return undefined;
  const now = temporaryName(path);
  try {
    await writeFile(now, '', { flag: 'wx' });
    return ((await modifiedMs(now)) ?? Date.now()) - written;
  } catch {
    return Date.now() - written;
  } finally {
    await rm(now, { force: true }).catch(() => undefined);
  }
}

/**
 * Whether the holder of a lock says that it is alive while that is waited for. A clock that jumps, as after a machine has
 * slept, makes every lock look abandoned until its holder has said so again. Time is counted in looks: this process may
 * have slept as well.
 */
async function isHeardOf(path: string, waitMs: number): Promise<boolean> {
  const before = await modifiedMs(path);
  for (let left = Math.ceil(waitMs / watchMs); left > 0; left--) {
    await delay(watchMs);
    // Opened, since a folder on a network shows an old time of a file that is not.
    await contentOf(path);
    if ((await modifiedMs(path)) !== before) return true;
  }
  return false;
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
    await file.writeFile(`${content}\n`).finally(() => file.close());
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw cause;
  }
}

/** The same for a disk without room for it. */
async function appearsAsLink(path: string, content: string): Promise<boolean> {
  try {
    await symlink(content, path);
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
    if (((await ageOf(guard)) ?? 0) > removalMs) await rm(guard, { force: true });
    await delay(20);
    return;
  }
  try {
    if ((await contentOf(path)) === judged) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

/**
 * Says that the holder is alive, until it gives the lock back: by writing its content again, which takes the time from
 * where the folder is kept. The file stays open, so that a lock that was lost to another process is not written into.
 */
async function keep(path: string, own: string, beatMs: number): Promise<Release> {
  const file: FileHandle | undefined = await open(path, 'r+').catch(() => undefined);
  const beat = async () => {
    if (file) await file.write(`${own}\n`, 0);
    // What is kept without room can be stamped by this machine's clock alone.
    else if ((await contentOf(path)) === own) await lutimes(path, new Date(), new Date());
  };
  const timer = setInterval(() => void beat().catch(() => undefined), beatMs).unref();
  const release = async () => {
    clearInterval(timer);
    await file?.close().catch(() => undefined);
    if ((await contentOf(path)) === own) await rm(path, { force: true });
  };
  const isLost = async () => {
    const content = await contentOf(path);
    return content !== undefined && content !== own;
  };
  return Object.assign(release, { isLost });
}
