import { readFileSync } from 'node:fs';
import { FoveaError } from '@fovea/engine/errors';
import { isJsonObject } from '../json-object.js';

/** What Jupyter's connection file says: where to bind, and the key that signs every message. */
export interface Connection {
  readonly transport: 'tcp' | 'ipc';
  readonly ip: string;
  readonly shell_port: number;
  readonly iopub_port: number;
  readonly stdin_port: number;
  readonly control_port: number;
  readonly hb_port: number;
  /** Empty: messages are not signed. */
  readonly key: string;
  readonly signature_scheme: string;
  /** CurveZMQ key pair (Z85), when the client asked for an encrypted transport. */
  readonly curve_publickey?: string;
  readonly curve_secretkey?: string;
}

export type Channel = 'shell' | 'iopub' | 'stdin' | 'control' | 'hb';

const ports = ['shell_port', 'iopub_port', 'stdin_port', 'control_port', 'hb_port'] as const;

/**
 * Reads and checks a connection file.
 *
 * @throws FoveaError `io` when the file cannot be read, `bad-file` when it is not a connection file.
 */
export function readConnection(path: string): Connection {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new FoveaError(
      'io',
      `cannot read the connection file ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      { cause: error },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FoveaError('bad-file', `the connection file ${path} is not JSON: ${(error as Error).message}`);
  }
  return checkConnection(value, path);
}

/** Checks the fields of a parsed connection file and fills in defaults. `path` is for messages only. */
export function checkConnection(value: unknown, path: string): Connection {
  const bad = (what: string): never => {
    throw new FoveaError('bad-file', `the connection file ${path} ${what}`);
  };
  if (!isJsonObject(value)) return bad('does not hold a JSON object');
  const fields = value;
  const transport = fields.transport ?? 'tcp';
  if (transport !== 'tcp' && transport !== 'ipc') {
    return bad(`names the transport ${JSON.stringify(transport)}; tcp and ipc are supported`);
  }
  for (const port of ports) {
    const number = fields[port];
    if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > 65535) {
      return bad(`has ${port} = ${JSON.stringify(number)}; an integer from 0 to 65535 is needed`);
    }
  }
  const scheme = fields.signature_scheme ?? 'hmac-sha256';
  if (typeof scheme !== 'string' || !/^hmac-\w+$/.test(scheme)) {
    return bad(`has signature_scheme ${JSON.stringify(scheme)}; hmac-sha256 is the usual one`);
  }
  for (const name of ['ip', 'key', 'curve_publickey', 'curve_secretkey']) {
    const text = fields[name];
    if (text !== undefined && text !== null && typeof text !== 'string')
      return bad(`has a ${name} that is not text`);
  }
  return {
    transport,
    ip: (fields.ip as string) || (transport === 'tcp' ? '127.0.0.1' : 'kernel-ipc'),
    shell_port: fields.shell_port as number,
    iopub_port: fields.iopub_port as number,
    stdin_port: fields.stdin_port as number,
    control_port: fields.control_port as number,
    hb_port: fields.hb_port as number,
    key: (fields.key as string) ?? '',
    signature_scheme: scheme,
    ...(fields.curve_secretkey && fields.curve_publickey
      ? {
          curve_publickey: fields.curve_publickey as string,
          curve_secretkey: fields.curve_secretkey as string,
        }
      : {}),
  };
}

/** The ZeroMQ address of a channel: `tcp://ip:port`, or `ipc://ip-port` (the `ip` is a path then). */
export function address(connection: Connection, channel: Channel): string {
  const port = connection[`${channel}_port`];
  return connection.transport === 'ipc'
    ? `ipc://${connection.ip}-${port}`
    : `tcp://${connection.ip.includes(':') && !connection.ip.startsWith('[') ? `[${connection.ip}]` : connection.ip}:${port}`;
}
