import { readFileSync } from 'node:fs';

/** Fails after a while, naming what was waited for; once `stopped` is aborted, it is not waited for any more. */
export async function within<T>(
  promise: Promise<T>,
  ms: number,
  what: string,
  stopped?: AbortSignal,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const stop = () => clearTimeout(timer);
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`timed out after ${ms} ms waiting for ${what}`)), ms);
        stopped?.addEventListener('abort', stop);
      }),
    ]);
  } finally {
    stop();
    stopped?.removeEventListener('abort', stop);
  }
}

/** Resolves after so many milliseconds. */
export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Whether a process runs; one that has ended and waits for its parent to notice does not. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Waits until something is so. */
export async function until(holds: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`still not so after ${ms} ms: ${holds}`);
    await sleep(20);
  }
}
