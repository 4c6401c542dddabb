import { setTimeout as delay } from 'node:timers/promises';
import type { RawData, WebSocket } from 'ws';
import { GOING_AWAY, NO_CODE, NORMAL, POLICY_VIOLATION, UNSUPPORTED_DATA } from '../close-codes.js';
import type { KernelClient } from './clients.js';
import { KeptMessages } from './kept-messages.js';
import type { Kernel } from './kernel.js';
import type { Message } from './message.js';
import { decodeLegacy, decodeV1, encodeLegacy, encodeV1, V1_PROTOCOL } from './websocket-codec.js';

/** A front end that does not read is cut off before its unread messages fill the memory. */
const MAX_UNREAD_BYTES = 256 * 2 ** 20;
/** Codes of a connection that the front end closed because it no longer wants it. */
const INTENDED = new Set([NORMAL, NO_CODE]);

/** How long the end of a connection may take to arrive behind the beginning of the next one. */
const FAREWELL_MS = 250;

function toBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

/** Tells the pings of this file from those that only look whether the connection is alive. */
const CONFIRM = Buffer.from('confirm');

/**
 * Keeps what is sent until it has arrived: a ping that is sent after messages is answered after they were read.
 * There is one ping under way at a time, so that a broken connection repeats no more than what one round trip takes.
 */
function confirmations(socket: WebSocket) {
  const unconfirmed = new KeptMessages();
  let covered = 0;
  let isUnderWay = false;
  const ping = () => {
    isUnderWay = true;
    covered = unconfirmed.end;
    socket.ping(CONFIRM);
  };
  socket.on('pong', (data) => {
    if (!CONFIRM.equals(data)) return;
    unconfirmed.dropUntil(covered);
    isUnderWay = false;
    if (unconfirmed.length > 0) ping();
  });
  return {
    unconfirmed,
    sent(message: Message) {
      unconfirmed.add(message);
      if (!isUnderWay) ping();
    },
  };
}

const isRestart = ({ channel, content }: Message): boolean =>
  channel === 'iopub' && content.includes('"execution_state":"restarting"');

/** Connects an open WebSocket with a kernel until either closes. */
export function joinKernel(socket: WebSocket, kernel: Kernel, session: string): void {
  const isV1 = socket.protocol === V1_PROTOCOL;
  const { unconfirmed, sent } = confirmations(socket);
  const send = (message: Message) => socket.send(isV1 ? encodeV1(message) : encodeLegacy(message));
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  let hasSuccessor = false;
  const client: KernelClient = {
    session,
    unconfirmed,
    deliver(message, isRepeat = false) {
      if (socket.readyState === socket.OPEN && socket.bufferedAmount > MAX_UNREAD_BYTES) {
        socket.close(POLICY_VIOLATION, 'The client does not read its messages');
      }
      if (socket.readyState === socket.OPEN) {
        send(message);
        // Front ends connect again when they hear of a restart: repeated each time, it would not end.
        if (!(isRepeat && isRestart(message))) sent(message);
      } else {
        // The connection is ending: this is for the front end's return.
        unconfirmed.add(message);
      }
    },
    close() {
      socket.close(GOING_AWAY, 'The kernel was shut down');
    },
    abandon: () => socket.terminate(),
    async succeeded() {
      hasSuccessor = true;
      await Promise.race([ended, delay(FAREWELL_MS)]);
    },
  };
  const receive = (data: RawData, isBinary: boolean) => {
    try {
      const bytes = toBuffer(data);
      if (isV1 && !isBinary) throw new Error('v1 messages are binary');
      kernel.send(isV1 ? decodeV1(bytes) : decodeLegacy(bytes, isBinary));
    } catch {
      socket.close(UNSUPPORTED_DATA, 'Malformed message');
    }
  };
  // Answers have to find the connection.
  const early: [RawData, boolean][] = [];
  let receives = (data: RawData, isBinary: boolean): void => {
    early.push([data, isBinary]);
  };
  socket.on('message', (data, isBinary) => receives(data, isBinary));
  socket.on('close', (code) => {
    const intended = INTENDED.has(code);
    // It has heard of the restart: that is why it closes this connection and opens another one.
    if (intended) unconfirmed.dropThose(isRestart);
    kernel.clients.remove(client, !intended || hasSuccessor);
  });
  socket.on('error', () => socket.terminate());
  const join = () => {
    if (socket.readyState !== socket.OPEN) return;
    if (kernel.isDisposed) {
      client.close();
      return;
    }
    send(kernel.greeting());
    kernel.clients.add(client);
    receives = receive;
    for (const [data, isBinary] of early) receive(data, isBinary);
  };
  const before = kernel.clients.of(session);
  if (before) void before.succeeded().then(join);
  else join();
}
