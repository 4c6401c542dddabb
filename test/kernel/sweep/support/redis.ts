import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';

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

/** A Redis server of one's own: it can be killed and started again with its data. */
export class TestRedis {
  readonly folder = mkdtempSync(join(tmpdir(), 'fovea-redis-'));
  #process: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly configuration: readonly string[],
  ) {}

  /** @param configuration lines of redis.conf beside port and folder */
  static async start(configuration: readonly string[] = ['save ""']): Promise<TestRedis> {
    const server = new TestRedis(await freePort(), configuration);
    await server.up();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async up(): Promise<void> {
    const file = join(this.folder, 'redis.conf');
    const lines = ['bind 127.0.0.1', `port ${this.port}`, `dir ${this.folder}`, ...this.configuration];
    writeFileSync(file, lines.join('\n'));
    this.#process = spawn('redis-server', [file], { stdio: 'ignore' });
    const client = new Redis({
      port: this.port,
      host: '127.0.0.1',
      lazyConnect: true,
      retryStrategy: () => null,
    });
    client.on('error', () => undefined);
    for (let i = 0; i < 200; i++) {
      try {
        await client.connect();
        // Without the right to ask, it has still answered.
        await client.ping().catch((error: Error) => {
          if (!/NOAUTH|NOPERM/.test(error.message)) throw error;
        });
        client.disconnect();
        return;
      } catch {
        await delay(50);
      }
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
