// @module-tag process
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser';
import { type Fakes, type LivePage, openLivePage } from '../support/live-page';

/** The values of the chart are there for everybody: a mouse's tooltip is out of reach for fingers, keys and screen readers. */
describe.skipIf(!CHROMIUM)('the block chart in a browser (skipped where Chromium is absent)', () => {
  let live: LivePage;
  beforeAll(async () => {
    live = await openLivePage();
  });
  afterAll(() => live?.harness.close());
  beforeEach(async () => {
    await live.start();
    await expect.poll(live.measured).toMatch(/ms$/);
  });

  const blocks = () => live.page.getByRole('listbox', { name: /^Milliseconds per block, 16 blocks/ });
  const line = async () =>
    (await live.page.locator('.fovea-block-chart .fovea-readout').textContent())!.replaceAll('\n', '; ');
  const VALUES = /; predicted \S+ ms, dense \S+ ms; measured \S+ ms, dense \S+ ms$/;

  it('is stepped through with the arrow keys, and says each block’s times', async () => {
    await blocks().focus();
    expect(await line()).toContain('arrow keys');
    await live.page.keyboard.press('ArrowRight');
    const first = await line();
    expect(first).toMatch(/^\S+, stage 1; /);
    expect(first).toMatch(VALUES);
    const chosen = blocks().getByRole('option', { selected: true });
    expect(await chosen.getAttribute('aria-label')).toBe(first);
    expect(await blocks().getAttribute('aria-activedescendant')).toBe(await chosen.getAttribute('id'));
    await live.page.keyboard.press('End');
    expect(await line()).toMatch(/^\S+, stage 4; /);
    expect(await chosen.count()).toBe(1);
  });

  it('keeps the keyboard on its block while other times come in', async () => {
    await blocks().focus();
    for (let step = 0; step < 3; step++) await live.page.keyboard.press('ArrowRight');
    const before = await line();
    await live.page.evaluate(() => {
      const { kernel } = window as unknown as Fakes;
      kernel.answering = false;
    });
    await live.page.evaluate(() => {
      document.querySelector<HTMLSelectElement>('.fovea-pair select')!.dispatchEvent(new Event('change'));
    });
    await expect.poll(line).not.toContain('measured');
    expect(before.split(';')[0]).toBe((await line()).split(';')[0]);
    expect(await blocks().evaluate((node) => node === document.activeElement)).toBe(true);
  });

  it('says the times of the block below the pointer or the finger', async () => {
    const box = (await blocks().boundingBox())!;
    const at = (index: number) => [box.x + (box.width * (index + 0.5)) / 16, box.y + 40] as const;
    const top = () =>
      live.page.getByRole('radio', { name: 'Random' }).evaluate((node) => node.getBoundingClientRect().top);
    const before = await top();
    await live.page.mouse.move(...at(2));
    expect(await top()).toBe(before);
    const third = await blocks().getByRole('option').nth(2).getAttribute('aria-label');
    expect(await line()).toBe(third);
    await live.page.mouse.move(box.x, box.y - 60);
    expect(await line()).toContain('arrow keys');
    const session = await live.page.context().newCDPSession(live.page);
    const [x, y] = at(5);
    await session.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x, y }] });
    await session.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    await session.detach();
    expect(await line()).toBe(await blocks().getByRole('option').nth(5).getAttribute('aria-label'));
  });
});
