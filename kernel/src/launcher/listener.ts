import type { Server, Socket } from 'node:net';

const MAX_REQUEST_CHARACTERS = 4096;
const REQUEST_TIMEOUT_MS = 5000;

/** What a gateway may ask while the kernel runs. */
export type GatewayRequest =
  | { readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL' }
  | { readonly shutdown: true };

/**
 * The signals that are passed on, by their numbers on Linux and macOS. Others mean something to Node itself (SIGUSR1
 * opens a debugger), and the port is open to everybody who reaches this machine.
 */
const SIGNALS: Readonly<Record<number, 'SIGINT' | 'SIGTERM' | 'SIGKILL'>> = {
  2: 'SIGINT',
  9: 'SIGKILL',
  15: 'SIGTERM',
};

/**
 * Takes a gateway's requests from a server that listens already: each is one JSON object on a connection of its own, up
 * to the end of the stream, and gets no answer. That connections are accepted is what tells the gateway that the
 * kernel lives.
 */
export function obeyGateway(
  server: Server,
  events: { onRequest(request: GatewayRequest): void; onLog(line: string): void },
): void {
  server.on('connection', (socket) => {
    void readRequest(socket).then((text) => {
      if (text === '') return;
      const request = parseRequest(text);
      if (typeof request === 'string') events.onLog(`a request of the gateway was ignored: ${request}`);
      else if (request) events.onRequest(request);
    });
  });
}

/** Everything until the other side closes; empty for what is too long, too slow or broken off. */
function readRequest(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.setEncoding('utf8');
    const timer = setTimeout(() => socket.destroy(), REQUEST_TIMEOUT_MS);
    socket.on('data', (part: string) => {
      text += part;
      if (text.length > MAX_REQUEST_CHARACTERS) socket.destroy();
    });
    socket.on('end', () => resolve(text));
    // The gateway may be gone with a reset by the time that it is read.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve('');
    });
  });
}

/** The request, `undefined` when it only asks whether the kernel lives, or text that says what is wrong with it. */
function parseRequest(text: string): GatewayRequest | string | undefined {
  let fields: { signum?: unknown; shutdown?: unknown } | null;
  try {
    fields = JSON.parse(text);
  } catch {
    return `${JSON.stringify(text.slice(0, 80))} is not JSON`;
  }
  if (typeof fields !== 'object' || fields === null) return `${text.slice(0, 80)} is not an object`;
  if (fields.shutdown) return { shutdown: true };
  if (fields.signum === 0) return undefined;
  const signal = SIGNALS[Number(fields.signum)];
  return signal ? { signal } : `signal ${JSON.stringify(fields.signum)}; 0, 2, 9 and 15 are passed on`;
}
