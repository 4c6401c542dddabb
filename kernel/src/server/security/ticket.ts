import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { randomSecret, sameSecret } from './token.js';

/**
 * What logs in the browser that the lab opens, once. It takes the place of the token in the browser's command line, which
 * every user of the machine can read for as long as the browser runs.
 */
export class Ticket {
  readonly text = randomSecret();
  private isSpent = false;

  /** Whether a request with this ticket may log in; no later one may. Of another user's program it is not taken. */
  take(text: string | null, socket: Socket): boolean {
    if (text === null || this.isSpent || !sameSecret(text, this.text)) return false;
    const user = userOf(socket);
    if (user !== undefined && user !== 0 && user !== process.getuid?.()) return false;
    this.isSpent = true;
    return true;
  }
}

/** The user on this machine whose program is at the other end of a connection; undefined where the system does not say. */
function userOf({ localPort = 0, remotePort = 0 }: Socket): number | undefined {
  const port = (number: number) => number.toString(16).toUpperCase().padStart(4, '0');
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    let lines: string[];
    try {
      lines = readFileSync(table, 'utf8').split('\n');
    } catch {
      continue;
    }
    for (const line of lines) {
      const [, local = '', remote = '', , , , , user] = line.trim().split(/\s+/);
      const isOtherEnd = local.endsWith(`:${port(remotePort)}`) && remote.endsWith(`:${port(localPort)}`);
      if (isOtherEnd) return Number(user);
    }
  }
  return undefined;
}
