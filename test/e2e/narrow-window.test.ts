import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { codeNotebook } from './support/demo-notebook.js';
import { execute, openLab, openNotebook } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';

describe.skipIf(!hasChromium || !isBuilt)('narrow windows (needs Chromium and npm run build)', () => {
  let folder: string;
  let lab: LabProcess;
  let browser: WatchedPage;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fovea-narrow-'));
    writeFileSync(join(folder, 'a.ipynb'), codeNotebook({ one: '1 + 1' }));
    lab = await startLab(folder);
    browser = await openPage();
  });
  afterAll(async () => {
    await browser?.close();
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const width = (selector: string) =>
    browser.page
      .locator(selector)
      .evaluate((node) => (node.checkVisibility() ? node.getBoundingClientRect().width : 0));
  const notebook = () => width('#jp-main-dock-panel');
  const files = () => width('#jp-left-stack');
  const panel = () => width('#jp-right-stack');
  const open = async (pixels: number, workspace: string) => {
    const { page } = browser;
    await page.setViewportSize({ width: pixels, height: 800 });
    await openLab(page, `${lab.origin}/lab/workspaces/${workspace}?token=${lab.token}`);
    await openNotebook(page, 'a.ipynb');
  };

  it('both side areas make room for the notebook in a window of 420 pixels', async () => {
    await open(420, 'phone');
    await expect.poll(notebook).toBeGreaterThan(300);
    expect([await files(), await panel()]).toEqual([0, 0]);
  });

  it('also where JupyterLab is hidden when it is restored, as while a dark theme comes in', async () => {
    const { context } = browser;
    const page = await context.newPage();
    await page.setViewportSize({ width: 420, height: 800 });
    await page.addInitScript(() => {
      document.addEventListener('DOMContentLoaded', () => {
        const hidden = document.createElement('style');
        hidden.textContent = '#main { display: none !important; }';
        document.head.append(hidden);
        new MutationObserver(() => {
          if (document.body.dataset.labRestored) window.setTimeout(() => hidden.remove(), 300);
        }).observe(document.body, { attributes: true, attributeFilter: ['data-lab-restored'] });
      });
    });
    await openLab(page, `${lab.origin}/lab/workspaces/hidden?token=${lab.token}`);
    const room = () => page.locator('#jp-main-dock-panel').evaluate((node) => node.clientWidth);
    await expect.poll(room).toBeGreaterThan(300);
    await page.close();
  });

  it('one that is opened there stays open', async () => {
    await execute(browser.page, 'filebrowser:activate');
    await expect.poll(files).toBeGreaterThan(200);
    await browser.page.waitForTimeout(500);
    expect(await files()).toBeGreaterThan(200);
  });

  it('of both, the one that was opened last stays', async () => {
    await open(768, 'tablet');
    await execute(browser.page, 'filebrowser:activate');
    await execute(browser.page, 'fovea:open-panel');
    await expect.poll(files).toBe(0);
    expect(await panel()).toBeGreaterThan(200);
    expect(await notebook()).toBeGreaterThan(300);
    await execute(browser.page, 'filebrowser:activate');
    await expect.poll(panel).toBe(0);
    expect(await files()).toBeGreaterThan(200);
    expect(await notebook()).toBeGreaterThan(300);
  });

  it('a wide window keeps both, and makes room when it becomes narrow', async () => {
    await open(1200, 'desk');
    await execute(browser.page, 'filebrowser:activate');
    await execute(browser.page, 'fovea:open-panel');
    await expect.poll(panel).toBeGreaterThan(200);
    await browser.page.waitForTimeout(500);
    expect(await files()).toBeGreaterThan(200);
    await browser.page.setViewportSize({ width: 768, height: 800 });
    await expect.poll(notebook).toBeGreaterThan(300);
    expect(await panel()).toBeGreaterThan(200);
    expect(await files()).toBe(0);
  });

  it('a window that becomes narrow keeps its document, and not the file list alone', async () => {
    await open(1200, 'enlarged');
    await execute(browser.page, 'filebrowser:activate');
    await browser.page.locator('.jp-NotebookPanel .cm-content').first().click();
    expect(await files()).toBeGreaterThan(200);
    await browser.page.setViewportSize({ width: 320, height: 800 });
    await expect.poll(notebook).toBeGreaterThan(200);
    expect(await files()).toBe(0);
  });

  it('nor takes the area away in which somebody works', async () => {
    await open(1200, 'busy');
    await execute(browser.page, 'filebrowser:activate');
    await browser.page.locator('.jp-FileBrowser button').first().focus();
    await browser.page.setViewportSize({ width: 420, height: 800 });
    // What happens is due two frames after the window's event.
    await browser.page.waitForTimeout(500);
    expect(await files()).toBeGreaterThan(200);
  });

  it('shows all icons beside an area that is open in a window of 320 pixels', async () => {
    await open(320, 'small');
    const beyond = () =>
      browser.page
        .locator('.jp-SideBar .lm-TabBar-tab, .jp-SideBar .lm-TabBar-tabIcon')
        .evaluateAll((nodes) =>
          nodes
            .map((node) => node.getBoundingClientRect())
            .filter(({ width, left, right }) => width > 0 && (left < 0 || right > innerWidth)),
        );
    for (const command of ['fovea:open-panel', 'filebrowser:activate']) {
      await execute(browser.page, command);
      await expect.poll(command === 'fovea:open-panel' ? panel : files).toBeGreaterThan(200);
      await expect.poll(beyond).toEqual([]);
    }
  });
});
