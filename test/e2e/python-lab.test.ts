import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, openPage } from './support/chromium.js';
import { demoNotebook, savedDocuments } from './support/demo-notebook.js';
import { openNotebook } from './support/lab-page.js';
import { isBuilt } from './support/lab-process.js';
import { OVERLAY, saturation } from './support/pixels.js';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOVEA = join(ROOT, 'kernel/bin/fovea.js');
/** Which JupyterLab to test in; the oldest that is supported is 4.4.0. */
const VERSION = process.env.JUPYTERLAB ?? '>=4.4';
/** Kept between runs, as it takes a minute to make. */
const ENVIRONMENT = join(ROOT, 'test/output', `python-lab${VERSION.replace(/[^\d.]/g, '-')}`);
const bin = (name: string) => join(ENVIRONMENT, 'bin', name);

/** Makes a virtual environment with an unmodified JupyterLab; resolves to why that cannot be, or undefined. */
async function prepare(): Promise<string | undefined> {
  if (existsSync(bin('.ready'))) return undefined;
  const pinned = /^\d/.test(VERSION) ? `==${VERSION}` : VERSION;
  try {
    mkdirSync(join(ROOT, 'test/output'), { recursive: true });
    await run('python3', ['-m', 'venv', '--clear', ENVIRONMENT], { timeout: 120_000 });
    await run(bin('pip'), ['install', '--quiet', '--retries', '1', `jupyterlab${pinned}`, 'nbclient'], {
      timeout: 600_000,
    });
    writeFileSync(bin('.ready'), '');
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0] ?? 'failed';
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

const unavailable = isBuilt ? await prepare() : 'npm run build has not been run';
if (unavailable) process.stderr.write(`Not tested in a Python JupyterLab: ${unavailable}\n`);

/** The same labextension and kernel in the JupyterLab that people already have. */
describe.skipIf(unavailable !== undefined)('in a JupyterLab from pip (needs PyPI and npm run build)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-python-lab-'));
  const notebook = join(folder, 'demo.ipynb');
  /** Nothing of the user's own Jupyter may have a say here. */
  const env = {
    ...process.env,
    JUPYTER_DATA_DIR: join(folder, 'data'),
    JUPYTER_CONFIG_DIR: join(folder, 'config'),
    JUPYTER_RUNTIME_DIR: join(folder, 'runtime'),
    JUPYTER_PREFER_ENV_PATH: '1',
  };

  beforeAll(async () => {
    await run(process.execPath, [FOVEA, 'install', '--prefix', ENVIRONMENT]);
    writeFileSync(notebook, demoNotebook());
  });

  afterAll(async () => {
    await run(process.execPath, [FOVEA, 'uninstall', '--prefix', ENVIRONMENT]);
    rmSync(folder, { recursive: true, force: true });
  });

  it('jupyter labextension list shows the extension as OK', async () => {
    const { stdout, stderr } = await run(bin('jupyter'), ['labextension', 'list'], { env });
    const line = `${stdout}${stderr}`.split('\n').find((text) => text.includes('@fovea/lab'));
    expect(line).toContain('enabled');
    expect(line).toContain('OK');
  });

  it('jupyter kernelspec list shows the kernel', async () => {
    const { stdout } = await run(bin('jupyter'), ['kernelspec', 'list', '--json'], { env });
    const { kernelspecs } = JSON.parse(stdout);
    expect(kernelspecs.fovea.resource_dir).toBe(join(ENVIRONMENT, 'share/jupyter/kernels/fovea'));
    expect(kernelspecs.fovea.spec.language).toBe('typescript');
  });

  it('nbclient executes a notebook with the kernel', async () => {
    await run(bin('jupyter'), ['execute', '--inplace', '--timeout=120', notebook], { env, timeout: 170_000 });
    expect(savedDocuments(notebook).mimes).toEqual([
      ['application/vnd.fovea.masks.v1+json', 'image/png', 'text/plain'],
      ['application/vnd.fovea.latency.v1+json', 'image/png', 'text/plain'],
    ]);
  });

  it.skipIf(!hasChromium)('the browser shows the overlay of that notebook (needs Chromium)', async () => {
    const port = await freePort();
    const token = 'a-token-for-this-test';
    let output = '';
    const server: ChildProcess = spawn(
      bin('jupyter'),
      [
        'lab',
        '--no-browser',
        '--allow-root',
        '--ip=127.0.0.1',
        `--port=${port}`,
        `--IdentityProvider.token=${token}`,
        `--ServerApp.root_dir=${folder}`,
        '--LabApp.expose_app_in_browser=True',
        '--LabApp.news_url=None',
      ],
      { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [server.stdout, server.stderr]) {
      stream!.on('data', (chunk: Buffer) => {
        output += chunk.toString('utf8');
      });
    }
    const browser = await openPage({ width: 1500, height: 1000 });
    try {
      const url = `http://127.0.0.1:${port}/lab?token=${token}`;
      await expect
        .poll(
          () =>
            fetch(url).then(
              ({ status }) => status,
              () => output,
            ),
          { timeout: 90_000, interval: 250 },
        )
        .toBe(200);
      const { page } = browser;
      await page.goto(url, { waitUntil: 'domcontentloaded' });
      await page.waitForFunction(
        () =>
          (window as unknown as { jupyterapp?: { restored: Promise<void> } }).jupyterapp?.restored.then(
            () => true,
          ),
        null,
        { timeout: 90_000 },
      );
      await openNotebook(page, 'demo.ipynb');
      await page.waitForSelector(OVERLAY, { timeout: 60_000 });
      await page.waitForSelector('.jp-OutputArea .fovea-latency svg.main-svg', { timeout: 60_000 });
      const { blocks } = savedDocuments(notebook).masks.images[0]!;
      const { active, skipped } = await saturation(page, OVERLAY, blocks[0]!);
      expect(active).toBeGreaterThan(2 * skipped);
      mkdirSync(join(ROOT, 'test/output/lab'), { recursive: true });
      await page.screenshot({ path: join(ROOT, 'test/output/lab/python-lab.png') });
      expect(browser.errors.filter((text) => /fovea/i.test(text))).toEqual([]);
    } finally {
      await browser.close();
      server.kill('SIGTERM');
      await new Promise((resolve) => server.once('exit', resolve));
    }
  });

  it('fovea uninstall removes it again', async () => {
    await run(process.execPath, [FOVEA, 'uninstall', '--prefix', ENVIRONMENT]);
    const { stdout, stderr } = await run(bin('jupyter'), ['labextension', 'list'], { env });
    expect(`${stdout}${stderr}`).not.toContain('@fovea/lab');
    expect(readFileSync(notebook, 'utf8').length).toBeGreaterThan(1000);
  });
});
