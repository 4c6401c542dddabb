import { readdirSync, readFileSync } from 'node:fs';

/**
 * The runtime leads a session of its own (`setsid`), to which everything that cells start belongs: also what
 * outlived its parent, or was put into a process group of its own by a shell. Only a process that detached
 * itself on purpose, by a session of its own, is not in it.
 */

/** Process ids of a session, its leader among them, that are still running. */
function members(leader: number): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const status = statusOf(pid);
      return status?.session === leader && !'ZX'.includes(status.state);
    });
}

/** Linux's record of a process; `undefined` when there is no such process. */
function statusOf(pid: number): { state: string; group: number; session: number } | undefined {
  try {
    // Fields from the third on, after the program's name in brackets, which may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return { state: fields[0]!, group: Number(fields[2]), session: Number(fields[3]) };
  } catch {
    return undefined;
  }
}

/** The process group of a process, where the system provides it (Linux). */
export function groupOf(pid: number): number | undefined {
  return statusOf(pid)?.group;
}

/** Sends a signal to a process, or to a group by its negative number; nothing happens when it has ended. */
function signalTo(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Signals everything in a session, its leader last. The leader may be gone already. */
export function signalSession(leader: number, signal: NodeJS.Signals): void {
  for (const pid of members(leader)) if (pid !== leader) signalTo(pid, signal);
  signalTo(process.platform === 'win32' ? leader : -leader, signal);
}

/** Whether any process of a session still runs. */
function isAlive(leader: number): boolean {
  if (process.platform === 'linux') return members(leader).length > 0;
  return process.platform !== 'win32' && signalTo(-leader, 0);
}

const POLL_MS = 20;
/** How long killed processes may take to end: freeing much memory takes a while. */
const KILLED_MS = 2000;

/** Waits until a condition holds, or the time is up. */
async function waitFor(holds: () => boolean, patienceMs: number): Promise<void> {
  for (let waited = 0; waited < patienceMs && !holds(); waited += POLL_MS) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * Ends a session: first what its leader has started, which may take a while to end by itself and can still write to
 * the leader's pipes meanwhile, then the leader and what is left.
 *
 * @param graceMs how long the processes may take to end by themselves
 * @returns when all of them have ended, or do not end
 */
export async function endSession(leader: number, graceMs: number): Promise<void> {
  const others = () => members(leader).filter((pid) => pid !== leader);
  for (const pid of others()) signalTo(pid, 'SIGTERM');
  await waitFor(() => others().length === 0, graceMs);
  signalSession(leader, 'SIGKILL');
  await waitFor(() => !isAlive(leader), KILLED_MS);
}
