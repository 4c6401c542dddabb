import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { execute, openLab, openNotebook, save, waitForKernel } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';

const NOTEBOOK = {
  cells: [
    { id: 'a', cell_type: 'markdown', metadata: {}, source: '# Title\n\n$e=mc^2$' },
    {
      id: 'b',
      cell_type: 'code',
      metadata: {},
      source: "console.log('sum', 40 + 2);",
      outputs: [],
      execution_count: null,
    },
  ],
  metadata: { kernelspec: { name: 'fovea', display_name: 'Fovea (TypeScript)', language: 'typescript' } },
  nbformat: 4,
  nbformat_minor: 5,
};

describe.skipIf(!hasChromium || !isBuilt)('the lab in a browser (needs Chromium and a build)', () => {
  let folder: string;
  let lab: LabProcess;
  let browser: WatchedPage;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fovea-e2e-'));
    writeFileSync(join(folder, 'demo.ipynb'), JSON.stringify(NOTEBOOK));
    lab = await startLab(folder);
    browser = await openPage();
  });

  afterAll(async () => {
    await browser?.close();
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('starts, and takes the token out of the address', async () => {
    await openLab(browser.page, lab.urlOf());
    expect(browser.page.url()).not.toContain(lab.token);
    expect(new URL(browser.page.url()).pathname).toBe('/lab');
  });

  it('opens a notebook, runs it in the Fovea kernel and saves it', async () => {
    const { page } = browser;
    await openNotebook(page, 'demo.ipynb');
    await waitForKernel(page);
    await execute(page, 'notebook:run-all-cells');
    await page.waitForSelector('.jp-OutputArea-output >> text=sum 42', { timeout: 30_000 });
    await save(page);
  });

  it('does all this without a console error and without a request that leaves the machine', () => {
    expect(browser.errors).toEqual([]);
    expect(browser.foreign).toEqual([]);
  });
});
