import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { openLab, openNotebook } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';

const RUN = 'document.body.dataset.ran = "yes"';

/** What docs/lab.md says of outputs: trusted or not, they run no scripts and do not take the page elsewhere. */
describe.skipIf(!hasChromium || !isBuilt)('trusted outputs (needs Chromium and npm run build)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-trusted-'));
  let lab: LabProcess;
  let browser: WatchedPage;

  beforeAll(async () => {
    lab = await startLab(folder);
    browser = await openPage();
  });
  afterAll(async () => {
    await browser?.close();
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Opens a trusted notebook whose one cell shows this, and waits until it is drawn. */
  const show = async (name: string, data: Record<string, string>) => {
    const output = { output_type: 'display_data', metadata: {}, data: { 'text/plain': 'as text', ...data } };
    const cell = { cell_type: 'code', id: 'a', metadata: {}, source: '', execution_count: 1 };
    const notebook = {
      cells: [{ ...cell, outputs: [output] }],
      metadata: {},
      nbformat: 4,
      nbformat_minor: 5,
    };
    writeFileSync(join(folder, name), JSON.stringify(notebook));
    const headers = { Authorization: `token ${lab.token}` };
    const trusted = await fetch(`${lab.origin}/api/contents/${name}/trust`, { method: 'POST', headers });
    expect(trusted.status).toBe(201);
    await openLab(browser.page, `${lab.origin}/lab/workspaces/${name.split('.')[0]}?token=${lab.token}`);
    await openNotebook(browser.page, name);
    await browser.page.waitForSelector('.jp-OutputArea-output');
  };
  const hasRun = () => browser.page.evaluate(() => document.body.dataset.ran);

  it.each([
    ['elsewhere', () => `${lab.origin.replace('localhost', '127.0.0.1')}/api`],
    ['to a page of this server that is not the lab', () => `${lab.origin}/api/status`],
  ])('a refresh %s is not followed', async (_, target) => {
    const html = `<p id="drawn">drawn</p><meta http-equiv="refresh" content="0; url=${target()}">`;
    const warned = browser.page.waitForEvent('console', (message) =>
      message.text().startsWith('Navigation to '),
    );
    await show('refresh.ipynb', { 'text/html': html });
    await browser.page.waitForSelector('#drawn');
    await warned;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(new URL(browser.page.url()).pathname).toMatch(/^\/lab\//);
    expect(await browser.page.isVisible('#drawn')).toBe(true);
  });

  it('scripts in HTML do not run', async () => {
    const html = `<p id="drawn">drawn</p><script>${RUN}</script><img src="none" onerror='${RUN}'>`;
    await show('html.ipynb', { 'text/html': html });
    await browser.page.waitForSelector('#drawn');
    expect(await hasRun()).toBeUndefined();
  });

  it('application/javascript does not run', async () => {
    await show('javascript.ipynb', { 'application/javascript': RUN });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await hasRun()).toBeUndefined();
    const shown = await browser.page.textContent('.jp-OutputArea-output');
    expect(shown).toBe('JavaScript output is disabled in JupyterLab');
  });

  it('the lab itself still moves between its pages', async () => {
    const { page } = browser;
    await openLab(page, `${lab.origin}/lab?token=${lab.token}`);
    await page.evaluate((url) => {
      window.location.href = url;
    }, `${lab.origin}/lab/workspaces/other`);
    await page.waitForURL('**/lab/workspaces/other');
    const download = page.waitForEvent('download');
    await page.evaluate(() => {
      const link = document.createElement('a');
      link.href = '/files/html.ipynb?download=1';
      link.download = '';
      link.click();
    });
    expect((await download).suggestedFilename()).toBe('html.ipynb');
  });
});
