import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Whether a process with this number runs, also under another user; false for what is no such number. */
export function isRunning(pid: number): boolean {
  // 0 and negative numbers mean groups of processes.
  if (!(Number.isInteger(pid) && pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Where the numbers of processes mean what they mean here, as 16 hexadecimal digits: other machines and containers, which
 * may share a folder with this one, count their own. Machines may have one name, such as `localhost`, and all call the
 * numbers outside of containers by the same one; the identity that the system gave itself when it was installed differs.
 */
export const processSpace: string = createHash('sha256')
  .update(
    [
      hostname(),
      answerOf(() => readlinkSync('/proc/self/ns/pid')),
      answerOf(() => readFileSync('/etc/machine-id', 'utf8').trim()),
    ].join(' '),
  )
  .digest('hex')
  .slice(0, 16);

/**
 * When a running process was started, in the system's own terms: another process that has got its number since was
 * started at another time.
 * @returns undefined where the system does not say
 */
export function startOf(pid: number): string | undefined {
  // The second field, the name in brackets, may hold anything; the 22nd is the start.
  const stat = answerOf(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

function answerOf(ask: () => string): string | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
