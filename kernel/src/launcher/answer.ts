import { constants, createCipheriv, type KeyObject, publicEncrypt, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FoveaError } from '@fovea/engine/errors';
import type { Connection } from '../protocol/connection.js';
import type { LaunchOptions } from './options.js';

/** What a gateway needs to reach a kernel, beside its connection. */
export interface KernelAddress {
  readonly pid: number;
  /** Process group, which a gateway signals by ssh when the listener does not answer. */
  readonly pgid?: number;
  /** Where the gateway sends signals. */
  readonly comm_port: number;
  readonly kernel_id: string;
}

const ATTEMPTS = 5;
const PAUSE_MS = 1000;
const TIMEOUT_MS = 10_000;

/**
 * The connection information as Enterprise Gateway and gateway_provisioners read it, payload version 1: encrypted
 * with AES-128 (ECB, PKCS#7), whose key is encrypted with the gateway's own (RSA, PKCS#1 v1.5).
 */
export function encodeAnswer(connection: Connection, address: KernelAddress, publicKey: KeyObject): string {
  const key = randomBytes(16);
  const cipher = createCipheriv('aes-128-ecb', key, null);
  const information = JSON.stringify({ ...connection, kernel_name: '', ...address });
  const payload = {
    version: 1,
    key: publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, key).toString('base64'),
    conn_info: Buffer.concat([cipher.update(information, 'utf8'), cipher.final()]).toString('base64'),
  };
  return Buffer.from(JSON.stringify(payload)).toString('base64');
}

/**
 * Sends the answer to the gateway. A container may run before its network does, hence several attempts.
 * @throws FoveaError `io` when the gateway cannot be reached
 */
export async function sendAnswer(answer: string, { host, port }: LaunchOptions['response']): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await sendOnce(answer, host, port);
      return;
    } catch (error) {
      if (attempt < ATTEMPTS) {
        await sleep(PAUSE_MS);
        continue;
      }
      throw new FoveaError(
        'io',
        `The gateway does not take the connection information at ${host}:${port} (--response-address): ${(error as Error).message}`,
        { cause: error },
      );
    }
  }
}

function sendOnce(answer: string, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: TIMEOUT_MS });
    socket.once('error', reject);
    socket.once('timeout', () => socket.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    // The end of the stream is the end of the message; nothing comes back.
    socket.end(answer, () => resolve());
  });
}
