import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, openPage } from './support/chromium.js';
import { demoNotebook, savedDocuments } from './support/demo-notebook.js';
import { execute, openNotebook, waitForKernel } from './support/lab-page.js';
import { OVERLAY, saturation } from './support/pixels.js';
import {
  FOVEA,
  freePort,
  jupyterEnvironment,
  labEnvironment,
  ROOT,
  run,
} from './support/python-environment.js';

const { prefix: ENVIRONMENT, unavailable, bin } = await labEnvironment();

/** The same labextension and kernel in the JupyterLab that people already have. */
describe.skipIf(unavailable !== undefined)('in a JupyterLab from pip (needs PyPI and npm run build)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-python-lab-'));
  const notebook = join(folder, 'demo.ipynb');
  const env = jupyterEnvironment(folder);

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

  it.skipIf(!hasChromium)(
    'the browser shows the overlay of that notebook, and its GPU computes what the kernel does (needs Chromium)',
    async () => {
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
      const browser = await openPage({ width: 1500, height: 1000, gpu: true });
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
        await page.waitForSelector(OVERLAY);
        await page.waitForSelector('.jp-OutputArea .fovea-latency svg.main-svg');
        const { blocks } = savedDocuments(notebook).masks.images[0]!;
        const { active, skipped } = await saturation(page, OVERLAY, blocks[0]!);
        expect(active).toBeGreaterThan(2 * skipped);
        mkdirSync(join(ROOT, 'test/output/lab'), { recursive: true });
        await page.screenshot({ path: join(ROOT, 'test/output/lab/python-lab.png') });
        await waitForKernel(page);
        await execute(page, 'fovea:open-panel');
        await page.getByRole('button', { name: 'Also on this browser’s GPU' }).click();
        await expect
          .poll(() => page.locator('.fovea-gpu p').textContent(), { timeout: 120_000 })
          .toMatch(/masks as the kernel’s in all [\d,]+ cells, output within \de-[5-9]|could not do this/);
        expect(await page.locator('.fovea-gpu p').textContent()).not.toContain('could not');
        await page.screenshot({ path: join(ROOT, 'test/output/lab/python-lab-gpu.png') });
        expect(browser.errors.filter((text) => /fovea/i.test(text))).toEqual([]);
      } finally {
        await browser.close();
        server.kill('SIGTERM');
        await new Promise((resolve) => server.once('exit', resolve));
      }
    },
  );

  it('fovea uninstall removes it again', async () => {
    await run(process.execPath, [FOVEA, 'uninstall', '--prefix', ENVIRONMENT]);
    const { stdout, stderr } = await run(bin('jupyter'), ['labextension', 'list'], { env });
    expect(`${stdout}${stderr}`).not.toContain('@fovea/lab');
    expect(readFileSync(notebook, 'utf8').length).toBeGreaterThan(1000);
  });
});
