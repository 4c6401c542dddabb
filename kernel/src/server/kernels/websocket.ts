import type { RawData, WebSocket } from 'ws';
import { GOING_AWAY, NO_CODE, NORMAL, POLICY_VIOLATION, UNSUPPORTED_DATA } from '../close-codes.js';
import type { KernelClient } from './clients.js';
import type { Kernel } from './kernel.js';
import { decodeLegacy, decodeV1, encodeLegacy, encodeV1, V1_PROTOCOL } from './websocket-codec.js';

/** A front end that does not read is cut off before its unread messages fill the memory. */
const MAX_UNREAD_BYTES = 256 * 2 ** 20;
/** Codes of a connection that the front end closed because it no longer wants it. */
const INTENDED = new Set([NORMAL, NO_CODE]);

function toBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

/** Connects an open WebSocket with a kernel until either closes. */
export function joinKernel(socket: WebSocket, kernel: Kernel, session: string): void {
  const isV1 = socket.protocol === V1_PROTOCOL;
  const client: KernelClient = {
    session,
    deliver(message) {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > MAX_UNREAD_BYTES) {
        socket.close(POLICY_VIOLATION, 'The client does not read its messages');
        return;
      }
      socket.send(isV1 ? encodeV1(message) : encodeLegacy(message));
    },
    close() {
      socket.close(GOING_AWAY, 'The kernel was shut down');
    },
  };
  socket.on('message', (data, isBinary) => {
    try {
      const bytes = toBuffer(data);
      if (isV1 && !isBinary) throw new Error('v1 messages are binary');
      kernel.send(isV1 ? decodeV1(bytes) : decodeLegacy(bytes, isBinary));
    } catch {
      socket.close(UNSUPPORTED_DATA, 'Malformed message');
    }
  });
  socket.on('close', (code) => kernel.clients.remove(client, !INTENDED.has(code)));
  socket.on('error', () => socket.terminate());
  client.deliver(kernel.greeting());
  kernel.clients.add(client);
}
