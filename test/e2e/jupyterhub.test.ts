import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../kernel/waiting.js';
import { hasChromium, openPage } from './support/chromium.js';
import { checkKernel } from './support/kernel-steps.js';
import { openLab, openNotebook, waitForKernel } from './support/lab-page.js';
import { isBuilt } from './support/lab-process.js';
import {
  FOVEA,
  freePort,
  jupyterEnvironment,
  pythonEnvironment,
  ROOT,
  run,
} from './support/python-environment.js';
import { type ServerProcess, startServerProcess } from './support/server-process.js';

const python = await pythonEnvironment('jupyterhub', ['jupyterhub==6.1.1', 'jupyter_server==2.21.1']);
const PROXY_PACKAGE = 'configurable-http-proxy@5.3.0';
const PROXY_FOLDER = join(ROOT, 'test/output/jupyterhub-proxy');
const PROXY = join(PROXY_FOLDER, 'node_modules/.bin/configurable-http-proxy');

/** JupyterHub's proxy, kept between runs; resolves to why it cannot be had, or nothing. */
async function installProxy(): Promise<string | undefined> {
  if (existsSync(PROXY)) return undefined;
  mkdirSync(PROXY_FOLDER, { recursive: true });
  // Of its own, so that npm does not take the repository for its project.
  writeFileSync(join(PROXY_FOLDER, 'package.json'), '{"private":true}');
  try {
    await run('npm', ['install', '--no-audit', '--no-fund', PROXY_PACKAGE], { cwd: PROXY_FOLDER });
    return undefined;
  } catch (error) {
    return `${PROXY_PACKAGE}: ${(error as Error).message.split('\n')[0]}`;
  }
}

const unavailable = python.unavailable ?? (isBuilt ? await installProxy() : 'npm run build has not been run');
const unless = unavailable ? ` (skipped: ${unavailable})` : '';

const HUB_TOKEN = 'a-token-for-this-test';
const LAB_TOKEN = 'the-secret-of-the-lab';
const BASE = '/science/';

/** The script of docs/clusters.md, with which the Hub starts the built-in lab. */
const labScript = () => {
  const [, script] = /cat > fovea-lab\.sh <<'END'\n(.*?)\n {4}END/s.exec(
    readFileSync(join(ROOT, 'docs/clusters.md'), 'utf8'),
  )!;
  return `${script!.replaceAll(/^ {4}/gm, '').replace('exec fovea', `exec '${process.execPath}' '${FOVEA}'`)}\n`;
};

interface Ports {
  readonly proxy: number;
  readonly proxyApi: number;
  readonly hub: number;
}

/** The Hub with spawners that need neither accounts nor rights. Grace gets the built-in lab, others Jupyter Server. */
const configuration = (folder: string, ports: Ports) => `
c.JupyterHub.bind_url = 'http://127.0.0.1:${ports.proxy}${BASE}'
c.JupyterHub.hub_bind_url = 'http://127.0.0.1:${ports.hub}'
c.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:${ports.proxyApi}'
c.ConfigurableHTTPProxy.command = ['${process.execPath}', '${PROXY}']
c.ConfigurableHTTPProxy.pid_file = '${folder}/proxy.pid'
c.JupyterHub.cookie_secret_file = '${folder}/cookie-secret'
c.JupyterHub.db_url = 'sqlite:///${folder}/hub.sqlite'
c.JupyterHub.authenticator_class = 'dummy'
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = 'simple'
c.SimpleLocalProcessSpawner.home_dir_template = '${folder}/{username}'
c.Spawner.cmd = ['${python.bin('jupyterhub-singleuser')}']
c.Spawner.args = ['--allow-root']
c.Spawner.environment = ${JSON.stringify({
  ...Object.fromEntries(
    Object.entries(jupyterEnvironment(folder)).filter(([name]) => /^JUPYTER_|^FOVEA_/.test(name)),
  ),
  FOVEA_STATE_DIR: join(folder, 'state'),
})}
c.Spawner.start_timeout = c.Spawner.http_timeout = 120
def choose(spawner):
    if spawner.user.name == 'grace':
        spawner.cmd = ['${folder}/fovea-lab.sh']
        spawner.args = ['--expose-app']
        spawner.environment = {**spawner.environment, 'JUPYTER_TOKEN': '${LAB_TOKEN}'}
c.Spawner.pre_spawn_hook = choose
c.JupyterHub.services = [{'name': 'test', 'api_token': '${HUB_TOKEN}'}]
c.JupyterHub.load_roles = [{
    'name': 'test', 'services': ['test'], 'scopes': ['admin:users', 'admin:servers', 'access:servers'],
}]
`;

describe.skipIf(unavailable !== undefined)(`behind JupyterHub, its proxy and a base URL${unless}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-hub-'));
  let origin: string;
  let hub: ServerProcess;

  const ask = (method: string, path: string) =>
    fetch(`${origin}${BASE}hub/api${path}`, {
      method,
      // The proxy closes connections that have been idle, which a request may meet.
      headers: { Authorization: `token ${HUB_TOKEN}`, Connection: 'close' },
    });

  /** Has the Hub start a user's server; resolves to its address. */
  const startServerOf = async (user: string): Promise<string> => {
    await ask('POST', `/users/${user}`);
    await ask('POST', `/users/${user}/server`);
    const isReady = async () => {
      const { server } = (await (await ask('GET', `/users/${user}`)).json()) as { server: string | null };
      return server === `${BASE}user/${user}/`;
    };
    await until(isReady, 120_000).catch(() => {
      throw new Error(`no server of ${user}:\n${hub.log()}`);
    });
    return `${origin}${BASE}user/${user}/`;
  };

  beforeAll(async () => {
    await run(process.execPath, [FOVEA, 'install', '--prefix', python.prefix]);
    const ports = { proxy: await freePort(), proxyApi: await freePort(), hub: await freePort() };
    origin = `http://127.0.0.1:${ports.proxy}`;
    writeFileSync(join(folder, 'jupyterhub_config.py'), configuration(folder, ports));
    writeFileSync(join(folder, 'fovea-lab.sh'), labScript());
    chmodSync(join(folder, 'fovea-lab.sh'), 0o755);
    hub = await startServerProcess(python.bin('jupyterhub'), ['-f', join(folder, 'jupyterhub_config.py')], {
      env: { ...jupyterEnvironment(folder), CONFIGPROXY_AUTH_TOKEN: 'between-hub-and-proxy' },
      cwd: folder,
      url: `${origin}${BASE}hub/health`,
    });
  });

  afterAll(async () => {
    await ask('DELETE', '/users/ada/server');
    await ask('DELETE', '/users/grace/server');
    await hub.stop();
    await run(process.execPath, [FOVEA, 'uninstall', '--prefix', python.prefix]);
    rmSync(folder, { recursive: true, force: true });
  });

  it("a user's Jupyter server runs the kernel: cells, interrupt, restart, end", async () => {
    const baseUrl = await startServerOf('ada');
    await checkKernel({ baseUrl, token: HUB_TOKEN }, 'fovea');
  });

  describe('the built-in lab in place of it', () => {
    let baseUrl: string;
    beforeAll(async () => {
      baseUrl = await startServerOf('grace');
    });

    it('runs the kernel below its prefix, for those who have its token', async () => {
      expect((await fetch(`${baseUrl}api/contents`)).status).toBe(403);
      await checkKernel({ baseUrl, token: LAB_TOKEN }, 'fovea');
    });

    it.skipIf(!hasChromium)('opens a notebook in a browser and runs it (needs Chromium)', async () => {
      const cell = {
        cell_type: 'code',
        id: 'a',
        metadata: {},
        source: '6 * 7',
        outputs: [],
        execution_count: null,
      };
      const metadata = { kernelspec: { name: 'fovea', display_name: 'Fovea', language: 'typescript' } };
      const notebook = { nbformat: 4, nbformat_minor: 5, metadata, cells: [cell] };
      writeFileSync(join(folder, 'grace/a.ipynb'), JSON.stringify(notebook));
      const watched = await openPage();
      try {
        const { page } = watched;
        await openLab(page, `${baseUrl}lab?token=${LAB_TOKEN}`);
        await openNotebook(page, 'a.ipynb');
        await waitForKernel(page);
        await page.keyboard.press('Control+Enter');
        await page.locator('.jp-OutputArea-output', { hasText: '42' }).waitFor();
        expect(page.url()).toMatch(new RegExp(`^${baseUrl}lab\\b(?!.*token)`));
        expect(watched.errors).toEqual([]);
        expect(watched.foreign).toEqual([]);
      } finally {
        await watched.close();
      }
    });
  });
});
