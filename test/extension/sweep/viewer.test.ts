// @module-tag process
import { describe, expect, it } from 'vitest';
import { SWEEP_MIME } from '../../../extension/src/documents/types';
import type { SweepDocument } from '../../../kernel/src/index';
import { CHROMIUM, useHarness } from '../support/browser';
import { axeViolations, checkFit, overlaps, unnamed } from '../support/page';
import { sampleSweep } from '../support/samples';

describe.skipIf(!CHROMIUM)('the sweep viewer in a browser (skipped where Chromium is absent)', () => {
  const harness = useHarness();

  const mount = (document: SweepDocument, width?: number) => harness.mount(SWEEP_MIME, document, width);
  const update = (document: SweepDocument) =>
    harness.page.evaluate(([mime, value]) => window.harness.update(mime as never, value), [
      SWEEP_MIME,
      document,
    ] as const);
  /** @param options `refusal`: why orders are not executed; `reaches`: whether a kernel runs the sweep */
  const obey = (options: { readonly refusal?: string; readonly reaches?: boolean } = {}) =>
    harness.page.evaluate(({ refusal, reaches = true }) => {
      const orders: unknown[] = [];
      const reach = { reaches };
      Object.assign(window, { orders, reach });
      window.harness.sweepOrders.set({
        reaches: async () => reach.reaches,
        send: async (_, order) => {
          orders.push(order);
          return refusal;
        },
      });
    }, options);
  const buttons = () => harness.page.locator('.fovea-sweep .fovea-head').first().getByRole('button');

  it('shows progress, what runs, what waits, the plot and the latest points first', async () => {
    await mount(sampleSweep('running'));
    const { page } = harness;
    expect(
      await page.locator('progress').evaluate((bar: HTMLProgressElement) => [bar.value, bar.max]),
    ).toEqual([7, 24]);
    const text = await page.locator('.fovea-sweep').textContent();
    expect(text).toContain('Running · 6 of 24 points completed · 1 failed · 42 s · about 2 min left');
    expect(text).toContain('quick-look S=4 r=0.5 on tx2-1, 40 %');
    expect(text).toContain('3 points for gpu=a100 wait: no worker serves this queue');
    await expect
      .poll(() => page.locator('.fovea-plot [class^=scatterlayer] .points path').count())
      .toBeGreaterThan(3);
    expect(await page.locator('.fovea-table-place tbody tr').first().textContent()).toMatch(
      /^quick-look8,4,7,113\.07/,
    );
    expect(harness.complaints).toEqual([]);
  });

  it('has buttons where a kernel can obey them, and keeps the focus in one that stays', async () => {
    await harness.page.evaluate(() => window.harness.sweepOrders.set(undefined));
    await mount(sampleSweep('running'));
    expect(await buttons().count()).toBe(0);
    await obey();
    await mount(sampleSweep('running'));
    expect(await buttons().allTextContents()).toEqual(['Pause', 'Cancel']);
    await buttons().first().focus();
    await update(sampleSweep('running', 7));
    expect(await harness.page.evaluate(() => document.activeElement?.textContent)).toBe('Pause');
    await buttons().first().click();
    await update(sampleSweep('paused', 7));
    expect(await buttons().allTextContents()).toEqual(['Resume', 'Cancel']);
    await buttons().first().click();
    await buttons().last().click();
    const orders = await harness.page.evaluate(() => (window as unknown as { orders: unknown[] }).orders);
    expect(orders).toEqual(['pause', 'resume', 'cancel'].map((action) => ({ id: 'd1', action })));
    await update(sampleSweep('completed', 23));
    expect(await buttons().count()).toBe(0);
  });

  it('keeps the keyboard when its buttons change: on those that follow, then on the display', async () => {
    await obey();
    await mount(sampleSweep('running'));
    const focused = () =>
      harness.page.evaluate(
        () => document.activeElement!.getAttribute('aria-label') ?? document.activeElement!.textContent,
      );
    await expect.poll(() => buttons().count()).toBe(2);
    await buttons().first().focus();
    await update(sampleSweep('paused', 7));
    expect(await focused()).toBe('Resume');
    await buttons().last().focus();
    await update(sampleSweep('cancelled', 7));
    expect(await focused()).toBe('Fovea sweep');
    await harness.page.keyboard.press('Tab');
    expect(await harness.page.evaluate(() => document.activeElement!.closest('.fovea-sweep') !== null)).toBe(
      true,
    );
  });

  it('offers nothing where no kernel runs it, and says how it stood and what continues it', async () => {
    await obey({ reaches: false });
    await mount(sampleSweep('running'));
    const { page } = harness;
    const text = () => page.locator('.fovea-sweep').textContent();
    await expect.poll(text).toContain('Was running · 6 of 24 points completed · 1 failed · 42 s');
    expect(await text()).toContain("fovea.sweep('first') in a cell continues it");
    expect(await buttons().count()).toBe(0);
    // What is true of the moment alone.
    for (const gone of ['left', 'tx2-1, 40 %', 'no worker serves this queue'])
      expect(await text()).not.toContain(gone);
    expect(await axeViolations(page)).toEqual([]);
    await mount(sampleSweep('completed', 23));
    expect(await text()).not.toContain('in a cell continues it');
  });

  it('offers its buttons, or takes them back, when kernels come and go', async () => {
    await obey();
    await mount(sampleSweep('running'));
    await expect.poll(() => buttons().count()).toBe(2);
    const reach = (reaches: boolean) =>
      harness.page.evaluate((now) => {
        (window as unknown as { reach: { reaches: boolean } }).reach.reaches = now;
        window.harness.sweepOrders.changed.emit();
      }, reaches);
    await reach(false);
    await expect.poll(() => buttons().count()).toBe(0);
    await reach(true);
    await expect.poll(() => buttons().allTextContents()).toEqual(['Pause', 'Cancel']);
    expect(await harness.page.locator('.fovea-sweep').textContent()).toContain('Running · 6 of 24');
  });

  it('says why an order was not executed, and nothing where it was', async () => {
    await obey();
    await mount(sampleSweep('running'));
    await buttons().first().click();
    expect(await harness.page.locator('.fovea-sweep').textContent()).not.toContain('This was not done.');
    await obey({ refusal: 'The kernel does not run this sweep.' });
    await buttons().first().click();
    await expect
      .poll(() => harness.page.locator('.fovea-sweep').textContent())
      .toContain('This was not done.The kernel does not run this sweep.');
  });

  it.each(['light', 'dark'] as const)('can be read by everybody and fits, %s', async (theme) => {
    await harness.theme(theme);
    await obey();
    for (const width of [900, 380, 180]) {
      await mount(sampleSweep('running'), width);
      expect(await axeViolations(harness.page)).toEqual([]);
      expect(await unnamed(harness.page)).toEqual([]);
      expect(await checkFit(harness.page)).toEqual([]);
      expect(await overlaps(harness.page)).toEqual([]);
    }
    if (process.env.FOVEA_SCREENSHOTS) {
      await mount(sampleSweep('running'));
      await harness.page
        .locator('#host')
        .screenshot({ path: `${process.env.FOVEA_SCREENSHOTS}/sweep-${theme}.png` });
    }
  });

  it('says what is wrong with a document that is none', async () => {
    await mount({ ...sampleSweep('running'), state: 'asleep' as never });
    expect(await harness.page.locator('#host').textContent()).toMatch(
      /This sweep cannot be shown.*state.*asleep/s,
    );
  });
});
