// @module-tag process
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MASKS_MIME } from '../../../extension/src/documents/types';
import { hasChromium, openPage, type WatchedPage } from '../../e2e/support/chromium.js';
import { execute, openLab, openNotebook, save, waitForKernel } from '../../e2e/support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from '../../e2e/support/lab-process.js';
import { pixel } from '../support/page';

const NOTEBOOK = {
  cells: [{ id: 'a', cell_type: 'code', metadata: {}, source: '1 + 1', outputs: [], execution_count: null }],
  metadata: { kernelspec: { name: 'fovea', display_name: 'Fovea (TypeScript)', language: 'typescript' } },
  nbformat: 4,
  nbformat_minor: 5,
};

const PATIENT = { timeout: 60_000 };
const PICTURE = Buffer.from(
  encode({ width: 40, height: 30, channels: 3, data: new Uint8Array(3600).fill(90) }),
).toString('base64');

describe.skipIf(!hasChromium || !isBuilt)(
  'the live panel with the real kernel (needs Chromium and a build)',
  () => {
    let folder: string;
    let lab: LabProcess;
    let browser: WatchedPage;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'fovea-live-'));
      writeFileSync(join(folder, 'live.ipynb'), JSON.stringify(NOTEBOOK));
      lab = await startLab(folder);
      browser = await openPage({ width: 1500, height: 1300 });
      await openLab(browser.page, lab.urlOf());
      await openNotebook(browser.page, 'live.ipynb');
      await waitForKernel(browser.page);
      await execute(browser.page, 'fovea:open-panel');
    }, 120_000);

    afterAll(async () => {
      await browser?.close();
      await lab?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    const text = (selector: string) => browser.page.locator(selector).first().textContent();
    const predicted = () => text('.fovea-live .fovea-mod-predicted .fovea-number');
    const measured = () => text('.fovea-live .fovea-mod-measured .fovea-number');
    const settled = async () => {
      await expect.poll(measured, PATIENT).toMatch(/ms$/);
      await expect.poll(() => browser.page.locator('.fovea-mod-stale').count(), PATIENT).toBe(0);
      await expect.poll(() => browser.page.getByRole('button', { name: 'Run now' }).count(), PATIENT).toBe(1);
    };

    it('offers the kernel’s networks, predicts, and measures with masks', async () => {
      await expect.poll(predicted, PATIENT).toMatch(/ms$/);
      await settled();
      expect(await browser.page.locator('.fovea-live .fovea-tile').count()).toBeGreaterThan(3);
      expect(await browser.page.locator('.fovea-live [role=alert]').count()).toBe(0);
    }, 120_000);

    it('predicts less time for less to compute, and follows the slider', async () => {
      await browser.page.getByRole('radio', { name: 'Random' }).click();
      const rate = browser.page.getByRole('slider', { name: 'Rate' });
      await rate.fill('1');
      await settled();
      const dense = Number.parseFloat((await predicted())!);
      await rate.fill('0.1');
      await settled();
      expect(Number.parseFloat((await predicted())!)).toBeLessThan(dense);
    }, 180_000);

    it('offers a picture as soon as it is uploaded beside the notebook, until it is deleted', async () => {
      const { page } = browser;
      const picture = page.locator('.fovea-image-choice button[title="mine.png"]');
      const contents = (method: 'save' | 'delete', ...rest: unknown[]) =>
        page.evaluate(
          ([name, options]) =>
            (
              window as unknown as {
                jupyterapp: {
                  serviceManager: { contents: Record<string, (...all: unknown[]) => Promise<unknown>> };
                };
              }
            ).jupyterapp.serviceManager.contents[name]!('mine.png', ...options),
          [method, rest] as const,
        );
      const before = await measured();
      await contents('save', { type: 'file', format: 'base64', content: PICTURE });
      await expect.poll(() => picture.count(), PATIENT).toBe(1);
      expect(await measured()).toBe(before);
      await picture.click();
      await settled();
      await contents('delete');
      await expect.poll(() => picture.count(), PATIENT).toBe(0);
      await settled();
    }, 180_000);

    it('takes pictures that are dropped on it, never in place of another file', async () => {
      const { page } = browser;
      writeFileSync(join(folder, 'dropped.png'), 'another file');
      const given = mkdtempSync(join(tmpdir(), 'fovea-given-'));
      const give = async (name: string, bytes: Buffer | string) => {
        const path = join(given, name);
        writeFileSync(path, bytes);
        const box = (await page.locator('.fovea-live').boundingBox())!;
        const session = await page.context().newCDPSession(page);
        const data = { items: [], files: [path], dragOperationsMask: 1 };
        const drag = (type: 'dragEnter' | 'dragOver' | 'drop') =>
          session.send('Input.dispatchDragEvent', { type, x: box.x + 40, y: box.y + 40, data });
        await drag('dragEnter');
        // A file that is dropped before the panel has answered opens in a tab.
        const isOver = async () => {
          await drag('dragOver');
          return page.locator('.fovea-mod-drop').count();
        };
        await expect.poll(isOver, PATIENT).toBe(1);
        await drag('drop');
        await session.detach();
      };
      try {
        await give('dropped.png', Buffer.from(PICTURE, 'base64'));
        const picture = page.locator('.fovea-image-choice button[title="dropped 2.png"]');
        await expect.poll(() => picture.getAttribute('aria-checked').catch(() => null), PATIENT).toBe('true');
        expect(readFileSync(join(folder, 'dropped.png'), 'utf8')).toBe('another file');
        const right = (selector: string) =>
          page.locator(selector).evaluate((node) => node.getBoundingClientRect().right);
        expect(await right('.fovea-image-choice [aria-checked="true"]')).toBeLessThan(
          await right('.fovea-image-choice'),
        );
        await settled();
        await give('notes.txt', 'no picture');
        const notices = () => page.locator('.Toastify__toast').allTextContents();
        await expect.poll(notices).toEqual([expect.stringContaining('notes.txt is no picture')]);
        // Their names say that they are pictures; only the kernel can tell that it cannot read them.
        await give('text.png', 'no picture');
        await expect
          .poll(notices, PATIENT)
          .toContainEqual(expect.stringContaining('text.png is not a readable image'));
        await give('drawing.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>');
        await expect
          .poll(notices, PATIENT)
          .toContainEqual(expect.stringContaining('drawing.svg is of a format that is not read'));
        await expect
          .poll(() => readdirSync(folder).filter((name) => /^(text|drawing|notes)/.test(name)))
          .toEqual([]);
        expect(page.context().pages()).toHaveLength(1);
      } finally {
        rmSync(given, { recursive: true });
      }
    }, 180_000);

    it('runs with exactly the region that was painted', async () => {
      const { page } = browser;
      await page.getByRole('radio', { name: 'Painted' }).click();
      await settled();
      const box = (await page.locator('.fovea-paintable').boundingBox())!;
      await page.mouse.move(box.x + box.width * 0.05, box.y + box.height * 0.25);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.4, box.y + box.height * 0.25, { steps: 5 });
      await page.mouse.up();
      await settled();
      await page.getByRole('tab', { name: 'Masks' }).click();
      const canvas = '.fovea-live-content > div:not([hidden]) > .fovea-overlay canvas';
      await expect.poll(() => page.locator('.fovea-live .fovea-tile').count(), PATIENT).toBeGreaterThan(3);
      const inside = await pixel(page, canvas, 0.2, 0.25);
      const outside = await pixel(page, canvas, 0.8, 0.8);
      expect(Math.max(...inside)).toBeGreaterThan(Math.max(...outside));
    }, 180_000);

    it('inserts a cell that reproduces it: the same masks', async () => {
      const { page } = browser;
      await page.getByRole('button', { name: 'Insert as cell' }).click();
      const source = () =>
        page.evaluate(() => {
          const { shell } = (window as unknown as { jupyterapp: { shell: { currentWidget: Notebook } } })
            .jupyterapp;
          return shell.currentWidget.content.activeCell.model.sharedModel.getSource();
        });
      await expect.poll(source, PATIENT).toContain('regionMasker');
      await execute(page, 'notebook:run-cell');
      await page.waitForSelector('.jp-Notebook .fovea-masks', { timeout: 60_000 });
      await waitForKernel(page);
      await save(page);
      const saved = JSON.parse(readFileSync(join(folder, 'live.ipynb'), 'utf8')) as SavedNotebook;
      const documents = saved.cells.flatMap(({ outputs }) =>
        (outputs ?? []).map(({ data }) => data?.[MASKS_MIME]),
      );
      const rates = documents.find(Boolean)!.images[0]!.blocks.map(({ rate }) => rate);
      const shown = await page
        .locator('.fovea-live .fovea-tile')
        .evaluateAll((tiles) =>
          tiles.map(
            (tile) => Number(/(\d+(?:\.\d)?) % active/.exec(tile.getAttribute('aria-label')!)![1]) / 100,
          ),
        );
      expect(rates).toHaveLength(shown.length);
      rates.forEach((rate, index) => {
        expect(Math.abs(rate - shown[index]!)).toBeLessThan(0.006);
      });
    }, 180_000);

    it('survives a restart of the kernel, with its settings', async () => {
      const { page } = browser;
      await page.evaluate(() => {
        const { shell } = (window as unknown as { jupyterapp: { shell: { currentWidget: Notebook } } })
          .jupyterapp;
        void shell.currentWidget.sessionContext.session.kernel.restart();
      });
      await expect.poll(() => page.locator('.fovea-live-notice').isVisible(), PATIENT).toBe(true);
      await expect.poll(() => page.locator('.fovea-live-notice').isVisible(), PATIENT).toBe(false);
      expect(await text('.fovea-even [aria-checked=true]')).toBe('Painted');
      await settled();
    }, 180_000);

    it('survives a reload of the page, with its settings; the saved overlay is there again', async () => {
      const { page } = browser;
      await page.reload();
      await page.waitForSelector('body[data-lab-restored=true]', { state: 'attached', timeout: 60_000 });
      await execute(page, 'fovea:open-panel');
      await expect.poll(() => page.locator('.fovea-even').count(), PATIENT).toBe(1);
      expect(await text('.fovea-even [aria-checked=true]')).toBe('Painted');
      await page.waitForSelector('.jp-Notebook .fovea-masks', { timeout: 60_000 });
      expect(await page.locator('.jp-Notebook .fovea-plot .main-svg').first().isVisible()).toBe(true);
    }, 180_000);

    it('did so without an error of the extension, and without a request that left the machine', () => {
      expect(browser.errors.filter((error) => error.includes('@fovea'))).toEqual([]);
      expect(browser.foreign).toEqual([]);
    });
  },
);

interface Notebook {
  readonly content: {
    readonly activeCell: { readonly model: { readonly sharedModel: { getSource(): string } } };
  };
  readonly sessionContext: { readonly session: { readonly kernel: { restart(): Promise<void> } } };
}

interface SavedNotebook {
  readonly cells: readonly {
    readonly outputs: readonly {
      readonly data?: Record<
        string,
        { readonly images: readonly { readonly blocks: readonly { rate: number }[] }[] }
      >;
    }[];
  }[];
}
