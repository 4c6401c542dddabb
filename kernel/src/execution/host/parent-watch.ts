import { isRunning } from '@fovea/engine/files';

const INTERVAL_MS = 1000;

/**
 * Calls `ended` when the process that started the kernel has ended. Jupyter names it in `JPY_PARENT_PID`; a
 * number that means nothing here (the parent is on another machine, or in another process namespace) is
 * not watched.
 */
export function watchParent(ended: () => void): void {
  const parent = Number(process.env.JPY_PARENT_PID);
  if (parent === 1 || !isRunning(parent)) return;
  const direct = process.ppid === parent;
  const timer = setInterval(() => {
    // A parent's number may be reused by another process; a direct parent is recognised by `ppid`.
    if (direct ? process.ppid === parent : isRunning(parent)) return;
    clearInterval(timer);
    ended();
  }, INTERVAL_MS);
  timer.unref();
}
