import { spawn } from 'node:child_process';

/** The command that hands an address to the user's browser, by platform. */
function opener(url: string): readonly [command: string, args: readonly string[]] {
  if (process.platform === 'darwin') return ['open', [url]];
  if (process.platform === 'win32') return ['cmd', ['/c', 'start', '', url.replace(/&/g, '^&')]];
  return ['xdg-open', [url]];
}

/** Opens an address in the user's browser, if there is one. */
export function openBrowser(url: string): void {
  const [command, args] = opener(url);
  try {
    const child = spawn(command, args, { stdio: 'ignore', detached: true });
    child.once('error', () => undefined);
    child.unref();
  } catch {
    // The address was printed; opening it is a convenience.
  }
}
