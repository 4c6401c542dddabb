// @module-tag process
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, openPage, type WatchedPage } from '../../e2e/support/chromium.js';
import { execute, openLab, openNotebook, waitForKernel } from '../../e2e/support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from '../../e2e/support/lab-process.js';
import { sampleSweep } from '../support/samples';

const SOURCE = `const result = await fovea.sweep({
  name: 'lab', networks: ['quick-look'], rates: [0.25, 0.5], runs: 5, repeats: 500,
});
console.log(result.state, result.records.length > 0);`;

const NOTEBOOK = {
  cells: [{ id: 'a', cell_type: 'code', metadata: {}, source: SOURCE, outputs: [], execution_count: null }],
  metadata: { kernelspec: { name: 'fovea', display_name: 'Fovea (TypeScript)', language: 'typescript' } },
  nbformat: 4,
  nbformat_minor: 5,
};

const PATIENT = { timeout: 60_000 };

interface Lab {
  readonly jupyterapp: {
    readonly commands: { execute(command: string, args: unknown): Promise<unknown> };
    readonly shell: {
      readonly currentWidget: {
        readonly sessionContext: {
          readonly path: string;
          readonly session: { readonly kernel: { restart(): Promise<void> } };
        };
      };
    };
  };
}

describe.skipIf(!hasChromium || !isBuilt)('a sweep in a notebook (needs Chromium and a build)', () => {
  let folder: string;
  let lab: LabProcess;
  let browser: WatchedPage;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fovea-sweep-lab-'));
    process.env.FOVEA_DATA_DIR = join(folder, 'data');
    writeFileSync(join(folder, 'sweep.ipynb'), JSON.stringify(NOTEBOOK));
    lab = await startLab(folder);
    browser = await openPage({ width: 1300, height: 1300 });
    await openLab(browser.page, lab.urlOf());
    await openNotebook(browser.page, 'sweep.ipynb');
    await waitForKernel(browser.page);
  }, 120_000);

  afterAll(async () => {
    delete process.env.FOVEA_DATA_DIR;
    await browser?.close();
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('shows what comes in, and is paused, resumed and cancelled by its buttons', async () => {
    const { page } = browser;
    // Ends with the cell.
    const ran = execute(page, 'notebook:run-all-cells');
    const state = () => page.locator('.fovea-sweep > .fovea-subtitle').first().textContent();
    const press = (name: string) =>
      page.locator('.fovea-sweep').getByRole('button', { name, exact: true }).click();
    await expect.poll(state, PATIENT).toMatch(/^Running · [1-9]\d* of 1000 points completed/);
    await press('Pause');
    await expect.poll(state, PATIENT).toMatch(/^Paused/);
    await press('Resume');
    await expect.poll(state, PATIENT).toMatch(/^Running/);
    if (process.env.FOVEA_SCREENSHOTS)
      await page.screenshot({ path: `${process.env.FOVEA_SCREENSHOTS}/sweep-lab.png` });
    await press('Cancel');
    await ran;
    await expect.poll(state, PATIENT).toMatch(/^Cancelled/);
    await expect
      .poll(() => page.locator('.jp-OutputArea').first().textContent(), PATIENT)
      .toContain('cancelled true');
    expect(await page.locator('.fovea-sweep').getByRole('button', { name: 'Pause' }).count()).toBe(0);
  }, 180_000);

  it('is paused and cancelled from a view of its output, too, and from none after a restart of the kernel', async () => {
    const { page } = browser;
    await openNotebook(page, 'sweep.ipynb');
    void execute(page, 'notebook:run-all-cells');
    const shown = page.locator('.jp-NotebookPanel .fovea-sweep').first();
    const state = () => shown.locator('> .fovea-subtitle').first().textContent();
    await expect.poll(state, PATIENT).toMatch(/^Running · [1-9]/);
    await execute(page, 'notebook:create-output-view');
    const view = page.locator('.jp-LinkedOutputView .fovea-sweep');
    await view.getByRole('button', { name: 'Pause' }).click();
    await expect.poll(state, PATIENT).toMatch(/^Paused/);
    await view.getByRole('button', { name: 'Resume' }).click();
    await expect.poll(state, PATIENT).toMatch(/^Running/);
    await openNotebook(page, 'sweep.ipynb');
    await page.evaluate(async () => {
      const { shell } = (window as unknown as Lab).jupyterapp;
      await shell.currentWidget.sessionContext.session.kernel.restart();
    });
    await waitForKernel(page);
    await expect.poll(state, PATIENT).toMatch(/^Was running/);
    expect(
      await page
        .locator('.fovea-sweep')
        .getByRole('button', { name: /Pause|Cancel/ })
        .count(),
    ).toBe(0);
  }, 180_000);

  it('is paused and cancelled in a code console, too, by the keyboard', async () => {
    const { page } = browser;
    await execute(page, 'console:create', { kernelPreference: { name: 'fovea' }, activate: true });
    const console = page.locator('.jp-CodeConsole');
    await console.locator('.jp-CodeConsole-promptCell .cm-content').waitFor();
    await waitForKernel(page);
    await page.evaluate(
      (code) => {
        const { shell, commands } = (window as unknown as Lab).jupyterapp;
        void commands.execute('console:inject', { path: shell.currentWidget.sessionContext.path, code });
      },
      SOURCE.replace("name: 'lab'", "name: 'console'"),
    );
    const shown = console.locator('.fovea-sweep');
    const state = () => shown.locator('> .fovea-subtitle').first().textContent();
    await expect.poll(state, PATIENT).toMatch(/^Running · [1-9]/);
    await shown.getByRole('button', { name: 'Pause' }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(state, PATIENT).toMatch(/^Paused/);
    const focused = () => page.evaluate(() => document.activeElement!.textContent);
    await expect.poll(focused, PATIENT).toBe('Resume');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Cancel');
    await page.keyboard.press('Enter');
    await expect.poll(state, PATIENT).toMatch(/^Cancelled/);
    await page.keyboard.press('Escape');
    const isInPrompt = () =>
      page.evaluate(() => document.activeElement!.closest('.jp-CodeConsole-promptCell') !== null);
    expect(await isInPrompt()).toBe(true);
  }, 180_000);

  it('that is stored in a file says how it stood, and offers nothing that cannot be done', async () => {
    const { page } = browser;
    writeFileSync(join(folder, 'kept.fovea-sweep.json'), JSON.stringify(sampleSweep('running')));
    await execute(page, 'docmanager:open', { path: 'kept.fovea-sweep.json' });
    const shown = page.locator('.jp-MimeDocument .fovea-sweep');
    await expect.poll(() => shown.textContent(), PATIENT).toContain('Was running · 6 of 24 points');
    expect(await shown.getByRole('button', { name: /Pause|Cancel/ }).count()).toBe(0);
    expect(browser.errors.filter((error) => error.includes('@fovea'))).toEqual([]);
  }, 180_000);
});
