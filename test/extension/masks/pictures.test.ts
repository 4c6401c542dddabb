// @module-tag process
import { describe, expect, it } from 'vitest';
import { MASKS_MIME } from '../../../extension/src/documents/types';
import { CHROMIUM, useHarness } from '../support/browser';
import { sampleMasks } from '../support/samples';

/** Decoded, a photograph takes 25 MB: those of a document with dozens must not all be. */
describe.skipIf(!CHROMIUM)('masks over many images (skipped where Chromium is absent)', () => {
  const harness = useHarness();

  it('are decoded when they are chosen, and the last few are kept', async () => {
    const { page } = harness;
    await page.evaluate(() => {
      const counts = { decoded: 0 };
      Object.assign(window, { counts });
      const decode = HTMLImageElement.prototype.decode;
      HTMLImageElement.prototype.decode = function () {
        counts.decoded += 1;
        return decode.call(this);
      };
    });
    const decoded = () =>
      page.evaluate(() => (window as unknown as { counts: { decoded: number } }).counts.decoded);
    const says = () => page.locator('[data-view=block] canvas').first().getAttribute('aria-label');
    const choose = async (at: number) => {
      await page.locator('.fovea-images .fovea-segment').nth(at).click();
      await expect.poll(says).toContain(document.images[at]!.name);
    };
    const document = sampleMasks(8);
    await harness.mount(MASKS_MIME, document);
    expect(await decoded()).toBe(1);
    await choose(1);
    await choose(0);
    expect(await decoded()).toBe(2);
    for (const at of [2, 3, 4, 5]) await choose(at);
    await choose(0);
    expect(await decoded()).toBe(7);
    expect(harness.complaints).toEqual([]);
  });

  it('show the one that was chosen last, however fast they are stepped through', async () => {
    const { page } = harness;
    await harness.mount(MASKS_MIME, sampleMasks(8));
    await page.locator('.fovea-images .fovea-segment').first().focus();
    await page.evaluate(() => {
      for (let step = 0; step < 5; step++) {
        document.activeElement!.dispatchEvent(
          new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }),
        );
      }
    });
    const label = page.locator('[data-view=block] canvas').first();
    await expect.poll(() => label.getAttribute('aria-label')).toContain('image-5.png');
    expect(await page.locator('.fovea-images [aria-checked=true]').textContent()).toBe('image-5.png');
  });
});
