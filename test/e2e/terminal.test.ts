import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { openLab } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';

/** A labextension that only looks at what the page shares with it. */
function writeLabextension(folder: string): void {
  mkdirSync(join(folder, 'looks/static'), { recursive: true });
  const build = { load: 'static/remoteEntry.js' };
  const data = { name: 'looks', version: '1.0.0', jupyterlab: { _build: build } };
  writeFileSync(join(folder, 'looks/package.json'), JSON.stringify(data));
  writeFileSync(
    join(folder, 'looks/static/remoteEntry.js'),
    `window._JUPYTERLAB.looks = {
      init(scope) { document.documentElement.dataset.shared = Object.keys(scope).join(' '); },
    };`,
  );
}

describe.skipIf(!hasChromium || !isBuilt)('terminals in the lab (needs Chromium and npm run build)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-terminal-'));
  const work = join(folder, 'work');
  mkdirSync(work);
  writeLabextension(join(folder, 'labextensions'));
  let browser: WatchedPage;
  let lab: LabProcess | undefined;

  beforeEach(async () => {
    browser = await openPage();
  });
  afterEach(async () => {
    await browser.close();
    await lab?.stop();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const open = async (...options: string[]) => {
    lab = await startLab(work, options);
    await openLab(browser.page, lab.urlOf());
    await browser.page.waitForSelector('.jp-LauncherCard');
  };
  const card = () => browser.page.locator('.jp-LauncherCard:has-text("Terminal")');

  it('one opens from the launcher, and runs what is typed', async () => {
    await open('--labextensions', join(folder, 'labextensions'));
    await card().click();
    await browser.page.waitForSelector('.jp-Terminal .xterm');
    await browser.page.locator('.jp-Terminal').click();
    const made = () =>
      fetch(`${lab!.origin}/api/contents/made?token=${lab!.token}`).then(({ status }) => status);
    await browser.page.keyboard.type('mkdir made\n', { delay: 20 });
    await expect.poll(made).toBe(200);
    const shared = await browser.page.evaluate(() => document.documentElement.dataset.shared);
    expect(shared!.split(' ')).toEqual(
      expect.arrayContaining(['@jupyterlab/terminal', '@jupyterlab/docmanager']),
    );
    expect(browser.errors).toEqual([]);
  });

  it('the launcher shows none where they are off', async () => {
    await open('--no-terminals');
    expect(await card().count()).toBe(0);
    expect(browser.errors).toEqual([]);
  });
});
