// @module-tag process
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { curveKeyPair, Dealer } from 'zeromq';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { TestKernel } from '../client.js';
import { within } from '../waiting.js';

const entry = fileURLToPath(new URL('../../../kernel/bin/fovea.js', import.meta.url));

let kernel: TestKernel | undefined;
afterEach(async () => {
  await kernel?.stop();
  kernel = undefined;
});

describe('transports', () => {
  it('binds TCP on the address that the connection file names', async () => {
    kernel = await TestKernel.start({ transport: 'tcp' });
    expect((await kernel.execute('1 + 1')).result).toBe('2');
    expect(await kernel.heartbeat()).toBe('ping');
  });

  const outside = Object.values(networkInterfaces())
    .flat()
    .find((one) => one && !one.internal && one.family === 'IPv4');
  it.skipIf(!outside)(
    'is reached from another address than localhost when asked to (needs a network interface)',
    async () => {
      kernel = await TestKernel.start({ transport: 'tcp', ip: outside!.address });
      expect((await kernel.execute('"remote"')).result).toBe("'remote'");
    },
  );

  it('speaks CurveZMQ with the keys of the connection file, and to nobody without them', async () => {
    const curve = curveKeyPair();
    kernel = await TestKernel.start({ transport: 'tcp', curve });
    expect((await kernel.execute('"encrypted"')).result).toBe("'encrypted'");
    const stranger = new Dealer({ linger: 0, receiveTimeout: 500 });
    stranger.connect(TestKernel.address(kernel.connection, 'shell'));
    await stranger.send(kernel.frames('kernel_info_request', {}).frames as string[]);
    await expect(stranger.receive()).rejects.toThrow();
    stranger.close();
  });

  const namespace = `fovea-${randomBytes(3).toString('hex')}`;
  const canNamespace = () => {
    const made = spawnSync('ip', ['netns', 'add', namespace]).status === 0;
    if (made) spawnSync('ip', ['netns', 'del', namespace]);
    return made;
  };
  it.skipIf(!canNamespace())(
    'serves a client in another network namespace over plain ZeroMQ (needs ip netns)',
    async () => {
      const ip = (...words: string[]) => execFileSync('ip', words);
      const near = `fv${namespace.slice(-6)}a`;
      const far = `fv${namespace.slice(-6)}b`;
      ip('netns', 'add', namespace);
      try {
        ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far);
        ip('link', 'set', far, 'netns', namespace);
        ip('addr', 'add', '10.213.7.1/24', 'dev', near);
        ip('link', 'set', near, 'up');
        ip('netns', 'exec', namespace, 'ip', 'addr', 'add', '10.213.7.2/24', 'dev', far);
        ip('netns', 'exec', namespace, 'ip', 'link', 'set', far, 'up');
        kernel = await TestKernel.start({ transport: 'tcp', ip: '10.213.7.1' });
        const { frames } = kernel.frames('kernel_info_request', {});
        const script = `
        const { Dealer } = require(${JSON.stringify(require.resolve('zeromq'))});
        (async () => {
          const socket = new Dealer({ linger: 0, receiveTimeout: 8000 });
          socket.connect(${JSON.stringify(TestKernel.address(kernel.connection, 'shell'))});
          await socket.send(${JSON.stringify(frames)});
          const reply = await socket.receive();
          console.log(reply.map(String).join(' '));
          process.exit(0);
        })();`;
        const answer = execFileSync('ip', ['netns', 'exec', namespace, process.execPath, '-e', script], {
          encoding: 'utf8',
          timeout: 15_000,
        });
        expect(answer).toContain('kernel_info_reply');
      } finally {
        spawnSync('ip', ['netns', 'del', namespace]);
        spawnSync('ip', ['link', 'del', near]);
      }
    },
  );
});

describe('a kernel that a gateway starts', () => {
  it('needs no terminal, no stdin and no signal: a file, messages, and its end', async () => {
    // What a gateway's launcher does on another machine: it writes a connection file and runs the command.
    const folder = temporaryFolder('fk-');
    const connection = {
      transport: 'ipc',
      ip: join(folder, 'k'),
      shell_port: 1,
      iopub_port: 2,
      stdin_port: 3,
      control_port: 4,
      hb_port: 5,
      key: 'secret',
      signature_scheme: 'hmac-sha256',
    };
    const file = join(folder, 'connection.json');
    writeFileSync(file, JSON.stringify(connection));
    const launched = spawn(
      process.execPath,
      [entry, 'kernel', '-f', file, '--RemoteProcessProxy.port-range', '0..0'],
      {
        cwd: folder,
        stdio: 'ignore',
        detached: true,
        env: { PATH: process.env.PATH, HOME: folder },
      },
    );
    try {
      kernel = await TestKernel.attach(connection, launched, folder);
      const cell = kernel.start('while (true) {}');
      await kernel.wait(({ type, parent }) => type === 'execute_input' && parent.msg_id === cell);
      await kernel.interrupt();
      expect((await kernel.finished(cell)).error!.ename).toBe('KeyboardInterrupt');
      const ended = new Promise((resolve) => launched.once('exit', resolve));
      kernel.send('control', 'shutdown_request', { restart: false });
      expect(await within(ended, 10_000, 'the end of the kernel')).toBe(0);
    } finally {
      launched.kill('SIGKILL');
    }
  });
});
