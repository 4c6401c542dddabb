import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isRunning, until } from '../kernel/waiting.js';
import { checkKernel, execute, type ServerAddress, withKernel } from './support/kernel-steps.js';
import {
  FOVEA,
  freePort,
  jupyterEnvironment,
  type PythonEnvironment,
  pythonEnvironment,
  run,
} from './support/python-environment.js';
import { startServerProcess } from './support/server-process.js';
import { type SshHost, sshUnavailable, startSshHost } from './support/ssh-host.js';

/** In an environment of its own, because it needs an older jupyter_client than anything else. */
const enterpriseGateway = await pythonEnvironment('enterprise-gateway', ['jupyter_enterprise_gateway>=3.3']);
const provisioners = await pythonEnvironment('gateway-provisioners', [
  'jupyter_server==2.21.1',
  'gateway_provisioners>=0.5',
]);

const TOKEN = 'secret';

/** Starts a server in an environment, with a kernelspec of Fovea in it. */
async function withServer(
  python: PythonEnvironment,
  options: {
    readonly install: readonly string[];
    readonly words: (port: number) => readonly string[];
    readonly env: (folder: string) => NodeJS.ProcessEnv;
    readonly token?: string;
  },
  use: (server: ServerAddress, folder: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-gateway-'));
  await run(process.execPath, [FOVEA, 'install', '--prefix', python.prefix, ...options.install]);
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}/`;
  const server = await startServerProcess(python.bin('jupyter'), options.words(port), {
    env: { ...jupyterEnvironment(folder), ...options.env(folder) },
    cwd: folder,
    url: `${baseUrl}api`,
  });
  try {
    await use({ baseUrl, ...(options.token === undefined ? {} : { token: options.token }) }, folder);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${server.log().slice(-4000)}`, { cause: error });
  } finally {
    await server.stop();
    const gateway = options.install.slice(0, 2);
    await run(process.execPath, [FOVEA, 'uninstall', '--prefix', python.prefix, ...gateway]);
    rmSync(folder, { recursive: true, force: true });
  }
}

const enterpriseGatewayWords = (port: number) => [
  'enterprisegateway',
  '--EnterpriseGatewayApp.ip=127.0.0.1',
  `--EnterpriseGatewayApp.port=${port}`,
  '--EnterpriseGatewayApp.port_retries=0',
];

describe.skipIf(enterpriseGateway.unavailable !== undefined)(
  'Enterprise Gateway (needs PyPI, a Python that it supports, and npm run build)',
  () => {
    it('runs the kernel on its own machine: cells, interrupt, restart, end', () =>
      withServer(
        enterpriseGateway,
        // It starts no kernels for root unless configured to.
        { install: [], words: enterpriseGatewayWords, env: () => ({ EG_UNAUTHORIZED_USERS: 'nobody' }) },
        (server) => checkKernel(server, 'fovea'),
      ));
  },
);

interface Remote {
  readonly name: string;
  readonly python: PythonEnvironment;
  readonly kernel: 'eg' | 'gp';
  readonly words: (port: number) => readonly string[];
  readonly token?: string;
  /** Whether it asks for messages that nobody on the way can read. */
  readonly encrypted: boolean;
}

const remotes: Remote[] = [
  {
    name: 'Enterprise Gateway',
    python: enterpriseGateway,
    kernel: 'eg',
    words: enterpriseGatewayWords,
    encrypted: false,
  },
  {
    name: 'gateway_provisioners in Jupyter Server',
    python: provisioners,
    kernel: 'gp',
    words: (port) =>
      [
        'server',
        '--no-browser',
        '--allow-root',
        '--ServerApp.ip=127.0.0.1',
        `--ServerApp.port=${port}`,
      ].concat(`--IdentityProvider.token=${TOKEN}`, '--KernelManager.transport_encryption=required'),
    token: TOKEN,
    encrypted: true,
  },
];

describe.each(remotes)(
  '$name, with the kernel on another host',
  ({ python, kernel: kind, words, token, encrypted }) => {
    const missing = python.unavailable ?? sshUnavailable;
    const it_ = it.skipIf(missing !== '');
    const prefix = kind.toUpperCase();

    /** What the gateway has to know about the host. */
    const environment = (remote: SshHost, responsePort: number) => (folder: string) => ({
      HOME: remote.home,
      [`${prefix}_SSH_PORT`]: String(remote.port),
      [`${prefix}_RESPONSE_IP`]: '127.0.0.1',
      [`${prefix}_RESPONSE_PORT`]: String(responsePort),
      [`${prefix}_KERNEL_LOG_DIR`]: folder,
      [`${prefix}_UNAUTHORIZED_USERS`]: 'nobody',
    });

    const withRemote = async (use: (server: ServerAddress, folder: string) => Promise<void>) => {
      const base = mkdtempSync(join(tmpdir(), 'fovea-ssh-'));
      mkdirSync(base, { recursive: true });
      const remote = await startSshHost(base);
      try {
        const install = ['--gateway', kind, '--remote-hosts', remote.host];
        const env = environment(remote, await freePort());
        await withServer(python, { install, words, env, ...(token ? { token } : {}) }, use);
      } finally {
        await remote.stop();
        rmSync(base, { recursive: true, force: true });
      }
    };

    it_(`starts it over ssh: cells, interrupt, restart, end${missing && ` (skipped: ${missing})`}`, () =>
      withRemote(async (server, folder) => {
        await checkKernel(server, `fovea-${kind}`);
        let pids: number[] = [];
        await withKernel(server, `fovea-${kind}`, async (kernel) => {
          pids = JSON.parse((await execute(kernel, '[process.pid, process.ppid]'))!) as number[];
          await kernel.shutdown();
        });
        await until(() => !pids.some(isRunning));
        // The log that the gateway keeps on the host.
        const logs = readdirSync(folder).filter((name) => name.endsWith('.log'));
        const text = logs.map((name) => readFileSync(join(folder, name), 'utf8')).join('');
        expect(text).toContain(`is ready${encrypted ? ', encrypted' : ''}; its gateway is at 127.0.0.1`);
      }),
    );
  },
);
