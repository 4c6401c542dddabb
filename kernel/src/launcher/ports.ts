import { createServer, type Server } from 'node:net';
import { FoveaError } from '@fovea/engine/errors';
import type { PortRange } from './options.js';

/** All addresses of this machine: the gateway is on another one. */
export const EVERYWHERE = '0.0.0.0';

/**
 * Takes a free port, and holds it until the server that is returned is closed.
 * @throws FoveaError `io` when no port of the range is free
 */
export async function takePort(range: PortRange): Promise<Server> {
  for (const port of candidates(range)) {
    const server = await listen(port);
    if (server) return server;
  }
  throw new FoveaError('io', `Of the ports ${range.low}..${range.high} (--port-range) too few are free`);
}

/** All ports of a range from a random one on, so that kernels that start together seldom want the same. */
function candidates({ low, high }: PortRange): readonly number[] {
  if (low === high) return [0];
  const size = high - low + 1;
  const first = Math.floor(Math.random() * size);
  return Array.from({ length: size }, (_, i) => low + ((first + i) % size));
}

/** Listens on a port; `undefined` when it cannot be had. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(new FoveaError('io', `No port can be listened on: ${error.message}`, { cause: error }));
    });
    server.listen(port, EVERYWHERE, () => resolve(server));
  });
}
