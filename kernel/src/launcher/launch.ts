import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import { FoveaError } from '@fovea/engine/errors';
import { curveKeyPair } from 'zeromq';
import { type RunningKernel, startKernel } from '../execution/host/main.js';
import { groupOf } from '../execution/process-sessions.js';
import type { Connection } from '../protocol/connection.js';
import { encodeAnswer, sendAnswer } from './answer.js';
import { type GatewayRequest, obeyGateway } from './listener.js';
import type { LaunchOptions, PortRange } from './options.js';
import { EVERYWHERE, takePort } from './ports.js';

/** How often other ports are tried when one is taken between its choice and its use. */
const ATTEMPTS = 5;

/**
 * Starts a kernel for a gateway on another machine, sends it the connection, and follows its requests until the kernel
 * ends. The kernel runs in this process itself: once it has gone, nothing accepts the gateway's connections.
 *
 * @param log called with lines for an operator; never with a key
 * @throws FoveaError `io` when there are no ports, or the gateway cannot be reached; the kernel has ended then
 */
export async function launch(options: LaunchOptions, log: (line: string) => void): Promise<void> {
  enterWorkingFolder(process.env.KERNEL_WORKING_DIR, log);
  // A gateway starts kernels with nohup, but Node takes back what it inherits about signals.
  process.on('SIGHUP', () => undefined);
  const listener = await takePort(options.ports);
  try {
    const { connection, kernel } = await startOnFreePorts(options);
    obeyGateway(listener, {
      onRequest: (request) => {
        log(`the gateway asks for ${'signal' in request ? request.signal : 'the end'}`);
        obey(request, kernel);
      },
      onLog: log,
    });
    const pgid = groupOf(process.pid);
    const address = {
      pid: process.pid,
      ...(pgid === undefined ? {} : { pgid }),
      comm_port: portOf(listener),
      kernel_id: options.kernelId,
    };
    try {
      await sendAnswer(encodeAnswer(connection, address, options.publicKey), options.response);
      const how = options.encrypted ? 'ready, encrypted' : 'ready';
      log(`kernel ${options.kernelId} is ${how}; its gateway is at ${options.response.host}`);
    } catch (error) {
      await kernel.shutdown();
      throw error;
    }
    await kernel.ended;
  } finally {
    listener.close();
  }
}

/** The folder that the gateway's client works in, when this machine has it too. */
function enterWorkingFolder(folder: string | undefined, log: (line: string) => void): void {
  if (!folder) return;
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) process.chdir(folder);
  else log(`KERNEL_WORKING_DIR ${folder} is not a folder here; the kernel works in ${process.cwd()}`);
}

function obey(request: GatewayRequest, kernel: RunningKernel): void {
  if ('shutdown' in request || request.signal === 'SIGTERM') void kernel.shutdown();
  else if (request.signal === 'SIGINT') void kernel.interrupt();
  else process.kill(process.pid, 'SIGKILL');
}

async function startOnFreePorts({
  ports,
  encrypted,
}: LaunchOptions): Promise<{ connection: Connection; kernel: RunningKernel }> {
  const curve = encrypted ? curveKeyPair() : undefined;
  const secrets = {
    key: randomUUID(),
    signature_scheme: 'hmac-sha256',
    ...(curve && { curve_publickey: curve.publicKey, curve_secretkey: curve.secretKey }),
  };
  for (let attempt = 1; ; attempt += 1) {
    const connection: Connection = {
      transport: 'tcp',
      ip: EVERYWHERE,
      ...(await freeChannelPorts(ports)),
      ...secrets,
    };
    try {
      return { connection, kernel: await startKernel(connection) };
    } catch (error) {
      const isTaken = error instanceof FoveaError && error.code === 'io';
      if (!isTaken || attempt === ATTEMPTS) throw error;
    }
  }
}

const CHANNEL_PORTS = ['shell_port', 'iopub_port', 'stdin_port', 'control_port', 'hb_port'] as const;

/** Ports that were free a moment ago, one for each channel. */
async function freeChannelPorts(range: PortRange): Promise<Record<(typeof CHANNEL_PORTS)[number], number>> {
  const held: Server[] = [];
  try {
    for (const _ of CHANNEL_PORTS) held.push(await takePort(range));
    const ports = CHANNEL_PORTS.map((name, i) => [name, portOf(held[i]!)] as const);
    return Object.fromEntries(ports) as Record<(typeof CHANNEL_PORTS)[number], number>;
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;
