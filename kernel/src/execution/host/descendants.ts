import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Process ids of all descendants of a process, the deepest first. Empty where the system does not provide them. */
export function descendants(root: number | undefined): number[] {
  if (root === undefined) return [];
  const children = process.platform === 'linux' ? fromProc : fromPs();
  const found: number[] = [];
  const visit = (pid: number) => {
    for (const child of children(pid)) {
      visit(child);
      found.push(child);
    }
  };
  visit(root);
  return found;
}

function fromProc(pid: number): number[] {
  try {
    // Each thread has its own children.
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

function fromPs(): (pid: number) => number[] {
  if (process.platform === 'win32') return () => [];
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  const byParent = new Map<number, number[]>();
  for (const line of (stdout ?? '').split('\n')) {
    const [pid, parent] = line.trim().split(/\s+/).map(Number);
    if (pid && parent) byParent.set(parent, [...(byParent.get(parent) ?? []), pid]);
  }
  return (pid) => byParent.get(pid) ?? [];
}
