import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';

/** Whether this machine has a Redis server to test with. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether a server has loaded its data; one that wants a password first has answered as well. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.once('data', (reply) => {
      socket.destroy();
      resolve(!reply.toString().startsWith('-LOADING'));
    });
    socket.once('error', () => resolve(false));
  });
}

/** A Redis server of one's own: it can be killed and started again with its data. */
export class TestRedis {
  readonly folder = mkdtempSync(join(tmpdir(), 'fovea-redis-'));
  #process: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    /** Where it speaks TLS, if it does; asks clients for certificates there. */
    readonly tlsPort: number | undefined,
    private readonly configuration: readonly string[],
  ) {}

  /** @param configuration lines of redis.conf beside port and folder */
  static async start(
    configuration: readonly string[] = ['save ""'],
    { tls = false }: { readonly tls?: boolean } = {},
  ): Promise<TestRedis> {
    const server = new TestRedis(await freePort(), tls ? await freePort() : undefined, configuration);
    await server.up();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async up(): Promise<void> {
    const file = join(this.folder, 'redis.conf');
    const lines = ['bind 127.0.0.1', `port ${this.port}`, `dir ${this.folder}`, ...this.configuration];
    if (this.tlsPort !== undefined) lines.push(`tls-port ${this.tlsPort}`, 'tls-auth-clients yes');
    writeFileSync(file, lines.join('\n'));
    this.#process = spawn('redis-server', [file], { stdio: 'ignore' });
    for (let i = 0; i < 200; i++) {
      if (await answers(this.port)) return;
      await delay(50);
    }
    throw new Error('redis-server does not answer');
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async end(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs a server beside the tests of a file where there is Redis; returns the option that names it to commands. */
export function useQueue(): () => ['--queue', string] {
  let redis: TestRedis | undefined;
  beforeAll(async () => {
    if (hasRedis) redis = await TestRedis.start();
  });
  afterAll(() => redis?.end());
  return () => ['--queue', redis!.url];
}
