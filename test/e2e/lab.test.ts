import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { demoNotebook, savedDocuments } from './support/demo-notebook.js';
import { execute, isDirty, openLab, openNotebook, save, waitForKernel } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';
import { OVERLAY, picture, saturation } from './support/pixels.js';

/** Screenshots to look at. */
const SHOTS = fileURLToPath(new URL('../output/lab/', import.meta.url));

/** One person's way through the lab, each step going on where the last one ended. */
describe.skipIf(!hasChromium || !isBuilt)('the lab in a browser (needs Chromium and npm run build)', () => {
  let folder: string;
  let file: string;
  let lab: LabProcess;
  let browser: WatchedPage;
  let drawn: string;

  beforeAll(async () => {
    mkdirSync(SHOTS, { recursive: true });
    folder = mkdtempSync(join(tmpdir(), 'fovea-e2e-'));
    file = join(folder, 'demo.ipynb');
    writeFileSync(file, demoNotebook());
    lab = await startLab(folder);
    browser = await openPage({ width: 1500, height: 1000 });
  });

  afterAll(async () => {
    await browser?.close();
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const shot = (name: string) => browser.page.screenshot({ path: join(SHOTS, `${name}.png`) });
  const figure = (which: 'predicted' | 'measured') =>
    browser.page.locator(`.fovea-mod-${which} .fovea-number`).textContent();
  const openPanel = async () => {
    await execute(browser.page, 'fovea:open-panel');
    await expect.poll(() => figure('predicted')).toMatch(/\d ms$/);
  };

  it('starts, and takes the token out of the address', async () => {
    await openLab(browser.page, lab.urlOf());
    expect(browser.page.url()).not.toContain(lab.token);
    expect(new URL(browser.page.url()).pathname).toBe('/lab');
  });

  it('opens a notebook and runs all of it: masks and latencies appear', async () => {
    const { page } = browser;
    await openNotebook(page, 'demo.ipynb');
    await waitForKernel(page);
    await execute(page, 'notebook:run-all-cells');
    await page.waitForSelector(OVERLAY);
    await page.waitForSelector('.jp-OutputArea .fovea-latency svg.main-svg');
    await save(page);
  });

  it('saves documents, pictures and text beside each other', () => {
    const { masks, mimes } = savedDocuments(file);
    expect(mimes).toEqual([
      ['application/vnd.fovea.masks.v1+json', 'image/png', 'text/plain'],
      ['application/vnd.fovea.latency.v1+json', 'image/png', 'text/plain'],
    ]);
    expect(masks.images[0]!.blocks).toHaveLength(8);
    for (const { cells, rows, columns } of masks.images[0]!.blocks)
      expect(cells).toHaveLength(rows * columns);
  });

  it('draws what the document says: colour where a cell ran, gray where it was skipped', async () => {
    const { page } = browser;
    const { blocks } = savedDocuments(file).masks.images[0]!;
    await page.locator('.jp-OutputArea .fovea-masks .fovea-tile').first().click();
    const { active, skipped } = await saturation(page, OVERLAY, blocks[0]!);
    expect(active).toBeGreaterThan(2 * skipped);
    const first = await picture(page, OVERLAY);
    await page.locator('.jp-OutputArea .fovea-masks .fovea-tile').nth(2).click();
    expect(await picture(page, OVERLAY)).not.toBe(first);
    await page.locator('.jp-OutputArea .fovea-masks .fovea-tile').first().click();
    drawn = await picture(page, OVERLAY);
    expect(drawn).toBe(first);
    await shot('light');
  });

  it('looking at an output does not change the document', async () => {
    expect(await isDirty(browser.page)).toBe(false);
  });

  it('opens the panel from the palette, and the keyboard goes on in it', async () => {
    const { page } = browser;
    await page.keyboard.press('Control+Shift+C');
    const palette = page.locator('#modal-command-palette input');
    await palette.fill('Show Live Controls');
    await page.locator('#modal-command-palette .lm-mod-active').waitFor();
    await page.keyboard.press('Enter');
    const network = page.getByRole('combobox', { name: 'Network' });
    await expect.poll(() => network.evaluate((select) => select === document.activeElement)).toBe(true);
  });

  it('predicts as a slider moves, and measures when it rests', async () => {
    const { page } = browser;
    await openPanel();
    await page.getByRole('radio', { name: 'Random' }).click();
    const rate = page.locator('.fovea-live-content').getByRole('slider', { name: 'Rate' });
    const before = await figure('predicted');
    await rate.focus();
    for (let step = 0; step < 8; step += 1) await page.keyboard.press('ArrowLeft');
    await expect.poll(() => figure('predicted')).not.toBe(before);
    await expect.poll(() => figure('measured')).toMatch(/\d ms$/);
    await expect
      .poll(() => page.locator('.fovea-live-content .fovea-strip .fovea-tile').count())
      .toBeGreaterThan(0);
    await shot('panel');
  });

  it('runs with exactly the region that was painted', async () => {
    const { page } = browser;
    await page.getByRole('radio', { name: 'Painted' }).click();
    const area = page.locator('.fovea-live-content .fovea-paintable');
    await area.waitFor({ state: 'visible' });
    const box = (await area.boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.3, box.y + box.height * 0.3);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + box.height * 0.6, { steps: 8 });
    await page.mouse.up();
    await expect.poll(() => page.locator('.fovea-mod-measured.fovea-mod-stale').count()).toBe(0);
    await expect.poll(() => figure('measured')).toMatch(/\d ms$/);
    await shot('painted');
  });

  it('writes the state of the panel as a cell', async () => {
    const { page } = browser;
    const cells = await page.locator('.jp-Notebook .jp-CodeCell').count();
    await page.getByRole('button', { name: 'Insert as cell' }).click();
    await expect.poll(() => page.locator('.jp-Notebook .jp-CodeCell').count()).toBe(cells + 1);
    await expect
      .poll(() => page.locator('.jp-Notebook .jp-CodeCell .cm-content').allInnerTexts())
      .toEqual(expect.arrayContaining([expect.stringContaining('run(')]));
    await execute(page, 'notebook:undo-cell-action').catch(() => undefined);
  });

  it('survives a restart of the kernel', async () => {
    const { page } = browser;
    await page.evaluate(async () => {
      const { jupyterapp } = window as unknown as {
        jupyterapp: {
          shell: { currentWidget: { sessionContext: { session: { kernel: { restart(): Promise<void> } } } } };
        };
      };
      await jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart();
    });
    await waitForKernel(page);
    await expect.poll(() => page.locator('.fovea-live [inert]').count()).toBe(0);
    await expect.poll(() => figure('predicted')).toMatch(/\d ms$/);
    expect(await picture(page, OVERLAY)).toBe(drawn);
  });

  it('looks right in the dark theme', async () => {
    const { page } = browser;
    await execute(page, 'apputils:change-theme', { theme: 'JupyterLab Dark' });
    await page.waitForSelector('body[data-jp-theme-light=false]', { state: 'attached' });
    await shot('dark');
    const background = await page.evaluate(
      () => getComputedStyle(document.querySelector('.jp-Notebook')!).backgroundColor,
    );
    const [red] = background.match(/\d+/g)!.map(Number);
    expect(red).toBeLessThan(80);
    await execute(page, 'apputils:change-theme', { theme: 'JupyterLab Light' });
    await page.waitForSelector('body[data-jp-theme-light=true]', { state: 'attached' });
  });

  it('shows the same overlay after a reload without a kernel', async () => {
    const { page } = browser;
    await save(page);
    const headers = { Authorization: `token ${lab.token}` };
    for (const { id } of (await (await fetch(`${lab.origin}/api/sessions`, { headers })).json()) as {
      id: string;
    }[]) {
      await fetch(`${lab.origin}/api/sessions/${id}`, { method: 'DELETE', headers });
    }
    const notebook = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(join(folder, 'elsewhere.ipynb'), JSON.stringify({ ...notebook, metadata: {} }));
    const fresh = await openPage({ width: 1500, height: 1000 });
    try {
      await openLab(fresh.page, `${lab.origin}/lab/workspaces/fresh/tree/elsewhere.ipynb?token=${lab.token}`);
      await fresh.page.locator('.jp-Dialog').getByRole('button', { name: 'No Kernel' }).click();
      await fresh.page.waitForSelector(OVERLAY);
      await fresh.page.waitForSelector('.jp-OutputArea .fovea-latency svg.main-svg');
      const { blocks } = savedDocuments(file).masks.images[0]!;
      await fresh.page.locator('.jp-OutputArea .fovea-masks .fovea-tile').first().click();
      const { active, skipped } = await saturation(fresh.page, OVERLAY, blocks[0]!);
      expect(active).toBeGreaterThan(2 * skipped);
      await fresh.page.screenshot({ path: join(SHOTS, 'no-kernel.png') });
      expect(await (await fetch(`${lab.origin}/api/kernels`, { headers })).json()).toEqual([]);
      expect(fresh.errors).toEqual([]);
      expect(fresh.foreign).toEqual([]);
    } finally {
      await fresh.close();
    }
  });

  it('does all this without a console error and without a request that leaves the machine', () => {
    expect(browser.errors).toEqual([]);
    expect(browser.foreign).toEqual([]);
  });
});
