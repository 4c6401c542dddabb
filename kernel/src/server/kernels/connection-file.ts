import { randomUUID } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { isRunning, makeFolder, processSpace, startOf } from '@fovea/engine/files';
import type { Connection } from '../../protocol/connection.js';
import { toHttpError } from '../http/errors.js';

/** The connection file that this server writes for a kernel. */
export interface ConnectionInfo extends Connection {
  readonly transport: 'tcp';
  readonly signature_scheme: 'hmac-sha256';
  readonly kernel_name: string;
  /** The process whose kernel it is; kernels end with it. */
  readonly lab: { readonly pid: number; readonly space: string; readonly start?: string | undefined };
}

/** Ports given out lately: two kernels that start at once must not get the same one. */
const given = new Set<number>();
const GIVEN_MS = 30_000;

function listen(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

/** Free loopback ports. All are held open until the last one is known, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = [];
  const ports: number[] = [];
  while (ports.length < count) {
    const server = await listen();
    held.push(server);
    const address = server.address();
    if (address === null || typeof address === 'string' || given.has(address.port)) continue;
    given.add(address.port);
    setTimeout(() => given.delete(address.port), GIVEN_MS).unref();
    ports.push(address.port);
  }
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Fresh ports and a fresh key for one start of a kernel. */
export async function createConnection(kernelName: string): Promise<ConnectionInfo> {
  const [shell, iopub, stdin, control, heartbeat] = await freePorts(5);
  return {
    transport: 'tcp',
    ip: '127.0.0.1',
    shell_port: shell!,
    iopub_port: iopub!,
    stdin_port: stdin!,
    control_port: control!,
    hb_port: heartbeat!,
    key: randomUUID(),
    signature_scheme: 'hmac-sha256',
    kernel_name: kernelName,
    lab: { pid: process.pid, space: processSpace, start: startOf(process.pid) },
  };
}

/**
 * Writes a connection file that only this user can read; resolves to its path.
 * @throws HttpError for what the file system refuses, as on a full disk; nothing is left behind
 */
export async function writeConnectionFile(
  folder: string,
  kernelId: string,
  connection: ConnectionInfo,
): Promise<string> {
  const file = join(folder, `kernel-${kernelId}.json`);
  try {
    makeFolder(folder, 0o700);
    await writeFile(file, JSON.stringify(connection, null, 2), { mode: 0o600 });
  } catch (error) {
    await rm(file, { force: true }).catch(() => undefined);
    throw toHttpError(error, 'a kernel needs a file in the state folder of the lab');
  }
  return file;
}

/** Removes the connection files, with their keys, that labs which were killed have left in a folder. */
export async function removeAbandonedConnections(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((one) => /^kernel-.*\.json$/.test(one))) {
    const file = join(folder, name);
    try {
      const { lab } = JSON.parse(await readFile(file, 'utf8')) as Partial<ConnectionInfo>;
      // Of another machine's or container's processes nothing is known here.
      if (lab?.space !== processSpace) continue;
      if (isRunning(lab.pid) && lab.start === startOf(lab.pid)) continue;
      await rm(file, { force: true });
    } catch {
      // What cannot be read or removed stays.
    }
  }
}
