import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { FoveaError } from '@fovea/engine/errors';
import { describeHolder, type LockHolder, lockHolder, writeRefusal } from '@fovea/engine/files';

/** How often a process checks whether another one has requested a cancellation. */
const lookMs = 500;
/** How long the requesting process waits. */
const answerMs = 10_000;

const requestOf = (journal: string) => `${journal}.cancel`;

/** Which process has a journal open; undefined when none has. */
export const holderOf = (journal: string): Promise<LockHolder | undefined> => lockHolder(`${journal}.lock`);

/**
 * Asks the process that has a journal open to cancel its sweep, and waits until it has.
 * @throws FoveaError `io` when that process does not answer, or the request cannot be written
 */
export async function cancelElsewhere(journal: string, sweep: string): Promise<void> {
  const holder = await holderOf(journal);
  if (holder === undefined) return;
  const request = requestOf(journal);
  try {
    await writeFile(request, '');
  } catch (cause) {
    throw new FoveaError('io', `cannot write ${request}: ${writeRefusal(cause)}`, { cause });
  }
  for (const deadline = performance.now() + answerMs; performance.now() < deadline; await delay(lookMs / 5)) {
    if (!existsSync(request)) return;
    if ((await holderOf(journal)) === undefined) return rm(request, { force: true });
  }
  await rm(request, { force: true });
  throw new FoveaError('io', `${describeHolder(holder)}, which runs sweep ${sweep}, does not answer`);
}

/**
 * Calls `cancel` when another process requests it.
 * @returns stops looking
 */
export function onCancelRequest(journal: string, cancel: () => Promise<void>): () => void {
  const request = requestOf(journal);
  const forget = () => rm(request, { force: true }).catch(() => undefined);
  // A request that an earlier process ended too soon to see is not for this one.
  const ready = forget();
  const timer = setInterval(async () => {
    await ready;
    if (existsSync(request)) await cancel().finally(forget);
  }, lookMs);
  timer.unref();
  return () => clearInterval(timer);
}
