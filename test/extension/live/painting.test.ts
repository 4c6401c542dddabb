// @module-tag process
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser';
import { fingers } from '../support/fingers';
import { type LivePage, openLivePage } from '../support/live-page';
import { pixel } from '../support/page';

describe.skipIf(!CHROMIUM)('painting in the live panel (skipped where Chromium is absent)', () => {
  let live: LivePage;

  beforeAll(async () => {
    live = await openLivePage();
  });
  afterAll(() => live?.harness.close());

  beforeEach(async () => {
    await live.start();
    await live.page.getByRole('radio', { name: 'Painted' }).click();
  });
  const area = () => live.page.locator('.fovea-paintable');
  const region = async () => {
    const sent = (await live.requests()).filter((each) => each.type === 'predict' || each.type === 'run');
    return (sent.at(-1) as { state: { region?: { rows: number; columns: number; cells: string } } }).state
      .region;
  };

  it('with the pointer covers what was brushed, and runs with exactly that', async () => {
    const box = (await area().boundingBox())!;
    await live.page.mouse.move(box.x + box.width * 0.25, box.y + box.height * 0.5);
    await live.page.mouse.down();
    await live.page.mouse.move(box.x + box.width * 0.75, box.y + box.height * 0.5, { steps: 6 });
    await live.page.mouse.up();
    await expect.poll(async () => (await live.requests()).at(-1)?.type).toBe('run');
    const painted = (await region())!;
    const at = (x: number, y: number) =>
      painted.cells[Math.floor(y * painted.rows) * painted.columns + Math.floor(x * painted.columns)];
    expect([at(0.25, 0.5), at(0.5, 0.5), at(0.75, 0.5)]).toEqual(['1', '1', '1']);
    expect([at(0.5, 0.3), at(0.05, 0.5), at(0.95, 0.5)]).toEqual(['0', '0', '0']);
    const inside = await pixel(live.page, '.fovea-paintable canvas', 0.5, 0.5);
    const outside = await pixel(live.page, '.fovea-paintable canvas', 0.5, 0.2);
    expect(Math.max(...inside)).toBeGreaterThan(Math.max(...outside));
  });

  it('with two fingers covers two strokes, and nothing between them', async () => {
    await fingers(
      live.page,
      '.fovea-paintable',
      [
        [0.15, 0.2],
        [0.15, 0.8],
      ],
      [
        [0.85, 0.2],
        [0.85, 0.8],
      ],
    );
    await expect.poll(async () => (await region())?.cells).toContain('1');
    const painted = (await region())!;
    const at = (x: number, y: number) =>
      painted.cells[Math.floor(y * painted.rows) * painted.columns + Math.floor(x * painted.columns)];
    expect([at(0.15, 0.5), at(0.85, 0.5)]).toEqual(['1', '1']);
    expect([at(0.5, 0.2), at(0.5, 0.5), at(0.5, 0.8)]).toEqual(['0', '0', '0']);
  });

  it('with the keyboard does the same: move, paint, erase, clear', async () => {
    await area().focus();
    await live.page.keyboard.press('Space');
    await live.page.keyboard.press('ArrowRight');
    await live.page.keyboard.press('Space');
    const covered = async () => (await region())!.cells.split('1').length - 1;
    await expect.poll(covered).toBeGreaterThan(80);
    const before = await covered();
    await live.page.keyboard.press('e');
    await live.page.keyboard.press('Space');
    await expect.poll(covered).toBeLessThan(before);
    await live.page.keyboard.press('Delete');
    await expect.poll(covered).toBe(0);
    expect(await live.page.locator('.fovea-painter .fovea-readout').textContent()).toContain('Paint where');
  });

  it('keeps the region while the masks of the run are looked at', async () => {
    await area().focus();
    await live.page.keyboard.press('Space');
    const before = await region();
    await live.page.getByRole('tab', { name: 'Masks' }).click();
    expect(await area().isVisible()).toBe(false);
    await live.page.getByRole('tab', { name: 'Paint' }).click();
    expect(await live.page.locator('.fovea-painter .fovea-readout').textContent()).toMatch(
      /% of the image inside/,
    );
    expect(await region()).toEqual(before);
  });

  it('starts again on another image', async () => {
    await area().focus();
    await live.page.keyboard.press('Space');
    await live.page.getByRole('radio', { name: 'ball-2.png' }).click();
    await expect
      .poll(() => live.page.locator('.fovea-painter .fovea-readout').textContent())
      .toContain('Paint where');
  });
});
