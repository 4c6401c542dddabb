import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { latencyBundle, masksBundle } from '../../kernel/src/display/bundle.js';
import { notebookHtml } from '../../kernel/src/export/notebook.js';
import { sweepBundle } from '../../kernel/src/sweep/live-display.js';
import { sampleLatency, sampleMasks, sampleSweep } from '../extension/support/samples.js';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';

const FIGURES = Array.from({ length: 18 }, (_, at) => `figure ${at}`);
const sweep = {
  ...sampleSweep('completed', 23),
  table: {
    columns: ['network', 'strategy', ...FIGURES, 'model', 'error'],
    rows: [
      [
        'quick-look',
        'streamed',
        ...FIGURES.map((_, at) => 0.1234 + at),
        `sha256:${'0123456789abcdef'.repeat(4)}`,
        '',
      ],
      ['resnet101', 'lasnet', ...FIGURES.map(() => 1), '', 'The worker ended while it computed this point'],
    ],
  },
};
const BUNDLES = {
  sweep: sweepBundle(sweep as never),
  masks: masksBundle(sampleMasks(1)),
  latency: latencyBundle(sampleLatency()),
  frame: {
    data: {
      'text/html': `<table><tr>${FIGURES.map((name) => `<td>${name.replace(' ', '_').repeat(6)}</td>`).join('')}</tr></table>`,
    },
    metadata: {},
  },
};

/** What File > Print prints, and `fovea export` writes: paper neither scrolls nor has another theme. */
describe.skipIf(!hasChromium)('a notebook on paper (needs Chromium)', () => {
  let browser: WatchedPage;

  beforeAll(async () => {
    const html = await notebookHtml(
      {
        cells: Object.values(BUNDLES).map((bundle) => ({
          cell_type: 'code',
          source: '1',
          outputs: [{ output_type: 'display_data', ...bundle }],
        })),
        metadata: {},
      },
      { title: 'printed', readAsset: async () => undefined },
    );
    // A4 between margins of 1 cm.
    browser = await openPage({ width: 718, height: 1000 });
    await browser.page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    await browser.page.setContent(html);
  });
  afterAll(() => browser?.close());

  it('shows tables, pictures and source whole: nothing is wider than the page', async () => {
    const { page } = browser;
    expect(await page.locator('table').count()).toBeGreaterThan(3);
    expect(await page.locator('img').count()).toBeGreaterThan(2);
    const wide = await page
      .locator('table, img, pre, .output, .data')
      .evaluateAll((nodes) =>
        nodes
          .filter(
            (node) =>
              node.getBoundingClientRect().right > innerWidth + 0.5 ||
              node.scrollWidth > node.clientWidth + 1 ||
              (node.scrollHeight > node.clientHeight + 1 && getComputedStyle(node).overflowY !== 'visible'),
          )
          .map((node) => `${node.tagName} ${node.textContent!.slice(0, 40)}`),
      );
    expect(wide).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(718);
  });

  it('breaks no figure of a wide table', async () => {
    const broken = await browser.page.locator('td').evaluateAll((cells) =>
      cells
        .filter((cell) => /^[\d.]+$/.test(cell.textContent!.trim()))
        .filter((cell) => {
          const range = document.createRange();
          range.selectNodeContents(cell);
          return range.getClientRects().length > 1;
        })
        .map((cell) => cell.textContent),
    );
    expect(broken).toEqual([]);
  });

  it('is dark on light, whatever the reader’s theme', async () => {
    const colours = await browser.page
      .locator('body, td, th, pre, code')
      .evaluateAll((nodes) => [...new Set(nodes.map((node) => getComputedStyle(node).color))]);
    const lightest = Math.max(
      ...colours.map((colour) => Math.min(...colour.match(/\d+/g)!.slice(0, 3).map(Number))),
    );
    expect(lightest).toBeLessThan(110);
    expect(await browser.page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe(
      'rgb(255, 255, 255)',
    );
  });
});
