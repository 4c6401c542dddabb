// @module-tag process
import { describe, expect, it } from 'vitest';
import { MASKS_MIME } from '../../../extension/src/documents/types';
import { CHROMIUM, useHarness } from '../support/browser';
import { sampleMasks } from '../support/samples';

describe.skipIf(!CHROMIUM)('the compute map in a browser (skipped where Chromium is absent)', () => {
  const harness = useHarness();

  it('says its counts to the keyboard, too, with their places', async () => {
    await harness.mount(MASKS_MIME, sampleMasks());
    const { page } = harness;
    await page.getByRole('tab', { name: 'Compute' }).click();
    await page.getByRole('group', { name: /^Compute heat map/ }).focus();
    const says = () => page.locator('.fovea-masks > [aria-live]').textContent();
    const marker = page.locator('[data-view=heat] .fovea-cell-marker');
    expect(await marker.isVisible()).toBe(false);
    await page.keyboard.press('ArrowRight');
    expect(await says()).toMatch(/^\d+ of \d+ blocks ran at 50 % across, 50 % down\.$/);
    expect(await page.locator('[data-view=heat] .fovea-readout').textContent()).toBe(await says());
    expect(await marker.isVisible()).toBe(true);
    for (let step = 0; step < 40; step++) await page.keyboard.press('ArrowLeft');
    expect(await says()).toMatch(/ran at 0 % across, 50 % down\.$/);
  });
});
