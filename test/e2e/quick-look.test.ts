import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { savedDocuments } from './support/demo-notebook.js';
import { execute, isDirty, openLab, save, waitForKernel } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';
import { OVERLAY, saturation } from './support/pixels.js';

const NAME = '01-quick-look.ipynb';
const SOURCE = fileURLToPath(new URL(`../../notebooks/${NAME}`, import.meta.url));
const SHOTS = fileURLToPath(new URL('../output/lab/', import.meta.url));

/** The first thing that a new user sees: npm start opens this notebook. */
describe.skipIf(!hasChromium || !isBuilt)('the first example (needs Chromium and npm run build)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-quick-look-'));
  const file = join(folder, NAME);
  let lab: LabProcess;
  let browser: WatchedPage;

  beforeAll(async () => {
    mkdirSync(SHOTS, { recursive: true });
    copyFileSync(SOURCE, file);
    lab = await startLab(folder);
    browser = await openPage({ width: 1500, height: 1000 });
  });

  afterAll(async () => {
    await browser?.close();
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('opens from its address, and runs from top to bottom', async () => {
    const { page } = browser;
    await openLab(page, lab.urlOf(NAME));
    await page.waitForSelector('.jp-NotebookPanel .jp-Cell');
    await waitForKernel(page);
    // What the kernel says of its language is in the file already: being looked at does not change it.
    await page.waitForTimeout(500);
    expect(await isDirty(page)).toBe(false);
    await execute(page, 'notebook:run-all-cells');
    await page.waitForSelector(OVERLAY, { timeout: 90_000 });
    await page.waitForSelector('.jp-OutputArea .fovea-latency svg.main-svg', { timeout: 90_000 });
    await waitForKernel(page, 'idle', 120_000);
    expect(
      await page.locator('.jp-RenderedText[data-mime-type="application/vnd.jupyter.stderr"]').count(),
    ).toBe(0);
    await save(page);
  });

  it('finds the object: masks that are neither empty nor full, and that differ from image to image', () => {
    const { images } = savedDocuments(file).masks;
    expect(images.length).toBeGreaterThan(1);
    for (const { blocks } of images) {
      const rates = blocks.map(({ rate }) => rate);
      expect(Math.min(...rates)).toBeLessThan(0.95);
      expect(Math.max(...rates)).toBeGreaterThan(0);
    }
    const cells = images.map(({ blocks }) => blocks.map((block) => block.cells).join());
    expect(new Set(cells).size).toBe(images.length);
  });

  it('opens on a block whose mask has a shape, and says which blocks are skipped', async () => {
    const { page } = browser;
    const viewer = page.locator('.jp-OutputArea .fovea-masks').first();
    const rate = Number.parseFloat((await viewer.locator('.fovea-figure .fovea-number').textContent())!);
    expect(rate).toBeGreaterThanOrEqual(10);
    expect(rate).toBeLessThanOrEqual(80);
    const { blocks } = savedDocuments(file).masks.images[0]!;
    const skipped = blocks.filter((block) => block.rate === 0).length;
    const subtitle = (await viewer.locator('.fovea-subtitle').first().textContent())!;
    if (skipped > 0) expect(subtitle).toMatch(new RegExp(`${skipped} of 9 blocks skipped as a whole$`));
    else expect(subtitle).not.toContain('skipped as a whole');
    await viewer.locator('.fovea-tile').last().click();
    expect(await viewer.locator('.fovea-facts').first().textContent()).toContain(
      blocks.at(-1)!.rate === 0 ? 'Skipped as a whole' : 'of the map computed',
    );
  });

  it('draws those masks, at full width and at 300 pixels', async () => {
    const { page } = browser;
    const { blocks } = savedDocuments(file).masks.images[0]!;
    const masked = blocks.findIndex(({ cells }) => cells.includes('0') && cells.includes('1'));
    await page.locator('.jp-OutputArea .fovea-masks .fovea-tile').nth(masked).click();
    const { active, skipped } = await saturation(page, OVERLAY, blocks[masked]!);
    expect(active).toBeGreaterThan(1.5 * skipped);
    await page.screenshot({ path: join(SHOTS, 'quick-look.png') });
    await page.setViewportSize({ width: 700, height: 1000 });
    await page.waitForTimeout(300);
    const overflow = await page.evaluate(() => {
      const viewer = document.querySelector('.jp-OutputArea .fovea-masks')!;
      return viewer.scrollWidth - viewer.clientWidth;
    });
    expect(overflow).toBeLessThanOrEqual(1);
    await page.screenshot({ path: join(SHOTS, 'quick-look-narrow.png') });
  });

  it('names itself and its version in Help > About', async () => {
    const { page } = browser;
    await page.locator('.lm-MenuBar-itemLabel', { hasText: /^Help$/ }).click();
    await page.locator('.lm-Menu-itemLabel', { hasText: /^About Fovea$/ }).click();
    const dialog = page.locator('.jp-Dialog');
    await expect.poll(() => dialog.textContent()).toMatch(/^FoveaVersion \d+\.\d+\.\d+/);
    expect(await dialog.textContent()).toMatch(/Built on JupyterLab 4\.\d+/);
    await page.keyboard.press('Escape');
  });

  it('offers nothing in the launcher that is not there', async () => {
    const { page } = browser;
    await page.setViewportSize({ width: 1500, height: 1000 });
    await execute(page, 'launcher:create');
    const cards = page.locator('.jp-LauncherCard');
    await expect.poll(() => cards.count()).toBeGreaterThan(3);
    const offered = await page.evaluate(
      () =>
        (
          JSON.parse(document.getElementById('jupyter-config-data')!.textContent!) as {
            terminalsAvailable: string;
          }
        ).terminalsAvailable,
    );
    const shown = (await cards.allTextContents()).some((text) => text.includes('Terminal'));
    expect(String(shown)).toBe(offered);
  });

  it('without a console error and without a request that leaves the machine', () => {
    expect(browser.errors).toEqual([]);
    expect(browser.foreign).toEqual([]);
  });
});
