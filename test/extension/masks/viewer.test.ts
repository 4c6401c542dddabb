// @module-tag process
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MASKS_MIME } from '../../../extension/src/documents/types';
import { heatColor } from '../../../extension/src/masks/colors';
import { CHROMIUM, useHarness } from '../support/browser';
import { fingers } from '../support/fingers';
import { axeViolations, checkFit, contrasts, overlaps, pixel, unnamed } from '../support/page';
import { png } from '../support/png';
import { sampleMasks, tinyMasks } from '../support/samples';

describe.skipIf(!CHROMIUM)('the mask viewer in a browser (skipped where Chromium is absent)', () => {
  const harness = useHarness();
  beforeEach(async () => {
    await harness.page.evaluate(() =>
      window.harness.preferences.set({ opacity: 0.7, grid: false, emphasis: 'dim' }),
    );
  });

  // None of it is an error of the page, or makes it ask for something elsewhere.
  afterEach(async () => {
    await harness.page.evaluate(() => window.harness.unmount());
    expect(harness.complaints).toEqual([]);
  });

  const mount = (document: unknown, width?: number) => harness.mount(MASKS_MIME, document, width);
  const set = (preferences: object) =>
    harness.page.evaluate((value) => window.harness.preferences.set(value), preferences);
  const overlay = () => harness.page.locator('[data-view=block] .fovea-overlay');
  const says = () => harness.page.locator('.fovea-masks > [aria-live]').textContent();

  describe('draws', () => {
    it('active cells as they are, and skipped cells darker, to the pixel', async () => {
      await mount(tinyMasks());
      await overlay().focus();
      await harness.page.keyboard.press('Home');
      const at = (x: number, y: number) => pixel(harness.page, '[data-view=block] canvas', x, y);
      expect(await at(0, 0)).toEqual([255, 255, 255]);
      expect(await at(0.4, 0.4)).toEqual([255, 255, 255]);
      // White below a veil of 0.7 · 0.8: 255 · 0.44 plus the veil's own colour.
      for (const [x, y] of [
        [0.6, 0.2],
        [0.2, 0.6],
        [0.95, 0.95],
      ] as const) {
        const [r, g, b] = await at(x, y);
        expect(Math.abs(r! - (255 * 0.44 + 10 * 0.56))).toBeLessThan(3);
        expect(Math.abs(g! - (255 * 0.44 + 14 * 0.56))).toBeLessThan(3);
        expect(Math.abs(b! - (255 * 0.44 + 22 * 0.56))).toBeLessThan(3);
      }
    });

    it('cell edges on the pixel that the geometry gives, with and without a whole number per cell', async () => {
      const document = tinyMasks();
      const image = document.images[0]!;
      // Three columns over seven map pixels: cells begin at 0, 3 and 5 sevenths.
      const block = { ...image.blocks[0]!, columns: 3, width: 7, rows: 1, height: 1, cells: '101' };
      await set({ opacity: 0.7, grid: false, emphasis: 'dim' });
      await mount({ ...document, images: [{ ...image, blocks: [block] }] });
      const widths = await harness.page.evaluate(() => {
        const canvas = window.document.querySelector<HTMLCanvasElement>('[data-view=block] canvas')!;
        const row = canvas.getContext('2d')!.getImageData(0, canvas.height / 2, canvas.width, 1).data;
        const dark = Array.from({ length: canvas.width }, (_, x) => row[x * 4]! < 200);
        return { first: dark.indexOf(true), last: dark.lastIndexOf(true), size: canvas.width };
      });
      // The outline, two pixels wide, straddles each edge.
      expect(Math.abs(widths.first - Math.round((widths.size * 3) / 7))).toBeLessThanOrEqual(1);
      expect(Math.abs(widths.last + 1 - Math.round((widths.size * 5) / 7))).toBeLessThanOrEqual(1);
    });

    it('no lines around cells of few pixels, which would hide the image', async () => {
      const document = tinyMasks();
      const image = document.images[0]!;
      const [rows, columns] = [200, 200];
      const cells = '01'.repeat((rows * columns) / 2);
      const block = { ...image.blocks[0]!, rows, columns, height: rows, width: columns, cells };
      const red = png(4, 4, () => [200, 0, 0]);
      for (const grid of [false, true]) {
        await set({ opacity: 0.7, grid, emphasis: 'dim' });
        await mount({ ...document, images: [{ ...image, png: red, blocks: [block] }] });
        const whitish = await harness.page.evaluate(() => {
          const canvas = window.document.querySelector<HTMLCanvasElement>('[data-view=block] canvas')!;
          const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
          return data.filter((value, index) => index % 4 === 1 && value > 128).length;
        });
        expect(whitish).toBe(0);
      }
    });

    it('a tint over active cells instead, when asked', async () => {
      await set({ emphasis: 'tint' });
      await mount(tinyMasks());
      const at = (x: number, y: number) => pixel(harness.page, '[data-view=block] canvas', x, y);
      expect(await at(0.75, 0.25)).toEqual([255, 255, 255]);
      const [, green] = await at(0.25, 0.25);
      expect(green).toBeLessThan(170);
    });

    it('the bare image at opacity 0', async () => {
      await set({ opacity: 0 });
      await mount(tinyMasks());
      expect(await pixel(harness.page, '[data-view=block] canvas', 0.75, 0.75)).toEqual([255, 255, 255]);
    });

    it('the heat map in the colours of the counts', async () => {
      await set({ opacity: 1 });
      await mount(tinyMasks());
      await harness.page.getByRole('tab', { name: 'Compute' }).click();
      const at = (x: number, y: number) => pixel(harness.page, '[data-view=heat] canvas', x, y);
      expect(await at(0.25, 0.25)).toEqual([...heatColor(2 / 3)]);
      expect(await at(0.75, 0.25)).toEqual([...heatColor(0)]);
      expect(await harness.page.locator('[data-view=heat] canvas').getAttribute('aria-label')).toContain(
        'On average 1 of 3 blocks run at a pixel; 0 at the least, 2 at the most.',
      );
    });

    it('every thumbnail that is in view, in order', async () => {
      await mount(sampleMasks());
      const tiles = harness.page.locator('.fovea-strip .fovea-tile');
      expect(await tiles.count()).toBe(16);
      expect(await tiles.nth(3).getAttribute('aria-label')).toBe(
        'layer2.3, stage 2, granularity 4, 33 % active',
      );
      await expect.poll(() => pixel(harness.page, '.fovea-strip canvas', 0.5, 0.55)).not.toEqual([0, 0, 0]);
    });

    it('masks on plain gray when the image cannot be decoded', async () => {
      const document = tinyMasks();
      await mount({ ...document, images: [{ ...document.images[0]!, png: 'AAAA' }] });
      expect(await pixel(harness.page, '[data-view=block] canvas', 0.25, 0.25)).toEqual([138, 144, 153]);
      expect(await harness.page.getByText('could not be decoded').isVisible()).toBe(true);
    });
  });

  describe('is used', () => {
    it('with the arrow keys: they step through the blocks, around the ends', async () => {
      await mount(sampleMasks());
      await overlay().focus();
      await harness.page.keyboard.press('Home');
      await harness.page.keyboard.press('ArrowRight');
      expect(await says()).toMatch(/^Block 2 of 16, layer1.1: stage 1, granularity 8, \d+ % active.$/);
      await harness.page.keyboard.press('End');
      expect(await says()).toContain('Block 16 of 16');
      await harness.page.keyboard.press('ArrowRight');
      expect(await says()).toContain('Block 1 of 16');
      expect(await overlay().locator('canvas').getAttribute('aria-label')).toContain('Block 1 of 16');
      await harness.page.locator('.fovea-strip').focus();
      await harness.page.keyboard.press('ArrowLeft');
      expect(await says()).toContain('Block 16 of 16');
      expect(await harness.page.locator('.fovea-strip [aria-selected=true]').count()).toBe(1);
    });

    it('with the pointer: the cell below it is described, with its margin', async () => {
      await mount(sampleMasks());
      await overlay().focus();
      await harness.page.keyboard.press('Home');
      const box = (await overlay().boundingBox())!;
      await harness.page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.5);
      const readout = harness.page.locator('[data-view=block] .fovea-readout');
      expect(await readout.textContent()).toMatch(
        /^Row 4, column 4 runs · margin \+0\.\d\d · map y 24–31, x 24–31 · 33 % of its block active$/,
      );
      await harness.page.mouse.move(0, 0);
      expect(await readout.textContent()).toContain('Point at a cell');
    });

    it('a cell that a finger has touched, also when it is lifted', async () => {
      await mount(tinyMasks());
      const readout = harness.page.locator('[data-view=block] .fovea-readout');
      const place: [number, number] = [0.9, 0.9];
      await fingers(harness.page, '[data-view=block] .fovea-overlay canvas', [place, place]);
      await expect.poll(() => readout.textContent()).toMatch(/^Row \d+, column \d+ (runs|is skipped)/);
      await harness.page.getByRole('tab', { name: 'Compute' }).click();
      await fingers(harness.page, '[data-view=heat] canvas', [place, place]);
      const counted = harness.page.locator('[data-view=heat] .fovea-readout');
      await expect.poll(() => counted.textContent()).toMatch(/ran here/);
    });

    it('with Shift and the arrow keys: a cell cursor does the same, and is read out', async () => {
      await mount(sampleMasks());
      await overlay().focus();
      await harness.page.keyboard.press('Shift+ArrowRight');
      await harness.page.keyboard.press('Shift+ArrowUp');
      expect(await says()).toMatch(/^Row 3, column 4 /);
    });

    it('with clicks: a thumbnail among all stages opens its block', async () => {
      await mount(sampleMasks());
      await harness.page.getByRole('tab', { name: 'Stages' }).click();
      expect(await harness.page.locator('.fovea-sheet .fovea-tile-group').count()).toBe(4);
      await harness.page.locator('.fovea-sheet .fovea-tile').nth(7).click();
      expect(await harness.page.getByRole('tab', { name: 'Block' }).getAttribute('aria-selected')).toBe(
        'true',
      );
      expect(await harness.page.locator('.fovea-facts').first().textContent()).toContain('Block 8 of 16');
    });

    it('with several images: the chosen one is shown, the block stays', async () => {
      await mount(sampleMasks(2));
      await overlay().focus();
      await harness.page.keyboard.press('Home');
      await harness.page.keyboard.press('ArrowRight');
      await harness.page.getByRole('radio', { name: 'ball-right.png' }).click();
      const label = await overlay().locator('canvas').getAttribute('aria-label');
      expect(label).toContain('over ball-right.png');
      expect(label).toContain('Block 2 of 16');
    });

    it('with the keyboard while another document comes in: it stays on its image', async () => {
      await mount(sampleMasks(2));
      const before = await harness.page.getByRole('radio').nth(0).elementHandle();
      await before!.focus();
      await harness.page.evaluate(([mime, value]) => window.harness.update(mime as never, value), [
        MASKS_MIME,
        sampleMasks(2),
      ] as const);
      expect(await before!.evaluate((node) => node.isConnected)).toBe(false);
      const focused = () =>
        harness.page.evaluate(() => document.activeElement!.closest('[role]')!.getAttribute('aria-label'));
      expect(await harness.page.evaluate(() => document.activeElement!.parentElement!.ariaLabel)).toBe(
        'Image',
      );
      await harness.page.evaluate(([mime, value]) => window.harness.update(mime as never, value), [
        MASKS_MIME,
        sampleMasks(1),
      ] as const);
      expect(await focused()).toMatch(/^Overlay/);
    });

    it('and leaves chords, but not single keys, to the application', async () => {
      await mount(sampleMasks());
      await harness.page.evaluate(() => {
        const seen: string[] = [];
        Object.assign(window, { seen });
        document.addEventListener(
          'keydown',
          (event) => {
            // What Lumino does before it runs a shortcut whose selector ends with `:focus`.
            if (!(event.target as Element).hasAttribute('data-lm-suppress-shortcuts')) seen.push(event.key);
          },
          true,
        );
      });
      await overlay().focus();
      for (const key of ['ArrowDown', 'a', 'Control+s', 'Escape']) await harness.page.keyboard.press(key);
      const seen = await harness.page.evaluate(() => (window as unknown as { seen: string[] }).seen);
      expect(seen.filter((key) => key !== 'Control')).toEqual(['s', 'Escape']);
    });

    it('to save a picture of each view', async () => {
      await mount(sampleMasks());
      for (const [tab, least] of [
        ['Block', [896, 896]],
        ['Stages', [1400, 1000]],
        ['Compute', [896, 960]],
      ] as const) {
        await harness.page.getByRole('tab', { name: tab }).click();
        const [download] = await Promise.all([
          harness.page.waitForEvent('download'),
          harness.page.getByRole('button', { name: 'Save PNG' }).click(),
        ]);
        expect(download.suggestedFilename()).toMatch(/^lasnet-50-ball.png-[\w.]+\.png$/);
        const bytes = await readFile(await download.path());
        expect(bytes.subarray(1, 4).toString()).toBe('PNG');
        expect(bytes.readUInt32BE(16)).toBeGreaterThanOrEqual(least[0]);
        expect(bytes.readUInt32BE(20)).toBeGreaterThanOrEqual(least[1]);
      }
    });
  });

  describe('fits', () => {
    it.each([180, 300, 420, 640, 1100])(
      'a place %i pixels wide: nothing sticks out or lies over another',
      async (width) => {
        await mount(sampleMasks(2), width);
        for (const tab of ['Block', 'Stages', 'Compute']) {
          await harness.page.getByRole('tab', { name: tab }).click();
          expect(await checkFit(harness.page)).toEqual([]);
          expect(await overlaps(harness.page)).toEqual([]);
        }
      },
    );

    it.each(['light', 'dark'] as const)(
      'the %s theme: all text stands out from its ground',
      async (theme) => {
        await harness.theme(theme);
        await mount(sampleMasks(2));
        expect(await contrasts(harness.page, 4.5)).toEqual([]);
      },
    );

    it.each(['light', 'dark'] as const)('axe in the %s theme: no violation in any view', async (theme) => {
      await harness.theme(theme);
      await mount(sampleMasks(2));
      for (const tab of ['Block', 'Stages', 'Compute']) {
        await harness.page.getByRole('tab', { name: tab }).click();
        expect(await axeViolations(harness.page), tab).toEqual([]);
      }
    });

    it('a screen reader: everything that takes the focus has a name', async () => {
      await mount(sampleMasks(2));
      expect(await unnamed(harness.page)).toEqual([]);
    });

    it('a change of its place: the picture is drawn again at the new size', async () => {
      await mount(sampleMasks(), 900);
      const size = () =>
        overlay()
          .locator('canvas')
          .evaluate((canvas: HTMLCanvasElement) => canvas.width);
      expect(await size()).toBe(420);
      await harness.page.locator('#host').evaluate((host) => {
        host.style.width = '300px';
      });
      await expect.poll(size).toBeLessThan(300);
    });
  });
});
