import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { sleep } from '../../kernel/waiting.js';
import { freePort } from './python-environment.js';

/** Another address of this machine, which programs take for another machine, unlike 127.0.0.1. */
const HOST = '127.0.0.2';
const SSHD = ['/usr/sbin/sshd', '/usr/bin/sshd'].find(existsSync);

/** Why there is no host to log in to. */
export const sshUnavailable =
  SSHD === undefined ? 'no sshd' : process.platform === 'linux' ? '' : 'not Linux';

/** A host that a gateway logs in to over ssh with a key; this machine under another address. */
export interface SshHost {
  readonly host: string;
  readonly port: number;
  /** Home folder of the person who logs in, with the key and the host's own. */
  readonly home: string;
  stop(): Promise<void>;
}

/** Starts an sshd of the test's own in a folder. */
export async function startSshHost(folder: string): Promise<SshHost> {
  const home = join(folder, 'home');
  const keys = join(home, '.ssh');
  mkdirSync(keys, { recursive: true, mode: 0o700 });
  const hostKey = join(folder, 'host-key');
  for (const file of [hostKey, join(keys, 'id_ed25519')]) {
    spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
  }
  copyFileSync(join(keys, 'id_ed25519.pub'), join(keys, 'authorized_keys'));
  chmodSync(join(keys, 'authorized_keys'), 0o600);
  const port = await freePort();
  const publicKey = readFileSync(`${hostKey}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
  // paramiko leaves the port out of the name where connect() is given one.
  writeFileSync(join(keys, 'known_hosts'), `${HOST} ${publicKey}\n[${HOST}]:${port} ${publicKey}\n`);
  const configuration = [
    `ListenAddress ${HOST}:${port}`,
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${join(keys, 'authorized_keys')}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'PermitRootLogin yes',
    `PidFile ${join(folder, 'sshd.pid')}`,
  ];
  writeFileSync(join(folder, 'sshd_config'), `${configuration.join('\n')}\n`);
  // As root it separates its privileges below this folder, which the system's service would make.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const log = join(folder, 'sshd.log');
  const words = ['-D', '-f', join(folder, 'sshd_config'), '-E', log];
  const server = spawn(SSHD!, words, { stdio: 'ignore' });
  for (let tries = 0; !(await isListening(port)); tries += 1) {
    if (tries === 100) throw new Error(`sshd does not listen: ${readFileSync(log, 'utf8')}`);
    await sleep(100);
  }
  return { host: HOST, port, home, stop: () => end(server) };
}

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, HOST, () => {
      socket.destroy();
      resolve(true);
    }).once('error', () => resolve(false));
  });

async function end(server: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGTERM');
  await ended;
}
