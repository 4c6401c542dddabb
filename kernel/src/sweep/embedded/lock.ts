import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FoveaError } from '@fovea/engine/errors';
import { isRunning } from '../../is-running.js';

/**
 * Takes a file that says which process works on something, so that two never do.
 * @param what for the message
 * @returns gives it back
 * @throws FoveaError `bad-argument` when a process that still runs has it, `io` when it cannot be written
 */
export async function takeLock(path: string, what: string): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true }).catch((cause: Error) => {
    throw new FoveaError('io', `cannot make the folder of ${path}: ${cause.message}`, { cause });
  });
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(`${process.pid}\n`).finally(() => file.close());
      return () => rm(path, { force: true });
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code !== 'EEXIST') throw new FoveaError('io', `cannot write ${path}: ${message}`, { cause });
      const holder = await lockHolder(path);
      if (holder !== undefined) {
        throw new FoveaError(
          'bad-argument',
          `${what} is under way in process ${holder}; one at a time is accepted`,
        );
      }
      await rm(path, { force: true });
    }
  }
  throw new FoveaError('io', `cannot take ${path}: others keep taking it`);
}

/** Which process that still runs has taken a lock; undefined when none has. */
export async function lockHolder(path: string): Promise<number | undefined> {
  const holder = Number(await readFile(path, 'utf8').catch(() => ''));
  return isRunning(holder) ? holder : undefined;
}
