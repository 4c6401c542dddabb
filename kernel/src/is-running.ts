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
