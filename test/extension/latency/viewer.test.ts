// @module-tag process
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { LATENCY_MIME, PLOTLY_MIME } from '../../../extension/src/documents/types';
import { CHROMIUM, useHarness } from '../support/browser';
import { axeViolations, checkFit, contrasts, overlaps, unnamed } from '../support/page';
import { sampleLatency, sampleViews } from '../support/samples';

const TABS = ['Blocks', 'Breakdown', 'Ratio', 'Fusion', 'Strategies', 'Pareto'];

describe.skipIf(!CHROMIUM)('the latency viewer in a browser (skipped where Chromium is absent)', () => {
  const harness = useHarness();

  const mount = (document: unknown, width?: number, mime: string = LATENCY_MIME) =>
    harness.mount(mime, document, width);
  const tab = (name: string) => harness.page.getByRole('tab', { name }).click();
  const drawn = (selector: string) => harness.page.locator(`.fovea-plot ${selector}`);
  /** What a button saves, under the name that is expected. */
  const saved = async (button: string, name: string) => {
    const [download] = await Promise.all([
      harness.page.waitForEvent('download'),
      harness.page.getByRole('button', { name: button }).click(),
    ]);
    expect(download.suggestedFilename()).toBe(name);
    return readFile(await download.path());
  };
  const corner = (png: Buffer) =>
    harness.page.evaluate(async (base64) => {
      const image = new Image();
      image.src = `data:image/png;base64,${base64}`;
      await image.decode();
      const context = new OffscreenCanvas(1, 1).getContext('2d')!;
      context.drawImage(image, 0, 0);
      return [...context.getImageData(0, 0, 1, 1).data];
    }, png.toString('base64'));

  describe('draws', () => {
    it.each([
      ['Blocks', '.bars .point', 34],
      ['Breakdown', '.bars .point', 49 * 3 + 2],
      ['Ratio', '.scatterlayer .trace .js-line', 5],
      ['Fusion', '.bars .point', 16],
      ['Strategies', '.bars .point', 4],
      ['Pareto', '[class^=scatterlayer] .points path', 5],
    ])('%s', async (name, selector, least) => {
      await mount(sampleLatency());
      await tab(name);
      await expect.poll(() => drawn(selector).count()).toBeGreaterThanOrEqual(least - 3);
      expect(await drawn('.main-svg').count()).toBeGreaterThan(0);
      expect(await harness.page.locator('.fovea-legend li').count()).toBeGreaterThan(1);
      const label = await harness.page.locator('.fovea-plot').getAttribute('aria-label');
      expect(label!.length).toBeGreaterThan(40);
    });

    it('predictions hatched and measurements solid, in the figure and in the legend', async () => {
      await mount({ version: 1, views: sampleViews().slice(0, 1) });
      const fills = await drawn('.barlayer .trace:nth-child(1) .point path').evaluateAll((paths) =>
        paths.map((path) => getComputedStyle(path).fill),
      );
      expect(fills.every((fill) => fill.startsWith('url('))).toBe(true);
      const solid = await drawn('.barlayer .trace:nth-child(2) .point path')
        .first()
        .evaluate((path) => getComputedStyle(path).fill);
      expect(solid).toMatch(/^rgb/);
      expect(await harness.page.locator('.fovea-legend li').allTextContents()).toEqual([
        'lasnet-50 · predicted',
        'lasnet-50 · measured',
      ]);
      expect(await harness.page.locator('.fovea-legend li:first-child pattern').count()).toBe(1);
      expect(await harness.page.locator('.fovea-legend li:last-child pattern').count()).toBe(0);
    });

    it('no tabs for a single view', async () => {
      await mount({ version: 1, views: sampleViews().slice(0, 1) });
      expect(await harness.page.getByRole('tab').count()).toBe(0);
    });
  });

  describe('follows', () => {
    it('the theme of the page, while it is shown', async () => {
      await mount(sampleLatency());
      const ink = () =>
        drawn('.ytick text')
          .first()
          .evaluate((node) => getComputedStyle(node).fill);
      const light = await ink();
      await harness.theme('dark');
      await expect.poll(ink).not.toBe(light);
    });

    it('on the ground that the system forces: its texts stand out from it in any theme', async () => {
      await harness.theme('dark');
      await mount(sampleLatency());
      const ink = () =>
        drawn('.ytick text')
          .first()
          .evaluate((node) => getComputedStyle(node).fill);
      const themed = await ink();
      await harness.page.emulateMedia({ forcedColors: 'active', colorScheme: 'light' });
      try {
        await expect.poll(ink).toBe('rgb(0, 0, 0)');
      } finally {
        await harness.page.emulateMedia({ forcedColors: 'none', colorScheme: 'light' });
      }
      await expect.poll(ink).toBe(themed);
    });

    it.each(['until the next frame, as JupyterLab is', 'for longer, as a tab may be'])(
      'a theme that came while it was hidden %s',
      async (how) => {
        await mount(sampleLatency());
        const bar = () =>
          drawn('.bars .point path')
            .first()
            .evaluate((node) => (node as SVGElement).style.stroke);
        expect(await bar()).toBe('rgb(0, 114, 178)');
        await harness.page.evaluate(async (isLong) => {
          document.body.dataset.jpThemeLight = 'false';
          document.body.style.display = 'none';
          await new Promise((next) => (isLong ? setTimeout(next, 200) : requestAnimationFrame(next)));
          document.body.style.display = '';
        }, how.startsWith('for'));
        await expect.poll(bar).toBe('rgb(86, 180, 233)');
      },
    );

    it('the theme in tasks of their own where there are many: the page answers between them', async () => {
      await mount(sampleLatency());
      const { page } = harness;
      for (let more = 0; more < 3; more++) {
        await page.evaluate(([mime, value]) => window.harness.mountBelow(mime as never, value), [
          LATENCY_MIME,
          sampleLatency(),
        ] as const);
      }
      const tasks = await page.evaluate(async () => {
        let task = 0;
        const channel = new MessageChannel();
        channel.port1.onmessage = () => {
          task += 1;
          channel.port2.postMessage(0);
        };
        channel.port2.postMessage(0);
        const plots = [...document.querySelectorAll('.fovea-plot')];
        const drawn = plots.map(
          (plot) =>
            new Promise<number>((resolve) => {
              new MutationObserver(() => resolve(task)).observe(plot, { childList: true, subtree: true });
            }),
        );
        document.body.dataset.jpThemeLight = 'false';
        const found = await Promise.all(drawn);
        channel.port1.close();
        return found;
      });
      expect(tasks).toHaveLength(4);
      expect(new Set(tasks).size).toBe(4);
    });

    it('the width of its place', async () => {
      await mount(sampleLatency(), 900);
      const width = () =>
        drawn('.main-svg')
          .first()
          .evaluate((node) => node.getBoundingClientRect().width);
      expect(await width()).toBeGreaterThan(850);
      await harness.page.locator('#host').evaluate((host) => {
        host.style.width = '320px';
      });
      await expect.poll(width).toBeLessThanOrEqual(320);
    });

    it('the latest view, however fast the tabs change', async () => {
      await mount(sampleLatency());
      for (const name of TABS) await tab(name);
      await expect.poll(() => drawn('.scatterlayer').count()).toBe(1);
      await expect.poll(() => drawn('.bars .point').count()).toBe(0);
      expect(await harness.page.locator('.fovea-title').textContent()).toBe('Quality against latency');
    });
  });

  describe('fits', () => {
    it.each([180, 300, 600, 1000])(
      'a place %i pixels wide: nothing sticks out or lies over another',
      async (width) => {
        await mount(sampleLatency(), width);
        for (const name of TABS) {
          await tab(name);
          expect(await checkFit(harness.page)).toEqual([]);
          expect(await overlaps(harness.page)).toEqual([]);
        }
      },
    );

    it.each(['light', 'dark'] as const)(
      'the %s theme: all text stands out from its ground',
      async (theme) => {
        await harness.theme(theme);
        await mount(sampleLatency());
        await harness.page.getByText('Data as a table').click();
        expect(await contrasts(harness.page, 4.5)).toEqual([]);
        // The check itself sees poor contrast: no text reaches this bound.
        expect((await contrasts(harness.page, 22)).length).toBeGreaterThan(5);
      },
    );

    it.each(['light', 'dark'] as const)('axe in the %s theme: no violation in any view', async (theme) => {
      await harness.theme(theme);
      await mount(sampleLatency());
      await harness.page.getByText('Data as a table').click();
      for (const tab of await harness.page.getByRole('tab').all()) {
        await tab.click();
        expect(await axeViolations(harness.page), (await tab.textContent())!).toEqual([]);
      }
    });

    it('a screen reader: everything that takes the focus has a name, and the data are a table', async () => {
      await mount(sampleLatency());
      await harness.page.getByText('Data as a table').click();
      expect(await unnamed(harness.page)).toEqual([]);
      const table = harness.page.getByRole('table', { name: 'Time per block' });
      // The head, and of each of two profiles 16 blocks and what lies outside of them.
      expect(await table.getByRole('row').count()).toBe(1 + 2 * (16 + 1));
      expect(await table.getByRole('columnheader').first().textContent()).toBe('profile');
    });
  });

  describe('is used', () => {
    it('with the keyboard: tabs by arrow keys, the table by Enter', async () => {
      await mount(sampleLatency());
      await harness.page.getByRole('tab', { name: 'Blocks' }).focus();
      await harness.page.keyboard.press('ArrowRight');
      await harness.page.keyboard.press('ArrowRight');
      expect(await harness.page.locator('.fovea-title').textContent()).toBe('Latency relative to dense');
      expect(await harness.page.locator('.fovea-latency > [aria-live]').textContent()).toContain(
        'Faster than dense',
      );
      await harness.page.locator('summary').focus();
      await harness.page.keyboard.press('Enter');
      await expect.poll(() => harness.page.getByRole('row').count()).toBe(56);
    });

    it('with the keyboard while other figures come in, as from a sweep: it stays on its tab', async () => {
      await mount(sampleLatency());
      const before = await harness.page.getByRole('tab', { name: 'Blocks' }).elementHandle();
      await before!.focus();
      await harness.page.evaluate(([mime, value]) => window.harness.update(mime as never, value), [
        LATENCY_MIME,
        sampleLatency(),
      ] as const);
      expect(await before!.evaluate((node) => node.isConnected)).toBe(false);
      expect(await harness.page.evaluate(() => document.activeElement!.textContent)).toBe('Blocks');
    });

    it('to stack per block instead of per op', async () => {
      await mount(sampleLatency());
      await tab('Breakdown');
      const count = () => drawn('.barlayer .trace:nth-child(1) .point').count();
      await expect.poll(count).toBe(49);
      await harness.page.getByRole('radio', { name: 'By block' }).click();
      await expect.poll(count).toBe(16);
    });

    it('to save CSV', async () => {
      await mount(sampleLatency());
      await tab('Strategies');
      const bytes = await saved('CSV', 'lasnet-50-on-this-machine-strategies.csv');
      const lines = bytes.toString().trim().split('\r\n');
      expect(lines[0]).toBe('bar,origin,total ms,compute ms,data movement ms,overhead ms,dense ms');
      expect(lines[1]).toBe('unfused,measured,21.3,,,,23.4');
      expect(lines).toHaveLength(5);
    });

    it.each(['light', 'dark'] as const)(
      'to save a PNG in the %s theme, with the page’s colour behind it',
      async (theme) => {
        await harness.theme(theme);
        await mount(sampleLatency(), 300);
        await tab('Ratio');
        const bytes = await saved('PNG', 'lasnet-50-on-this-machine-latency-relative-to-dense.png');
        expect(bytes.readUInt32BE(16)).toBe(1440);
        expect(await corner(bytes)).toEqual(theme === 'light' ? [255, 255, 255, 255] : [17, 17, 17, 255]);
      },
    );

    it('to save a figure of another library, as large as it says', async () => {
      await harness.theme('dark');
      const layout = { title: { text: 'Loss / epoch' }, width: 500, height: 300 };
      await mount({ data: [{ y: [3, 1, 2] }], layout }, 900, PLOTLY_MIME);
      const bytes = await saved('PNG', 'loss-epoch.png');
      expect([bytes.readUInt32BE(16), bytes.readUInt32BE(20)]).toEqual([1000, 600]);
      expect(await corner(bytes)).toEqual([17, 17, 17, 255]);
    });
  });

  describe('takes', () => {
    it('a malformed document with a message, not an error', async () => {
      await mount({ version: 1, views: [{ kind: 'pie' }] });
      expect(await harness.page.getByRole('alert').textContent()).toContain(
        'views[0].kind: found "pie", expected one of compare, breakdown, ratio, fusion, strategies, pareto',
      );
    });

    it('views without data', async () => {
      const empty = [
        { kind: 'ratio', series: [] },
        { kind: 'strategies', bars: [] },
        { kind: 'pareto', yLabel: 'y', points: [] },
        { kind: 'compare', profiles: [{ ...profile(), blocks: [], ops: [] }] },
        { kind: 'breakdown', profile: { ...profile(), blocks: [], ops: [], totalMs: 0 } },
      ];
      await mount({ version: 1, views: empty });
      for (const name of ['Strategies', 'Pareto', 'Blocks', 'Breakdown', 'Ratio']) {
        await tab(name);
        await expect.poll(() => drawn('.main-svg').count()).toBeGreaterThan(0);
      }
    });

    it('plotly figures of other libraries, in the colours of the page', async () => {
      const figure = {
        data: [
          { type: 'box', y: [1, 2, 3, 9], name: 'box' },
          {
            type: 'heatmap',
            z: [
              [1, 2],
              [3, 4],
            ],
            xaxis: 'x2',
            yaxis: 'y2',
          },
        ],
        layout: { title: { text: 'Both' }, grid: { rows: 1, columns: 2, pattern: 'independent' } },
      };
      await mount(figure, 700, PLOTLY_MIME);
      expect(await drawn('.boxlayer .box').count()).toBe(1);
      expect(await drawn('.heatmaplayer image').count()).toBe(1);
      expect(await harness.page.locator('.fovea-plot').getAttribute('aria-label')).toBe('Both');
      await mount({ data: 1 }, 700, PLOTLY_MIME);
      expect(await harness.page.getByRole('alert').textContent()).toContain(
        'data: found 1, expected an array',
      );
    });

    it('titles that are mere text, as plotly.js took them until version 3', async () => {
      const figure = {
        data: [{ type: 'heatmap', z: [[1, 2]], colorbar: { title: 'Share' }, meta: { title: 'free' } }],
        layout: { title: 'Loss', xaxis: { title: 'Epoch' }, yaxis: { title: { text: 'Nats' } } },
      };
      await mount(figure, 700, PLOTLY_MIME);
      const titles = ['.gtitle', '.xtitle', '.ytitle', '.cbtitle text'];
      const texts = await Promise.all(titles.map((title) => drawn(title).textContent()));
      expect(texts).toEqual(['Loss', 'Epoch', 'Nats', 'Share']);
      expect(await harness.page.locator('.fovea-plot').getAttribute('aria-label')).toBe('Loss');
    });

    it('all of that without a console error, and without a request that leaves the page', async () => {
      await mount(sampleLatency());
      for (const name of TABS) await tab(name);
      await harness.page.evaluate(() => window.harness.unmount());
      expect(harness.complaints).toEqual([]);
    });
  });
});

function profile() {
  const [compare] = sampleViews();
  return compare!.kind === 'compare' ? compare!.profiles[0]! : undefined;
}
