import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { LATENCY_MIME, MASKS_MIME, PLOTLY_MIME } from '../../extension/src/documents/types.js';
import { sampleLatency, sampleMasks } from '../extension/support/samples.js';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { openLab, openNotebook } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';

const PLOTLY_FIGURE = { data: [{ type: 'bar', x: [1, 2], y: [3, 4] }], layout: { title: { text: 'Bars' } } };

const figureCell = (id: string, mime: string, document: unknown) => ({
  id,
  cell_type: 'code',
  metadata: {},
  source: `// ${id}`,
  execution_count: 1,
  outputs: [{ output_type: 'display_data', data: { [mime]: document }, metadata: {} }],
});

const NOTEBOOK = {
  cells: [
    { id: 'before', cell_type: 'markdown', metadata: {}, source: 'before' },
    figureCell('masks', MASKS_MIME, sampleMasks(2)),
    figureCell('latency', LATENCY_MIME, sampleLatency()),
    figureCell('plotly', PLOTLY_MIME, PLOTLY_FIGURE),
    { id: 'after', cell_type: 'markdown', metadata: {}, source: 'after' },
  ],
  metadata: { kernelspec: { name: 'fovea', display_name: 'Fovea (TypeScript)', language: 'typescript' } },
  nbformat: 4,
  nbformat_minor: 5,
};

/** Single keys that change a notebook in command mode: delete, cut, insert, change the type, hide, undo. */
const KEYS = ['d', 'd', 'x', 'a', 'b', 'm', 'y', 'r', '1', 'o', 'z', 'Shift+m', 'Shift+o', 'Delete'];

const FIGURES = {
  masks: '.fovea-masks',
  latency: '.fovea-latency',
  plotly: '.fovea-renderer:has(> .fovea-plotly)',
};

/** Keys in an output of ours are meant for it: one `d d` that reached the notebook would delete the cell. */
describe.skipIf(!hasChromium || !isBuilt)('keys in a figure (needs Chromium and npm run build)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-keys-'));
  let lab: LabProcess;
  let browser: WatchedPage;

  beforeAll(async () => {
    writeFileSync(join(folder, 'figures.ipynb'), JSON.stringify(NOTEBOOK));
    lab = await startLab(folder);
    browser = await openPage({ width: 1400, height: 1000 });
    const { page } = browser;
    await openLab(page, lab.urlOf());
    await openNotebook(page, 'figures.ipynb');
    await page.waitForSelector('.jp-OutputArea .fovea-latency svg.main-svg');
  });

  afterAll(async () => {
    await browser?.close();
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const figure = (selector: string) => browser.page.locator(`.jp-OutputArea ${selector}`).first();

  const cells = () =>
    browser.page.evaluate(() => {
      const app = (window as unknown as { jupyterapp: { shell: { currentWidget: NotebookLike } } })
        .jupyterapp;
      return app.shell.currentWidget.content.model.sharedModel.cells.map(
        (cell) => `${cell.cell_type} ${cell.id} ${cell.getSource()}`,
      );
    });

  const typeAll = async () => {
    const lost: string[] = [];
    const before = await cells();
    for (const key of KEYS) {
      await browser.page.keyboard.press(key);
      if (lost.length === 0 && (await cells()).join() !== before.join()) lost.push(key);
    }
    return lost;
  };

  beforeEach(() => browser.page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur()));

  for (const [name, selector] of Object.entries(FIGURES)) {
    it(`that was clicked, on its ${name}: not one reaches the notebook`, async () => {
      const root = figure(selector);
      await root.scrollIntoViewIfNeeded();
      const box = (await root.boundingBox())!;
      for (const [u, v] of [
        [0.02, 0.02],
        [0.5, 0.5],
        [0.3, 0.8],
        [0.97, 0.97],
      ] as const) {
        await root.click({ position: { x: box.width * u, y: box.height * v }, force: true });
        expect(await typeAll(), `after a click at ${u}, ${v}`).toEqual([]);
      }
    });
  }

  for (const name of ['masks', 'latency'] as const) {
    it(`whose every control was used, of ${name}: not one reaches the notebook`, async () => {
      const root = figure(FIGURES[name]);
      const controls = root.locator('button, input, select, summary, [tabindex="0"]');
      const count = await controls.count();
      expect(count).toBeGreaterThan(5);
      for (let index = 0; index < count; index += 1) {
        const control: Locator = controls.nth(index);
        if (!(await control.isVisible())) continue;
        const label = (await control.textContent()) || (await control.getAttribute('aria-label'));
        if (/PNG|CSV/.test(label ?? '')) continue;
        await control.click();
        expect(await typeAll(), `after a click on ${label}`).toEqual([]);
      }
    });
  }

  it('and Escape hands the keyboard back to the cell', async () => {
    const { page } = browser;
    await figure(FIGURES.latency).locator('.fovea-title').click();
    await page.keyboard.press('Escape');
    const before = await cells();
    await page.keyboard.press('b');
    await expect.poll(async () => (await cells()).length).toBe(before.length + 1);
  });
});

interface NotebookLike {
  readonly content: {
    readonly model: {
      readonly sharedModel: {
        readonly cells: readonly { readonly cell_type: string; readonly id: string; getSource(): string }[];
      };
    };
  };
}
