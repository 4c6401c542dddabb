import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { execute, openLab, openNotebook, save, waitForKernel } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';

/** A disk of a few hundred kilobytes, where the system lets us make one; the lab's folder in these tests. */
const folder = mkdtempSync(join(tmpdir(), 'fovea-faults-'));
const hasDisk = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', folder]).status === 0;
afterAll(() => {
  if (hasDisk) spawnSync('umount', ['-l', folder]);
  rmSync(folder, { recursive: true, force: true });
});

const notebook = (source: string, outputs: readonly unknown[] = []) =>
  JSON.stringify({
    cells: [{ id: 'one', cell_type: 'code', metadata: {}, source, outputs, execution_count: null }],
    metadata: { kernelspec: { name: 'fovea', display_name: 'Fovea (TypeScript)', language: 'typescript' } },
    nbformat: 4,
    nbformat_minor: 5,
  });

/** What must not go wrong when something else does, as a person in front of the browser sees it. */
describe.skipIf(!hasChromium || !isBuilt)('faults in the lab (needs Chromium and npm run build)', () => {
  let lab: LabProcess;
  let browser: WatchedPage;
  let page: Page;

  beforeAll(async () => {
    lab = await startLab(folder);
  });
  afterAll(() => lab?.stop());

  beforeEach(async () => {
    browser = await openPage();
    page = browser.page;
  });
  afterEach(() => browser.close());

  const headers = () => ({ Authorization: `token ${lab.token}` });
  let workspaces = 0;
  /** Opens a notebook in a layout of its own. */
  const open = async (target: Page, path: string) => {
    workspaces += 1;
    await openLab(target, `${lab.origin}/lab/workspaces/w${workspaces}?token=${lab.token}`);
    await openNotebook(target, path);
  };
  const type = async (target: Page, text: string) => {
    await target.locator('.jp-Notebook .jp-CodeCell .cm-content').first().click();
    await target.keyboard.press('Control+A');
    await target.keyboard.type(text);
  };
  const dialog = (target: Page) => target.locator('.jp-Dialog-content');
  const source = (name: string) =>
    [JSON.parse(readFileSync(join(folder, name), 'utf8')).cells[0].source].flat().join('');

  it('a killed kernel is reported and replaced, and the notebook keeps everything', async () => {
    writeFileSync(join(folder, 'killed.ipynb'), notebook("console.log('before');"));
    await open(page, 'killed.ipynb');
    await waitForKernel(page);
    await execute(page, 'notebook:run-all-cells');
    await page.waitForSelector('.jp-OutputArea-output >> text=before');
    const [kernel] = await (await fetch(`${lab.origin}/api/kernels`, { headers: headers() })).json();
    const pids = spawnSync('pgrep', ['-f', `kernel-${kernel.id}.json`], { encoding: 'utf8' }).stdout;
    for (const pid of pids.trim().split('\n')) process.kill(Number(pid), 'SIGKILL');
    await expect
      .poll(() => dialog(page).allInnerTexts())
      .toEqual([expect.stringContaining('appears to have died')]);
    await page.locator('.jp-Dialog').getByRole('button', { name: 'Ok' }).click();
    await waitForKernel(page);
    expect(await page.locator('.jp-OutputArea-output').allInnerTexts()).toEqual([
      expect.stringContaining('before'),
    ]);
    await type(page, "console.log('after');");
    await execute(page, 'notebook:run-all-cells');
    await page.waitForSelector('.jp-OutputArea-output >> text=after');
    await save(page);
    expect(source('killed.ipynb')).toBe("console.log('after');");
  });

  it('cells that are run as soon as their notebook is open run all, without a question', async () => {
    writeFileSync(join(folder, 'early.ipynb'), notebook("console.log('early');"));
    await open(page, 'early.ipynb');
    void execute(page, 'notebook:run-all-cells').catch(() => undefined);
    await page.waitForSelector('.jp-OutputArea-output >> text=early');
    expect(await dialog(page).count()).toBe(0);
  });

  it('50 MB of output leave the page responsive and end in a note', async () => {
    writeFileSync(
      join(folder, 'large.ipynb'),
      notebook("for (let i = 0; i < 500; i++) console.log('x'.repeat(100_000));\nconsole.log('end');"),
    );
    await open(page, 'large.ipynb');
    await waitForKernel(page);
    await execute(page, 'notebook:run-all-cells');
    await page.waitForSelector('.jp-OutputArea-output >> text=/wrote more than 2 MB/');
    await waitForKernel(page);
    const started = performance.now();
    await type(page, 'const still = 1;');
    await page.waitForFunction(() =>
      document.querySelector('.jp-Notebook .cm-content')?.textContent?.includes('const still = 1;'),
    );
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(browser.errors).toEqual([]);
  });

  it('two tabs that edit one notebook: the second to save is asked, and nothing is lost unasked', async () => {
    writeFileSync(join(folder, 'both.ipynb'), notebook('// original'));
    const other = await openPage();
    try {
      await open(page, 'both.ipynb');
      await open(other.page, 'both.ipynb');
      await type(page, '// first tab');
      await save(page);
      expect(source('both.ipynb')).toBe('// first tab');
      await type(other.page, '// second tab');
      const saving = execute(other.page, 'docmanager:save').catch(() => undefined);
      await expect
        .poll(() => dialog(other.page).allInnerTexts())
        .toEqual([expect.stringMatching(/changed on disk/)]);
      expect(source('both.ipynb')).toBe('// first tab');
      await other.page.locator('.jp-Dialog').getByRole('button', { name: 'Overwrite' }).click();
      await saving;
      await expect.poll(() => source('both.ipynb')).toBe('// second tab');
    } finally {
      await other.close();
    }
  });

  it.skipIf(!hasDisk)(
    'a full disk is reported, and the file on it stays as it was (needs leave to mount)',
    async () => {
      writeFileSync(join(folder, 'full.ipynb'), notebook('// precious'));
      await open(page, 'full.ipynb');
      await type(page, '// too late');
      const filler = join(folder, 'filler.bin');
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1k', 'count=600']);
      void execute(page, 'docmanager:save').catch(() => undefined);
      await expect
        .poll(() => dialog(page).allInnerTexts())
        .toEqual([expect.stringContaining('The disk is full')]);
      expect(source('full.ipynb')).toBe('// precious');
      rmSync(filler);
      await page.locator('.jp-Dialog-footer button').last().click();
      await save(page);
      expect(source('full.ipynb')).toBe('// too late');
    },
  );

  const ATTACK = [
    '<p>harmless text</p>',
    '<script>window.stolen = document.cookie</script>',
    '<img src="/nothing.png" onerror="window.stolen = document.cookie">',
    '<script src="/files/attack.js"></script>',
    '<iframe srcdoc="<script>parent.stolen = 1</script>"></iframe>',
    '<svg onload="window.stolen = 1"></svg>',
  ].join('');

  const stolen = (target: Page) => target.evaluate(() => (window as unknown as { stolen?: unknown }).stolen);

  it('HTML in the output of a notebook from elsewhere runs nothing', async () => {
    writeFileSync(join(folder, 'attack.js'), 'window.stolen = document.cookie;');
    const output = { output_type: 'display_data', data: { 'text/html': ATTACK }, metadata: {} };
    writeFileSync(join(folder, 'received.ipynb'), notebook('', [output]));
    await open(page, 'received.ipynb');
    await page.waitForSelector('.jp-OutputArea-output >> text=harmless text');
    await page.waitForTimeout(1000);
    expect(await stolen(page)).toBeUndefined();
  });

  it('HTML that a cell just made runs no script either, and finds neither token nor login', async () => {
    writeFileSync(join(folder, 'attack.js'), 'window.stolen = document.cookie;');
    writeFileSync(
      join(folder, 'made.ipynb'),
      notebook(`fovea.display(fovea.html(${JSON.stringify(ATTACK)}));`),
    );
    await open(page, 'made.ipynb');
    await waitForKernel(page);
    await execute(page, 'notebook:run-all-cells');
    await page.waitForSelector('.jp-OutputArea-output >> text=harmless text');
    await page.waitForTimeout(1000);
    expect(await stolen(page)).toBeUndefined();
    const within = await page.evaluate(() => ({
      cookie: document.cookie,
      page: document.documentElement.outerHTML,
      storage: JSON.stringify({ ...localStorage, ...sessionStorage }),
    }));
    expect(within.cookie).toMatch(/^_xsrf=[0-9a-f]+$/);
    for (const text of Object.values(within)) expect(text).not.toContain(lab.token);
    expect(browser.foreign).toEqual([]);
  });

  it("a file of the user's, opened as a page, cannot use the login", async () => {
    writeFileSync(
      join(folder, 'page.html'),
      `<p id="result">waiting</p><script>
        fetch('/api/contents').then((answer) => answer.text()).then(
          (text) => { document.getElementById('result').textContent = 'read ' + text.slice(0, 20); },
          () => { document.getElementById('result').textContent = 'refused'; });
      </script>`,
    );
    await openLab(page, `${lab.origin}/lab/workspaces/page?token=${lab.token}`);
    await page.goto(`${lab.origin}/files/page.html`);
    await expect.poll(() => page.locator('#result').textContent()).toBe('refused');
  });
});
