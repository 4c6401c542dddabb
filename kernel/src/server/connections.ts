import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** How long clients may hold a connection, and how many connections without a login are kept. */
export interface ConnectionLimits {
  /** From the first byte of a request, or from connecting, to the end of its headers. */
  readonly headersMs: number;
  /** Between two requests; and without a login, in which an answer makes no progress. */
  readonly idleMs: number;
  /** Connections without a login so far. */
  readonly strangers: number;
}

export const CONNECTION_LIMITS: ConnectionLimits = { headersMs: 15_000, idleMs: 60_000, strangers: 200 };

/**
 * Bounds what connections cost that lead to nothing. Bodies have their own pace (see readBody), and WebSockets
 * are asked whether they are still there: a request as a whole has no limit of time, since an upload may take long.
 */
export class Connections {
  /** Connections without a login, the oldest first. */
  private readonly strangers = new Set<Socket>();

  constructor(server: Server, limits: ConnectionLimits = CONNECTION_LIMITS) {
    server.requestTimeout = 0;
    server.headersTimeout = limits.headersMs;
    server.keepAliveTimeout = limits.idleMs;
    server.timeout = limits.idleMs;
    server.on('connection', (socket: Socket) => {
      this.strangers.add(socket);
      socket.once('close', () => this.strangers.delete(socket));
      // The oldest goes: one that wants something has asked by now, so that a flood of them does not block new clients.
      for (const oldest of this.strangers) {
        if (this.strangers.size <= limits.strangers) break;
        this.strangers.delete(oldest);
        oldest.destroy();
      }
    });
  }

  /** Marks a connection as logged in: its requests may take as long as they need. */
  admit(socket: Socket): void {
    this.strangers.delete(socket);
    socket.setTimeout(0);
  }
}
