// @module-tag process
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser';
import { type Fakes, type LivePage, openLivePage } from '../support/live-page';

/** Where the keyboard is while the panel is redrawn: a focus that is lost begins at the top of the page again. */
describe.skipIf(!CHROMIUM)('the keyboard in the live panel (skipped where Chromium is absent)', () => {
  let live: LivePage;

  beforeAll(async () => {
    live = await openLivePage();
  });
  afterAll(() => live?.harness.close());
  beforeEach(async () => {
    await live.start();
    await expect.poll(live.measured).toMatch(/ms$/);
  });

  /** What has the focus: its id, label or words. */
  const focused = () =>
    live.page.evaluate(() => {
      const node = document.activeElement as HTMLElement & { readonly labels?: NodeListOf<HTMLElement> };
      return node.labels?.[0]?.textContent || node.id || node.getAttribute('aria-label') || node.textContent;
    });

  it('stays on a control whose form is drawn again, as when a picture appears beside the notebook', async () => {
    const reply = () =>
      live.page.evaluate(() => {
        const { kernel, answers } = window as unknown as Fakes;
        kernel.reply({ type: 'catalogue', catalogue: answers.catalogue });
      });
    for (const label of ['Network', 'Stage 2', 'Strategy', 'Threads']) {
      const before = await live.page.getByLabel(label, { exact: true }).elementHandle();
      await before!.focus();
      await reply();
      await expect.poll(() => before!.evaluate((node) => node.isConnected)).toBe(false);
      expect(await focused()).toBe(label);
    }
    const masker = live.page.getByRole('radio', { name: 'Random' });
    await masker.click();
    await masker.focus();
    const before = await masker.elementHandle();
    await reply();
    await expect.poll(() => before!.evaluate((node) => node.isConnected)).toBe(false);
    expect(await focused()).toBe('Random');
  });

  it('goes from the button that calibrates to the times that it is for', async () => {
    await live.page.getByLabel('Predict for').selectOption('cpu-avx2');
    const calibrate = live.page.getByRole('button', { name: 'Calibrate this machine' });
    await calibrate.focus();
    await live.page.evaluate(() => {
      (window as unknown as Fakes).kernel.answering = false;
    });
    await live.page.keyboard.press('Enter');
    await expect.poll(() => calibrate.isVisible()).toBe(false);
    expect(await focused()).toBe('Predicted and measured time');
  });

  it('waits while the kernel starts again, and comes back to its control', async () => {
    await live.page.getByLabel('Strategy').focus();
    await live.page.evaluate(() => (window as unknown as Fakes).kernel.setStatus('restarting'));
    await expect.poll(() => live.notice().isVisible()).toBe(true);
    expect(await focused()).toBe('fovea-live-panel');
    await live.page.evaluate(() => (window as unknown as Fakes).kernel.setStatus('idle'));
    await expect.poll(() => live.notice().isVisible()).toBe(false);
    await expect.poll(focused).toBe('Strategy');
  });

  it('does not come back where it has gone elsewhere meanwhile', async () => {
    await live.page.getByLabel('Strategy').focus();
    await live.page.evaluate(() => {
      document.body.insertAdjacentHTML('beforeend', '<button id="elsewhere">elsewhere</button>');
      (window as unknown as Fakes).kernel.setStatus('restarting');
      document.getElementById('elsewhere')!.focus();
      (window as unknown as Fakes).kernel.setStatus('idle');
    });
    await expect.poll(() => live.notice().isVisible()).toBe(false);
    expect(await focused()).toBe('elsewhere');
  });

  it('goes from a notice’s button to the panel when the notice goes', async () => {
    await live.page.evaluate(() => (window as unknown as Fakes).kernel.closeComms());
    const again = live.page.getByRole('button', { name: 'Try again' });
    await again.focus();
    await live.page.keyboard.press('Enter');
    await expect.poll(() => again.isVisible()).toBe(false);
    expect(await focused()).toBe('fovea-live-panel');
  });

  it('is shown where it is, on the panel as on its controls', async () => {
    await live.page.getByLabel('Strategy').focus();
    await live.page.evaluate(() => (window as unknown as Fakes).kernel.setStatus('restarting'));
    await expect.poll(focused).toBe('fovea-live-panel');
    const outline = () =>
      live.page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement!);
        return `${outlineStyle} ${outlineWidth}`;
      });
    expect(await outline()).toBe('solid 2px');
  });

  it('goes to the notebook with Escape, from a control as from the panel itself', async () => {
    const left = () => live.page.evaluate(() => window.live.notices);
    await live.page.getByLabel('Strategy').focus();
    await live.page.keyboard.press('Escape');
    expect(await left()).toEqual(['to one.ipynb']);
    await live.page.evaluate(() => window.live.panel!.node.focus());
    await live.page.keyboard.press('Escape');
    expect(await left()).toEqual(['to one.ipynb', 'to one.ipynb']);
    expect(live.harness.complaints).toEqual([]);
  });
});
