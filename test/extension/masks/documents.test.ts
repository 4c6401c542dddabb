// @module-tag process
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MASKS_MIME, type MasksDocument } from '../../../extension/src/documents/types';
import { CHROMIUM, useHarness } from '../support/browser';
import { checkFit, pixel } from '../support/page';
import { png } from '../support/png';
import { sampleMasks, tinyMasks } from '../support/samples';

describe.skipIf(!CHROMIUM)('what the mask viewer takes (skipped where Chromium is absent)', () => {
  const harness = useHarness();
  beforeEach(async () => {
    await harness.page.evaluate(() =>
      window.harness.preferences.set({ opacity: 0.7, grid: false, emphasis: 'dim' }),
    );
  });

  // None of them is an error of the page, or makes it ask for something elsewhere.
  afterEach(async () => {
    await harness.page.evaluate(() => window.harness.unmount());
    expect(harness.complaints).toEqual([]);
  });

  const mount = (document: unknown, width?: number) => harness.mount(MASKS_MIME, document, width);
  const overlay = () => harness.page.locator('[data-view=block] .fovea-overlay');

  it('a malformed document with a message, not an error', async () => {
    await mount({ version: 1, network: 'n', images: [{ name: 'x' }] });
    expect(await harness.page.getByRole('alert').textContent()).toContain(
      'images[0].width: found nothing, expected a number',
    );
  });

  it('an update of its display: the chosen block and view stay', async () => {
    await mount(sampleMasks());
    await overlay().focus();
    await harness.page.keyboard.press('End');
    await harness.page.evaluate(([mime, document]) => window.harness.update(mime, document), [
      MASKS_MIME,
      { ...sampleMasks(), title: 'Later' },
    ] as const);
    expect(await harness.page.locator('.fovea-title').textContent()).toBe('Later');
    expect(await overlay().locator('canvas').getAttribute('aria-label')).toContain('Block 16 of 16');
  });

  it('long and narrow images, in both directions', async () => {
    const document = tinyMasks();
    for (const [width, height] of [
      [2000, 2],
      [2, 2000],
    ] as const) {
      const image = {
        ...document.images[0]!,
        width,
        height,
        png: png(width, height, () => [200, 100, 50]),
      };
      await mount({ ...document, images: [image] });
      expect((await overlay().boundingBox())!.height).toBeLessThanOrEqual(561);
      expect(await checkFit(harness.page)).toEqual([]);
      const [download] = await Promise.all([
        harness.page.waitForEvent('download'),
        harness.page.getByRole('button', { name: 'Save PNG' }).click(),
      ]);
      expect((await readFile(await download.path())).length).toBeGreaterThan(100);
    }
  });

  it('a document that says its image is huge, when there is none', async () => {
    const document = tinyMasks();
    const image = { ...document.images[0]!, width: 16384, height: 16384, png: 'AAAA' };
    await mount({ ...document, images: [image] });
    expect(await pixel(harness.page, '[data-view=block] canvas', 0.25, 0.25)).toEqual([138, 144, 153]);
  });

  it('a sound document after a malformed one', async () => {
    await mount({ version: 1 });
    await mount(tinyMasks());
    expect(await overlay().isVisible()).toBe(true);
  });

  it('markup in names as text', async () => {
    const evil = '<img src=x onerror="window.owned = 1">';
    const document = JSON.parse(JSON.stringify(sampleMasks(2)), (key, value) =>
      ['name', 'network', 'label', 'title', 'strategy'].includes(key) ? evil : value,
    ) as MasksDocument;
    await mount(document);
    await harness.page.getByRole('tab', { name: 'Stages' }).click();
    expect(await harness.page.evaluate(() => (window as { owned?: number }).owned)).toBeUndefined();
    expect(await harness.page.locator('.fovea-title').textContent()).toBe(evil);
  });

  it('images without blocks, and blocks without margins or classes', async () => {
    const document = tinyMasks();
    await mount({ ...document, images: [{ ...document.images[0]!, blocks: [] }] });
    for (const tab of ['Stages', 'Compute', 'Block'])
      await harness.page.getByRole('tab', { name: tab }).click();
    await overlay().focus();
    await harness.page.keyboard.press('ArrowRight');
    expect(await pixel(harness.page, '[data-view=block] canvas', 0.25, 0.25)).toEqual([255, 255, 255]);
    const readout = harness.page.locator('[data-view=block] .fovea-readout');
    expect(await readout.textContent()).toContain('No block has a mask');
  });

  it('names of any length: one line each, with their shares beside them', async () => {
    const document = tinyMasks();
    const name = `${'a_very_long_name_'.repeat(8)}.png`;
    const image = { ...document.images[0]!, name, top: [{ label: name, probability: 0.9 }] };
    await mount({ ...document, images: [image, image] });
    const sizes = await harness.page
      .locator('.fovea-images .fovea-segment, .fovea-top-list li')
      .evaluateAll((nodes) => nodes.map((node) => [node.clientWidth, node.clientHeight] as const));
    expect(sizes).toHaveLength(3);
    for (const [width, height] of sizes) {
      expect(width).toBeLessThan(350);
      expect(height).toBeLessThan(40);
    }
    expect(await harness.page.locator('.fovea-images .fovea-segment').first().getAttribute('title')).toBe(
      name,
    );
  });
});
