import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Connections } from './connections.js';
import { describeFailure, HttpError, toHttpError } from './http/errors.js';
import type { Router } from './http/router.js';
import type { KernelManager } from './kernels/manager.js';
import { joinKernel } from './kernels/websocket.js';
import { V1_PROTOCOL } from './kernels/websocket-codec.js';
import type { Guard } from './security/guard.js';
import type { TerminalManager } from './terminals/manager.js';

/** Largest message of a front end, in bytes; a larger one ends its connection. */
export const MAX_MESSAGE_BYTES = 64 * 2 ** 20;
const PING_MS = 30_000;
/** A connection counts as lost after this many unanswered pings. */
const MISSED_PINGS = 3;

/** Completes WebSocket upgrades, after checking who sent them, and keeps the connections alive. */
export class WebSockets {
  private readonly server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    handleProtocols: (offered) => (offered.has(V1_PROTOCOL) ? V1_PROTOCOL : false),
  });
  private readonly unanswered = new WeakMap<WebSocket, number>();
  private readonly pings: NodeJS.Timeout;

  constructor(
    private readonly guard: Guard,
    private readonly kernels: KernelManager,
    private readonly terminals: TerminalManager,
    private readonly router: Router,
    private readonly connections: Connections,
    /** Called with unexpected errors. */
    private readonly log: (line: string) => void,
  ) {
    this.pings = setInterval(() => this.ping(), PING_MS);
    this.pings.unref();
  }

  /** Handles one upgrade request; never throws. */
  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    try {
      this.accept(request, socket, head);
    } catch (thrown) {
      const error = toHttpError(thrown);
      const { status, message } = error;
      if (status === 500) this.log(describeFailure(request, error));
      socket.once('finish', () => socket.destroy());
      socket.end(
        `HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(message)}\r\n\r\n${message}`,
      );
    }
  }

  /** Ends all connections. */
  dispose(): void {
    clearInterval(this.pings);
    for (const socket of this.server.clients) socket.terminate();
    this.server.close();
  }

  private accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const url = new URL(`http://localhost${request.url ?? '/'}`);
    this.guard.checkWebSocket(request, url.searchParams);
    this.connections.admit(request.socket);
    const path = this.router.strip(url.pathname) ?? '';
    if (path === '/api/events/subscribe') {
      // Nothing is ever published here; front ends only want the connection.
      this.server.handleUpgrade(request, socket, head, (accepted) => this.watch(accepted));
      return;
    }
    const terminal = /^\/terminals\/websocket\/([\w.-]+)$/.exec(path)?.[1];
    if (terminal !== undefined) {
      const shell = this.terminals.get(terminal);
      this.server.handleUpgrade(request, socket, head, (accepted) => {
        this.watch(accepted);
        shell.join(accepted);
      });
      return;
    }
    const found = /^\/api\/kernels\/([\w-]+)\/channels$/.exec(path);
    if (!found) throw new HttpError(404, 'Not found');
    const kernel = this.kernels.get(found[1]!);
    const session = url.searchParams.get('session_id') ?? '';
    this.server.handleUpgrade(request, socket, head, (accepted) => {
      this.watch(accepted);
      joinKernel(accepted, kernel, session);
    });
  }

  private watch(socket: WebSocket): void {
    this.unanswered.set(socket, 0);
    socket.on('pong', () => this.unanswered.set(socket, 0));
    socket.on('error', () => socket.terminate());
  }

  private ping(): void {
    for (const socket of this.server.clients) {
      const missed = this.unanswered.get(socket) ?? 0;
      if (missed >= MISSED_PINGS) {
        socket.terminate();
        continue;
      }
      this.unanswered.set(socket, missed + 1);
      socket.ping();
    }
  }
}
