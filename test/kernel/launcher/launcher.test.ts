// @module-tag process
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, readdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { freePort, TestKernel } from '../client.js';
import { isRunning, until, within } from '../waiting.js';
import { ask, FakeGateway } from './fake-gateway.js';

const entry = fileURLToPath(new URL('../../../kernel/bin/fovea.js', import.meta.url));

interface Launched {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly ended: Promise<number | string>;
  readonly log: () => string;
}

const children: ChildProcess[] = [];

function launch(
  words: readonly string[],
  env: Record<string, string> = {},
  user: { uid?: number; gid?: number } = {},
): Launched {
  const folder = temporaryFolder('fovea-launcher-');
  const child = spawn(process.execPath, [entry, 'launcher', ...words], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    // As over ssh: a group of its own, and a home that nothing else writes to.
    detached: true,
    ...user,
    env: { PATH: process.env.PATH!, HOME: folder, TMPDIR: folder, ...env },
  });
  children.push(child);
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      log += String(data);
    });
  }
  const ended = new Promise<number | string>((resolve) =>
    child.once('exit', (code, signal) => resolve(code ?? signal!)),
  );
  return { child, folder, ended, log: () => log };
}

/** Another user, where this one may act as others and they may read this installation. */
const nobody = (() => {
  const user = { uid: 65_534, gid: 65_534 };
  const { status } = spawnSync(process.execPath, [entry, '--version'], user);
  return status === 0 ? user : {};
})();

let gateway: FakeGateway | undefined;
let kernel: TestKernel | undefined;

afterEach(async () => {
  await kernel?.stop();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  gateway?.close();
  gateway = kernel = undefined;
});

/** Starts a kernel for a gateway and connects to it. */
async function started(
  words: (gateway: FakeGateway) => readonly string[],
  env: (gateway: FakeGateway) => Record<string, string> = () => ({}),
  user: { uid?: number; gid?: number } = {},
) {
  gateway = await FakeGateway.start();
  const launched = launch(words(gateway), env(gateway), user);
  const answer = await within(
    Promise.race([
      gateway.answered,
      launched.ended.then((code) => Promise.reject(new Error(`ended (${code}): ${launched.log()}`))),
    ]),
    30_000,
    'the answer of the launcher',
  );
  const curve = answer.curve_publickey && {
    publicKey: answer.curve_publickey,
    secretKey: answer.curve_secretkey,
  };
  const connection = { ...answer, ip: '127.0.0.1' };
  kernel = await TestKernel.attach(connection, launched.child, launched.folder, curve || undefined);
  return { ...launched, answer, kernel };
}

const asEnterpriseGateway = (range: string) => (to: FakeGateway) => [
  '--RemoteProcessProxy.kernel-id',
  'k-1',
  '--RemoteProcessProxy.response-address',
  to.address,
  '--RemoteProcessProxy.public-key',
  to.publicKey,
  '--RemoteProcessProxy.port-range',
  range,
  '--RemoteProcessProxy.spark-context-initialization-mode',
  'none',
];

const asProvisioner = (encryption: string) => (to: FakeGateway) => [
  ...['--kernel-id', 'k-2', '--response-address', to.address, '--public-key', to.publicKey],
  ...['--kernel-class-name', 'x.Y', '--port-range', '0..0', '--transport-encryption', encryption],
];

describe('a kernel that a gateway starts elsewhere', () => {
  it('answers with its connection and process, runs, is interrupted and ends', async () => {
    const low = 20_000 + Math.floor(Math.random() * 20_000);
    const { answer, kernel, child, ended, folder } = await started(
      asEnterpriseGateway(`${low}..${low + 999}`),
    );
    expect(answer).toMatchObject({
      ip: '0.0.0.0',
      transport: 'tcp',
      kernel_id: 'k-1',
      pid: child.pid,
      ...(process.platform === 'linux' ? { pgid: child.pid } : {}),
    });
    const ports = ['shell', 'iopub', 'stdin', 'control', 'hb', 'comm'].map((name) => answer[`${name}_port`]);
    expect(new Set(ports).size).toBe(6);
    for (const port of ports) expect(port >= low && port <= low + 999).toBe(true);
    // The key is known to the gateway alone: it is in no file.
    expect(readdirSync(folder).filter((name) => name.endsWith('.json'))).toEqual([]);

    expect((await kernel.execute('const a = 20; a * 2')).result).toBe('40');
    expect(await ask(answer.comm_port, '{"signum": 0}')).toBe('accepted');
    const cell = kernel.start('while (true) {}');
    await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === cell);
    await ask(answer.comm_port, '{"signum": 2}');
    expect((await kernel.finished(cell)).error!.ename).toBe('KeyboardInterrupt');
    expect((await kernel.execute('a')).result).toBe('20');

    await ask(answer.comm_port, '{"shutdown": 1}');
    expect(await within(ended, 10_000, 'the end of the kernel')).toBe(0);
    expect(await ask(answer.comm_port, '{"signum": 0}')).toBe('refused');
  });

  it('ends with SIGTERM, with its cells', async () => {
    const { answer, kernel, ended } = await started(asProvisioner(''));
    const { stdout } = await kernel.execute('console.log(process.pid); setInterval(() => {}, 1000);');
    await ask(answer.comm_port, '{"signum": 15}');
    expect(await within(ended, 10_000, 'the end of the kernel')).toBe(0);
    expect(isRunning(Number(stdout))).toBe(false);
  });

  it('ends with SIGKILL, and its cells after it', async () => {
    const { answer, kernel, ended } = await started(asProvisioner('disabled'));
    const { stdout } = await kernel.execute('console.log(process.pid); setInterval(() => {}, 1000);');
    await ask(answer.comm_port, '{"signum": 9}');
    expect(await within(ended, 10_000, 'the end of the kernel')).toBe('SIGKILL');
    expect(await ask(answer.comm_port, '{"signum": 0}')).toBe('refused');
    await until(() => !isRunning(Number(stdout)));
  });

  it('goes on when its terminal hangs up, and whatever else reaches its port', async () => {
    const { answer, kernel, child, log } = await started(asProvisioner('{transport_encryption}'));
    child.kill('SIGHUP');
    const comm = answer.comm_port;
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '"x"',
      '{"signum": "x"}',
      '{"signum": 10}',
      '{"signum": -9}',
    ]) {
      expect(await ask(comm, text)).toBe('accepted');
    }
    await ask(comm, 'x'.repeat(1_000_000)).catch(() => undefined);
    const silent = connect(comm, '127.0.0.1');
    const closed = new Promise((resolve) => silent.once('close', resolve));
    expect((await kernel.execute('6 * 7')).result).toBe('42');
    await within(closed, 20_000, 'the end of a connection that says nothing');
    expect(log()).toContain('signal 10; 0, 2, 9 and 15 are passed on');
    expect(log()).toContain('"{" is not JSON');
    expect(log()).not.toContain(answer.key);
  });

  it('encrypts its messages when asked to', async () => {
    const { answer, kernel } = await started(asProvisioner('required'));
    expect(answer.curve_publickey).toHaveLength(40);
    expect((await kernel.execute('"encrypted"')).result).toBe("'encrypted'");
  });

  it('takes everything from the environment, as in a container, without a home and as nobody', async () => {
    const work = temporaryFolder('fovea-work-');
    chmodSync(work, 0o755);
    const { answer, kernel } = await started(
      () => [],
      (to) => ({
        HOME: '/nonexistent',
        TMPDIR: tmpdir(),
        KERNEL_ID: 'k-3',
        EG_RESPONSE_ADDRESS: to.address,
        EG_PUBLIC_KEY: to.publicKey,
        EG_PORT_RANGE: '0..0',
        KERNEL_WORKING_DIR: work,
      }),
      nobody,
    );
    expect(answer.kernel_id).toBe('k-3');
    expect((await kernel.execute('process.cwd()')).result).toBe(`'${work}'`);
    expect((await kernel.execute('const rate: number = 0.5; rate')).result).toBe('0.5');
  });
});

describe('a launcher that cannot launch', () => {
  const key = new Promise<string>((resolve) => {
    void FakeGateway.start().then((one) => {
      one.close();
      resolve(one.publicKey);
    });
  });
  const words = async (changes: Record<string, string>) =>
    Object.entries({
      'kernel-id': 'k',
      'response-address': '127.0.0.1:1',
      'public-key': await key,
      ...changes,
    }).flatMap(([name, value]) => [`--${name}`, value]);

  it.each([
    [{ 'kernel-id': '' }, 'Neither --kernel-id nor KERNEL_ID is given'],
    [{ 'response-address': '127.0.0.1' }, '--response-address 127.0.0.1: HOST:PORT is accepted'],
    [{ 'response-address': 'a:70000' }, '--response-address a:70000: HOST:PORT is accepted'],
    [{ 'public-key': 'abc' }, '--public-key abc…: an RSA key'],
    [{ 'port-range': '5..7' }, '--port-range 5..7: LOW..HIGH'],
    [{ 'port-range': 'x' }, '--port-range x: LOW..HIGH'],
    [{ 'transport-encryption': 'maybe' }, '--transport-encryption maybe: auto, required or disabled'],
  ])('%o: says so and ends', async (changes, message) => {
    const { ended, log } = launch(await words(changes));
    expect(await ended).toBe(1);
    expect(log()).toContain(`fovea: ${message}`);
    expect(log().trim().split('\n')).toHaveLength(1);
  });

  it('says which ports are taken', async () => {
    const low = await freePort();
    const servers = Array.from({ length: 6 }, () => createServer());
    // A port that somebody else has is as good as taken.
    await Promise.all(
      servers.map((server, i) => {
        const listening = new Promise((resolve) => server.once('listening', resolve).once('error', resolve));
        server.listen(low + i);
        return listening;
      }),
    );
    try {
      const range = `${low}..${low + 5}`;
      const { ended, log } = launch(await words({ 'port-range': range }));
      expect(await ended).toBe(1);
      expect(log()).toContain(`Of the ports ${range} (--port-range) too few are free`);
    } finally {
      for (const server of servers) server.close();
    }
  });

  it('ends, kernel and all, when nobody takes its answer', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const { ended, log } = launch(await words({ 'response-address': address }));
    expect(await within(ended, 30_000, 'the end of the launcher')).toBe(1);
    expect(log()).toContain(`does not take the connection information at ${address}`);
  });
});
