import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LiveRequest } from '../../extension/src/live/protocol';
import { CHROMIUM, type Harness, openHarness } from './support/browser';
import type { FakeAnswers, FakeKernel } from './support/fakekernel';
import type {} from './support/live';
import { checkFit, contrasts, pixel, unnamed } from './support/page';
import { sampleAnswers } from './support/samples';

/** What a test puts on the window besides the harness. */
interface Fakes {
  readonly kernel: FakeKernel;
  readonly notebook: Window['live']['tracker']['currentWidget'] & object;
  readonly answers: FakeAnswers;
}

describe.skipIf(!CHROMIUM)('the live panel in a browser (skipped where Chromium is absent)', () => {
  let harness: Harness;

  beforeAll(async () => {
    harness = await openHarness('live');
  });
  afterAll(() => harness?.close());

  /** A fresh page with one notebook in front, whose kernel answers. */
  async function start(
    options: { readonly knowsTarget?: boolean; readonly width?: number } = {},
  ): Promise<void> {
    harness.complaints.length = 0;
    await harness.page.reload();
    await harness.page.evaluate(
      ([answers, knowsTarget, width]) => {
        sessionStorage.clear();
        const { live } = window;
        const kernel = live.kernel('k1', answers as never);
        kernel.knowsTarget = knowsTarget;
        Object.assign(window, { kernel, notebook: live.notebook('one.ipynb', kernel), answers });
        live.tracker.bring((window as unknown as Fakes).notebook);
        live.open(width);
      },
      [sampleAnswers(), options.knowsTarget ?? true, options.width ?? 320] as const,
    );
  }

  const requests = () =>
    harness.page.evaluate(() => (window as unknown as Fakes).kernel.requests as LiveRequest[]);
  const count = async (type: LiveRequest['type']) =>
    (await requests()).filter((each) => each.type === type).length;
  const notice = () => harness.page.locator('.fovea-live-notice');
  const predicted = () => harness.page.locator('.fovea-mod-predicted .fovea-number').textContent();
  const measured = () => harness.page.locator('.fovea-mod-measured .fovea-number').textContent();

  describe('with a kernel that answers', () => {
    beforeEach(() => start());

    it('shows the catalogue, predicts at once, and measures when the controls rest', async () => {
      await expect.poll(predicted).toMatch(/^\d+\.\d ms$/);
      await expect.poll(measured).toMatch(/^\d+\.\d ms$/);
      expect((await requests()).map(({ type }) => type)).toEqual(['hello', 'predict', 'run']);
      expect(await harness.page.locator('.fovea-strip .fovea-tile').count()).toBe(16);
      expect(await harness.page.locator('.fovea-predicted-bar').count()).toBe(16);
      expect(await harness.page.locator('.fovea-measured-bar').count()).toBe(16);
      await expect(notice().isHidden()).resolves.toBe(true);
    });

    it('follows a slider as it moves, one prediction in flight, and runs once afterwards', async () => {
      await expect.poll(measured).toMatch(/ms$/);
      const runs = await count('run');
      await harness.page.evaluate(() => {
        (window as unknown as Fakes).kernel.delayMs = 20;
      });
      const rate = harness.page.getByRole('slider', { name: 'Rate' });
      await rate.focus();
      for (let step = 0; step < 15; step++) await harness.page.keyboard.press('ArrowRight');
      await expect.poll(() => count('run'), { timeout: 3000 }).toBe(runs + 1);
      const sent = await requests();
      const last = sent.filter((each) => each.type === 'predict').at(-1);
      expect(last).toMatchObject({ state: { rate: 0.55 } });
      expect(sent.at(-1)).toMatchObject({ type: 'run', state: { rate: 0.55 } });
      // 1.9 times the sample's dense time, at a tenth plus nine tenths of the rate.
      await expect.poll(predicted).toBe('18.7 ms');
    });

    it('marks a measurement of other settings as such, until the new one is there', async () => {
      await expect.poll(measured).toMatch(/ms$/);
      await harness.page.evaluate(() => {
        (window as unknown as Fakes).kernel.answering = false;
      });
      await harness.page.getByLabel('Strategy').selectOption('auto');
      const figure = harness.page.locator('.fovea-mod-measured');
      expect(await figure.getAttribute('class')).toContain('fovea-mod-stale');
      expect(await figure.textContent()).toContain('of the settings before');
    });

    it('shows progress, lets the run be stopped, and ignores its late result', async () => {
      await expect.poll(measured).toMatch(/ms$/);
      const before = await measured();
      await harness.page.evaluate(() => {
        (window as unknown as Fakes).kernel.answering = false;
      });
      await harness.page.getByRole('button', { name: 'Run now' }).click();
      const run = (await requests()).at(-1) as { serial: number };
      await harness.page.evaluate((serial) => {
        (window as unknown as Fakes).kernel.reply({
          type: 'progress',
          serial,
          fraction: 0.5,
          name: 'layer3.2',
        });
      }, run.serial);
      expect(await harness.page.locator('.fovea-mod-measured').textContent()).toContain('layer3.2');
      await harness.page.getByRole('button', { name: 'Stop' }).click();
      expect((await requests()).at(-1)).toEqual({ type: 'cancel' });
      await harness.page.evaluate((serial) => {
        const { kernel, answers } = window as unknown as Fakes;
        kernel.reply({
          type: 'result',
          serial,
          masks: answers.masks,
          measured: { ...answers.profile, totalMs: 999 },
          predicted: answers.profile,
        });
      }, run.serial);
      expect(await measured()).toBe(before);
    });

    it('does not run by itself with Auto-run off', async () => {
      await expect.poll(measured).toMatch(/ms$/);
      await harness.page.getByRole('button', { name: 'Auto-run' }).click();
      const runs = await count('run');
      await harness.page.getByLabel('Stage 1', { exact: true }).selectOption('4');
      await expect
        .poll(async () => (await requests()).at(-1))
        .toMatchObject({
          type: 'predict',
          state: { granularity: [4, 4, 2, 1] },
        });
      await harness.page.waitForTimeout(500);
      expect(await count('run')).toBe(runs);
    });

    it('fits the controls to another network', async () => {
      const network = harness.page.getByLabel('Network', { exact: true });
      await network.focus();
      await network.selectOption('small');
      expect(await harness.page.locator('.fovea-stage-fields select').count()).toBe(2);
      expect(await harness.page.getByRole('radio', { name: 'Learned' }).count()).toBe(0);
      expect((await requests()).at(-1)).toMatchObject({ state: { network: 'small', granularity: [8, 4] } });
      expect(
        await harness.page
          .getByLabel('Network', { exact: true })
          .evaluate((node) => node === document.activeElement),
      ).toBe(true);
    });

    it('asks for the rate only where one is taken', async () => {
      const rate = harness.page.getByRole('slider', { name: 'Rate' });
      expect(await rate.isEnabled()).toBe(true);
      await harness.page.getByRole('radio', { name: 'Learned' }).click();
      expect(await rate.isEnabled()).toBe(false);
    });

    it('inserts the code that the kernel writes', async () => {
      await harness.page.getByRole('button', { name: 'Insert as cell' }).click();
      await expect.poll(() => harness.page.evaluate(() => window.live.inserted)).toEqual(['// lasnet-50']);
    });

    it('says what the kernel could not do, and goes on', async () => {
      await expect.poll(measured).toMatch(/ms$/);
      await harness.page.evaluate(() => {
        (window as unknown as Fakes).kernel.reply({ type: 'error', message: 'S of 5 does not fit' });
      });
      expect(await harness.page.getByRole('alert').textContent()).toContain('S of 5 does not fit');
      await harness.page.getByLabel('Strategy').selectOption('auto');
      await expect.poll(() => harness.page.getByRole('alert').count()).toBe(0);
    });

    it('says so when the kernel sends nonsense', async () => {
      await harness.page.evaluate(() => {
        (window as unknown as Fakes).kernel.reply({ type: 'prediction', serial: 'x' });
      });
      expect(await harness.page.getByRole('alert').textContent()).toContain(
        'serial: found "x", expected a number',
      );
    });
  });

  describe('painting', () => {
    beforeEach(async () => {
      await start();
      await harness.page.getByRole('radio', { name: 'Painted' }).click();
    });
    const area = () => harness.page.locator('.fovea-paintable');
    const region = async () => {
      const sent = (await requests()).filter((each) => each.type === 'predict' || each.type === 'run');
      return (sent.at(-1) as { state: { region?: { rows: number; columns: number; cells: string } } }).state
        .region;
    };

    it('with the pointer covers what was brushed, and runs with exactly that', async () => {
      const box = (await area().boundingBox())!;
      await harness.page.mouse.move(box.x + box.width * 0.25, box.y + box.height * 0.5);
      await harness.page.mouse.down();
      await harness.page.mouse.move(box.x + box.width * 0.75, box.y + box.height * 0.5, { steps: 6 });
      await harness.page.mouse.up();
      await expect.poll(async () => (await requests()).at(-1)?.type).toBe('run');
      const painted = (await region())!;
      const at = (x: number, y: number) =>
        painted.cells[Math.floor(y * painted.rows) * painted.columns + Math.floor(x * painted.columns)];
      expect([at(0.25, 0.5), at(0.5, 0.5), at(0.75, 0.5)]).toEqual(['1', '1', '1']);
      expect([at(0.5, 0.3), at(0.05, 0.5), at(0.95, 0.5)]).toEqual(['0', '0', '0']);
      const inside = await pixel(harness.page, '.fovea-paintable canvas', 0.5, 0.5);
      const outside = await pixel(harness.page, '.fovea-paintable canvas', 0.5, 0.2);
      expect(Math.max(...inside)).toBeGreaterThan(Math.max(...outside));
    });

    it('with the keyboard does the same: move, paint, erase, clear', async () => {
      await area().focus();
      await harness.page.keyboard.press('Space');
      await harness.page.keyboard.press('ArrowRight');
      await harness.page.keyboard.press('Space');
      const covered = (await region())!.cells.split('1').length - 1;
      expect(covered).toBeGreaterThan(40);
      await harness.page.keyboard.press('e');
      await harness.page.keyboard.press('Space');
      expect((await region())!.cells.split('1').length - 1).toBeLessThan(covered);
      await harness.page.keyboard.press('Delete');
      expect((await region())!.cells).not.toContain('1');
      expect(await harness.page.locator('.fovea-painter .fovea-readout').textContent()).toContain(
        'Paint where',
      );
    });

    it('keeps the region while the masks of the run are looked at', async () => {
      await area().focus();
      await harness.page.keyboard.press('Space');
      const before = await region();
      await harness.page.getByRole('tab', { name: 'Masks' }).click();
      expect(await area().isVisible()).toBe(false);
      await harness.page.getByRole('tab', { name: 'Paint' }).click();
      expect(await harness.page.locator('.fovea-painter .fovea-readout').textContent()).toMatch(
        /% of the image inside/,
      );
      expect(await region()).toEqual(before);
    });

    it('starts anew on another image', async () => {
      await area().focus();
      await harness.page.keyboard.press('Space');
      await harness.page.getByRole('radio', { name: 'ball-2.png' }).click();
      await expect
        .poll(() => harness.page.locator('.fovea-painter .fovea-readout').textContent())
        .toContain('Paint where');
    });
  });

  describe('survives', () => {
    it('a restart of the kernel, with the controls as they were', async () => {
      await start();
      await harness.page.getByLabel('Strategy').selectOption('auto');
      await harness.page.evaluate(() => (window as unknown as Fakes).kernel.setStatus('restarting'));
      expect(await notice().textContent()).toContain('The kernel is starting');
      await harness.page.evaluate(() => (window as unknown as Fakes).kernel.setStatus('idle'));
      await expect.poll(() => notice().isHidden()).toBe(true);
      expect(await harness.page.evaluate(() => (window as unknown as Fakes).kernel.opened)).toBe(2);
      expect((await requests()).filter((each) => each.type === 'predict').at(-1)).toMatchObject({
        state: { strategy: 'auto' },
      });
    });

    it('a reload of the page: it takes up the comm that the kernel still holds, and the controls', async () => {
      await start();
      await harness.page.getByLabel('Strategy').selectOption('auto');
      const id = await harness.page.evaluate(() => [...(window as unknown as Fakes).kernel.holds][0]!);
      await harness.page.reload();
      await harness.page.evaluate(
        ([answers, held]) => {
          const { live } = window;
          const kernel = live.kernel('k1', answers as never);
          kernel.holds.add(held);
          Object.assign(window, { kernel });
          live.tracker.bring(live.notebook('one.ipynb', kernel));
          live.open(320);
        },
        [sampleAnswers(), id] as const,
      );
      await expect.poll(() => harness.page.getByLabel('Strategy').inputValue()).toBe('auto');
      expect(await harness.page.evaluate(() => (window as unknown as Fakes).kernel.opened)).toBe(0);
    });

    it('several notebooks: each keeps its own', async () => {
      await start();
      await harness.page.getByLabel('Strategy').selectOption('auto');
      await harness.page.evaluate(() => {
        const { live } = window;
        const { answers } = window as unknown as Fakes;
        const other = live.kernel('k2', answers as never);
        Object.assign(window, { other });
        live.tracker.bring(live.notebook('two.ipynb', other));
      });
      await expect
        .poll(() => harness.page.locator('.fovea-live .fovea-title').textContent())
        .toBe('two.ipynb');
      await expect.poll(() => harness.page.getByLabel('Strategy').inputValue()).toBe('streamed');
      await harness.page.evaluate(() => window.live.tracker.bring((window as unknown as Fakes).notebook));
      await expect.poll(() => harness.page.getByLabel('Strategy').inputValue()).toBe('auto');
    });

    it('two views of one kernel: each has its own comm', async () => {
      await start();
      await expect.poll(predicted).toMatch(/ms$/);
      await harness.page.evaluate(() => {
        const { live } = window;
        const { kernel } = window as unknown as Fakes;
        live.tracker.bring(live.notebook('one.ipynb, again', kernel));
      });
      await expect
        .poll(() => harness.page.evaluate(() => (window as unknown as Fakes).kernel.opened))
        .toBe(2);
    });

    it('a kernel without live controls: it says so, and offers another', async () => {
      await start({ knowsTarget: false });
      await expect.poll(() => notice().textContent()).toContain('Fovea (TypeScript) has no live controls');
      await harness.page.getByRole('button', { name: 'Choose a kernel' }).click();
      expect(await harness.page.evaluate(() => window.live.notices)).toEqual(['change kernel']);
    });

    it('a change of the notebook’s kernel', async () => {
      await start({ knowsTarget: false });
      await expect.poll(() => notice().textContent()).toContain('no live controls');
      await harness.page.evaluate(() => {
        const { notebook, answers } = window as unknown as Fakes;
        notebook.setKernel(window.live.kernel('k3', answers as never));
      });
      await expect.poll(predicted).toMatch(/ms$/);
      await harness.page.evaluate(() => (window as unknown as Fakes).notebook.setKernel(null));
      await expect.poll(() => notice().textContent()).toContain('This notebook has no kernel');
    });

    it('a comm that the kernel closes, and opens it again when asked', async () => {
      await start();
      await expect.poll(predicted).toMatch(/ms$/);
      await harness.page.evaluate(() => (window as unknown as Fakes).kernel.closeComms());
      expect(await notice().textContent()).toContain('ended the conversation');
      await harness.page.getByRole('button', { name: 'Try again' }).click();
      await expect.poll(() => notice().isHidden()).toBe(true);
    });

    it('a connection that was lost meanwhile, and a comm that is gone when it returns', async () => {
      await start();
      await expect.poll(predicted).toMatch(/ms$/);
      await harness.page.evaluate(() => {
        const { kernel } = window as unknown as Fakes;
        kernel.setConnection('connecting');
        kernel.holds.clear();
        kernel.setConnection('connected');
      });
      await expect
        .poll(() => harness.page.evaluate(() => (window as unknown as Fakes).kernel.opened))
        .toBe(2);
      await expect.poll(() => notice().isHidden()).toBe(true);
    });

    it('the death of the kernel', async () => {
      await start();
      await harness.page.evaluate(() => (window as unknown as Fakes).kernel.setStatus('dead'));
      expect(await notice().textContent()).toContain('The kernel has died');
    });

    it('a kernel that is busy and does not answer yet', async () => {
      await start({});
      await harness.page.evaluate(() => {
        const { live } = window;
        const { answers } = window as unknown as Fakes;
        const busy = live.kernel('k4', answers as never);
        busy.answering = false;
        busy.status = 'busy';
        live.tracker.bring(live.notebook('busy.ipynb', busy));
      });
      expect(await notice().textContent()).toContain('The kernel is busy');
    });

    it('a kernel that never answers: it says so after a while, and an answer that comes late counts', async () => {
      await start();
      await harness.page.clock.install();
      await harness.page.evaluate(() => {
        const { live } = window;
        const { answers } = window as unknown as Fakes;
        const silent = live.kernel('k5', answers as never);
        silent.answering = false;
        Object.assign(window, { kernel: silent });
        live.tracker.bring(live.notebook('silent.ipynb', silent));
      });
      expect(await notice().textContent()).toContain('Connecting');
      await harness.page.clock.runFor(9000);
      expect(await notice().textContent()).toContain('The kernel does not answer');
      await harness.page.evaluate(() => {
        const { kernel, answers } = window as unknown as Fakes;
        kernel.reply({ type: 'catalogue', catalogue: answers.catalogue });
      });
      expect(await notice().isHidden()).toBe(true);
    });

    it('no notebook at all', async () => {
      await start();
      await harness.page.evaluate(() => window.live.tracker.bring(null));
      expect(await notice().textContent()).toContain('No notebook in front');
    });
  });

  describe('fits', () => {
    it.each([240, 280, 420])('a place %i pixels wide: nothing sticks out', async (width) => {
      await start({ width });
      await expect.poll(measured).toMatch(/ms$/);
      expect(await checkFit(harness.page)).toEqual([]);
      await harness.page.getByRole('radio', { name: 'Painted' }).click();
      expect(await checkFit(harness.page)).toEqual([]);
    });

    it.each(['light', 'dark'] as const)(
      'the %s theme: all text stands out from its ground',
      async (theme) => {
        await start();
        await harness.theme(theme);
        await expect.poll(measured).toMatch(/ms$/);
        await harness.page.waitForTimeout(200);
        expect(await contrasts(harness.page, 4.5)).toEqual([]);
      },
    );

    it('a screen reader: everything that takes the focus has a name', async () => {
      await start();
      await expect.poll(measured).toMatch(/ms$/);
      await harness.page.getByRole('radio', { name: 'Painted' }).click();
      expect(await unnamed(harness.page)).toEqual([]);
    });

    it('all of that without a console error', () => {
      expect(harness.complaints).toEqual([]);
    });
  });
});
