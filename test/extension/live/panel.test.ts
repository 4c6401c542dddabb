// @module-tag process
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser';
import { type Fakes, type LivePage, openLivePage } from '../support/live-page';
import { axeViolations, checkFit, contrasts, cut, overlaps, unnamed } from '../support/page';

describe.skipIf(!CHROMIUM)('the live panel in a browser (skipped where Chromium is absent)', () => {
  let live: LivePage;

  beforeAll(async () => {
    live = await openLivePage();
  });
  afterAll(() => live?.harness.close());

  describe('with a kernel that answers', () => {
    beforeEach(() => live.start());

    it('shows the catalogue, predicts at once, and measures when the controls rest', async () => {
      await expect.poll(live.predicted).toMatch(/^\d+\.\d ms$/);
      await expect.poll(live.measured).toMatch(/^\d+\.\d ms$/);
      expect((await live.requests()).map(({ type }) => type)).toEqual(['hello', 'predict', 'run']);
      expect(await live.page.locator('.fovea-strip .fovea-tile').count()).toBe(16);
      expect(await live.page.locator('.fovea-predicted-bar').count()).toBe(16);
      expect(await live.page.locator('.fovea-measured-bar').count()).toBe(16);
      await expect(live.notice().isHidden()).resolves.toBe(true);
    });

    it('takes the focus when it is opened, so that the keyboard goes on in it', async () => {
      await expect.poll(live.measured).toMatch(/ms$/);
      await live.page.evaluate(() => window.live.panel!.activate());
      const network = live.page.getByRole('combobox', { name: 'Network' });
      const focused = () => network.evaluate((select) => select === document.activeElement);
      await expect.poll(focused).toBe(true);
      await live.page.evaluate(() => window.live.tracker.bring(null));
      await live.page.evaluate(() => window.live.panel!.activate());
      await expect.poll(() => live.page.evaluate(() => document.activeElement!.id)).toBe('fovea-live-panel');
      expect(await axeViolations(live.page)).toEqual([]);
    });

    it('shows the name that its notebook is given', async () => {
      const title = live.page.locator('.fovea-live-notebook h2');
      expect(await title.textContent()).toBe('one.ipynb');
      await live.page.evaluate(() => {
        (window as unknown as Fakes).notebook.title.label = 'renamed.ipynb';
      });
      expect(await title.textContent()).toBe('renamed.ipynb');
    });

    it('says of pictures that cannot be chosen why, and how many more there are', async () => {
      const lines = live.page.locator('.fovea-left-out');
      await expect.poll(live.measured).toMatch(/ms$/);
      expect(await lines.count()).toBe(0);
      await live.page.evaluate(() => {
        const { kernel, answers } = window as unknown as Fakes;
        const reason = 'a-<b>.png is not a readable image: it is cut off';
        const left = { refusedImages: [{ name: 'a-<b>.png', reason }], moreImages: 3 };
        kernel.reply({ type: 'catalogue', catalogue: { ...answers.catalogue, ...left } });
      });
      await expect
        .poll(() => lines.allTextContents())
        .toEqual([
          'a-<b>.png is not a readable image: it is cut off.',
          '3 more pictures beside the notebook: the first by name are shown.',
        ]);
      expect(await axeViolations(live.page)).toEqual([]);
      expect(await checkFit(live.page)).toEqual([]);
    });

    it('follows a slider as it moves, one prediction in flight, and runs once afterwards', async () => {
      await expect.poll(live.measured).toMatch(/ms$/);
      const runs = await live.count('run');
      await live.page.evaluate(() => {
        (window as unknown as Fakes).kernel.delayMs = 20;
      });
      const shown = await live.page.evaluateHandle(() => {
        const number = document.querySelector('.fovea-mod-predicted .fovea-number')!;
        const texts: (string | null)[] = [];
        new MutationObserver(() => texts.push(number.textContent)).observe(number, { childList: true });
        return texts;
      });
      const rate = live.page.getByRole('slider', { name: 'Rate' });
      await rate.focus();
      for (let step = 0; step < 15; step++) await live.page.keyboard.press('ArrowRight');
      await expect.poll(() => live.count('run')).toBe(runs + 1);
      const sent = await live.requests();
      const last = sent.filter((each) => each.type === 'predict').at(-1);
      expect(last).toMatchObject({ state: { rate: 0.55 } });
      expect(sent.at(-1)).toMatchObject({ type: 'run', state: { rate: 0.55 } });
      // 1.9 times the sample's dense time, at a tenth plus nine tenths of the rate.
      await expect.poll(() => shown.jsonValue()).toContain('18.7 ms');
      // The run's own masks are predicted for once they are known: it is they that were measured.
      await expect.poll(live.predicted).toBe('16.6 ms');
    });

    it('marks a measurement of other settings as such, until the new one is there', async () => {
      await expect.poll(live.measured).toMatch(/ms$/);
      await live.page.evaluate(() => {
        (window as unknown as Fakes).kernel.answering = false;
      });
      await live.page.getByLabel('Strategy').selectOption('auto');
      const figure = live.page.locator('.fovea-mod-measured');
      expect(await figure.getAttribute('class')).toContain('fovea-mod-stale');
      expect(await figure.textContent()).toContain('of the settings before');
    });

    it('says that it waits when a prediction is overdue, until it comes', async () => {
      await expect.poll(live.measured).toMatch(/ms$/);
      await live.page.evaluate(() => {
        (window as unknown as Fakes).kernel.answering = false;
      });
      await live.page.getByLabel('Strategy').selectOption('auto');
      const figure = live.page.locator('.fovea-mod-predicted');
      await expect.poll(() => figure.textContent()).toContain('waiting for the kernel');
      const { serial } = (await live.requests()).filter((each) => each.type === 'predict').at(-1) as {
        serial: number;
      };
      await live.page.evaluate((number) => {
        const { kernel, answers } = window as unknown as Fakes;
        const { profile, dense } = answers;
        kernel.reply({ type: 'prediction', serial: number, profile, dense, computeMs: 1 });
      }, serial);
      expect(await figure.textContent()).not.toContain('waiting');
    });

    it('shows progress, lets the run be stopped, and ignores its late result', async () => {
      await expect.poll(live.measured).toMatch(/ms$/);
      const before = await live.measured();
      await live.page.evaluate(() => {
        (window as unknown as Fakes).kernel.answering = false;
      });
      await live.page.getByRole('button', { name: 'Run now' }).click();
      const run = (await live.requests()).at(-1) as { serial: number };
      await live.page.evaluate((serial) => {
        (window as unknown as Fakes).kernel.reply({
          type: 'progress',
          serial,
          fraction: 0.5,
          name: 'layer3.2',
        });
      }, run.serial);
      expect(await live.page.locator('.fovea-mod-measured').textContent()).toContain('layer3.2');
      await live.page.getByRole('button', { name: 'Stop' }).click();
      expect((await live.requests()).at(-1)).toEqual({ type: 'cancel' });
      await live.page.evaluate((serial) => {
        const { kernel, answers } = window as unknown as Fakes;
        kernel.reply({
          type: 'result',
          serial,
          masks: answers.masks,
          measured: { ...answers.profile, totalMs: 999 },
          predicted: answers.profile,
          dense: answers.dense,
        });
      }, run.serial);
      expect(await live.measured()).toBe(before);
    });

    it('does not run by itself with Auto-run off', async () => {
      await expect.poll(live.measured).toMatch(/ms$/);
      await live.page.getByRole('button', { name: 'Auto-run' }).click();
      const runs = await live.count('run');
      await live.page.getByLabel('Stage 1', { exact: true }).selectOption('4');
      await expect
        .poll(async () => (await live.requests()).at(-1))
        .toMatchObject({
          type: 'predict',
          state: { granularity: [4, 4, 2, 1] },
        });
      await live.page.waitForTimeout(500);
      expect(await live.count('run')).toBe(runs);
    });

    it('fits the controls to another network', async () => {
      const network = live.page.getByLabel('Network', { exact: true });
      await network.focus();
      await network.selectOption('small');
      expect(await live.page.locator('.fovea-stage-fields select').count()).toBe(2);
      expect(await live.page.getByRole('radio', { name: 'Learned' }).count()).toBe(0);
      expect((await live.requests()).at(-1)).toMatchObject({
        state: { network: 'small', granularity: [8, 4] },
      });
      expect(
        await live.page
          .getByLabel('Network', { exact: true })
          .evaluate((node) => node === document.activeElement),
      ).toBe(true);
    });

    it('asks for the rate only where one is taken', async () => {
      const rate = live.page.getByRole('slider', { name: 'Rate' });
      expect(await rate.isEnabled()).toBe(true);
      await live.page.getByRole('radio', { name: 'Learned' }).click();
      expect(await rate.isEnabled()).toBe(false);
    });

    it('inserts the code that the kernel writes', async () => {
      await live.page.getByRole('button', { name: 'Insert as cell' }).click();
      await expect.poll(() => live.page.evaluate(() => window.live.inserted)).toEqual(['// lasnet-50']);
    });

    it('compares each time with the dense time of its own kind, over an axis with its unit', async () => {
      await expect.poll(live.measured).toMatch(/ms$/);
      const note = (which: string) =>
        live.page.locator(`.fovea-mod-${which} .fovea-unit`).first().textContent();
      // The fake kernel measures 1.06 times the predicted and 1.1 times the dense time of the sample.
      const { dense, profile } = await live.page.evaluate(() => (window as unknown as Fakes).answers);
      const [ms, denseMs] = [profile.totalMs * 1.06, dense.totalMs * 1.1];
      const figure = (value: number) => `${value.toPrecision(3)}\u00a0ms`;
      expect(await note('measured')).toBe(`${(ms / denseMs).toPrecision(3)}× dense (${figure(denseMs)})`);
      expect(await note('predicted')).toMatch(/× dense \([\d.]+\sms\)$/);
      expect(await live.page.locator('.fovea-chart-unit').textContent()).toBe('ms per block');
      expect(await live.page.locator('.fovea-chart-axis span').count()).toBeGreaterThan(3);
      expect(await live.page.locator('.fovea-chart-stages').textContent()).toBe('1234');
      expect(await live.page.locator('.fovea-dense-mark').count()).toBe(32);
    });

    it('says of a generic processor that it is none of this machine, and calibrates on request', async () => {
      await expect.poll(live.measured).toMatch(/ms$/);
      const calibrate = live.page.getByRole('button', { name: 'Calibrate this machine' });
      expect(await calibrate.isVisible()).toBe(false);
      expect(await live.page.locator('.fovea-mod-predicted').textContent()).toContain(
        'this machine, calibrated',
      );
      await live.page.getByLabel('Predict for').selectOption('cpu-avx2');
      await expect.poll(() => live.count('run')).toBe(2);
      const figure = (which: string) => live.page.locator(`.fovea-mod-${which}`).textContent();
      expect(await figure('predicted')).toContain('generic CPU, not calibrated');
      expect(await figure('measured')).not.toContain('prediction');
      await live.page.evaluate(() => {
        (window as unknown as Fakes).kernel.answering = false;
      });
      await calibrate.click();
      const request = (await live.requests()).at(-1) as { type: string; serial: number };
      expect(request.type).toBe('calibrate');
      const { serial } = request;
      await live.page.evaluate((number) => {
        (window as unknown as Fakes).kernel.reply({
          type: 'progress',
          serial: number,
          fraction: 0.42,
          name: 'convolutions',
        });
      }, serial);
      expect(await figure('measured')).toContain('measuring this machine, 42 %');
      expect(await live.page.getByLabel('Strategy').isEnabled()).toBe(true);
      expect(await live.page.locator('.fovea-live-content > [inert]').count()).toBe(3);
      await live.page.evaluate((number) => {
        const { kernel, answers } = window as unknown as Fakes;
        kernel.answering = true;
        kernel.reply({ type: 'catalogue', catalogue: answers.catalogue });
        kernel.reply({ type: 'calibrated', serial: number, device: 'this-machine' });
      }, serial);
      await expect.poll(() => figure('predicted')).toContain('this machine, calibrated');
      expect(await live.page.locator('.fovea-live-content > [inert]').count()).toBe(0);
      expect((await live.requests()).filter(({ type }) => type === 'cancel')).toEqual([]);
    });

    it('says what the kernel could not do, and goes on', async () => {
      await expect.poll(live.measured).toMatch(/ms$/);
      await live.page.evaluate(() => {
        (window as unknown as Fakes).kernel.reply({ type: 'error', message: 'S of 5 does not fit' });
      });
      expect(await live.page.getByRole('alert').textContent()).toContain('S of 5 does not fit');
      await live.page.getByLabel('Strategy').selectOption('auto');
      await expect.poll(() => live.page.getByRole('alert').count()).toBe(0);
    });

    it('says so when the kernel sends nonsense', async () => {
      await live.page.evaluate(() => {
        (window as unknown as Fakes).kernel.reply({ type: 'prediction', serial: 'x' });
      });
      expect(await live.page.getByRole('alert').textContent()).toContain(
        'serial: found "x", expected a number',
      );
    });
  });

  describe('fits', () => {
    it.each([235, 240, 250, 280, 300, 420])(
      'a place %i pixels wide: nothing sticks out or overlaps',
      async (width) => {
        await live.start({ width });
        await expect.poll(live.measured).toMatch(/ms$/);
        expect(await checkFit(live.page)).toEqual([]);
        expect(await overlaps(live.page)).toEqual([]);
        expect(await cut(live.page)).toEqual([]);
        await live.page.getByRole('radio', { name: 'Painted' }).click();
        expect(await cut(live.page)).toEqual([]);
        await live.page.getByLabel('Predict for').selectOption('cpu-avx2');
        expect(await checkFit(live.page)).toEqual([]);
        expect(await overlaps(live.page)).toEqual([]);
      },
    );

    it.each(['light', 'dark'] as const)(
      'the %s theme: all text stands out from its ground',
      async (theme) => {
        await live.start();
        await live.harness.theme(theme);
        await expect.poll(live.measured).toMatch(/ms$/);
        await live.page.waitForTimeout(200);
        expect(await contrasts(live.page, 4.5)).toEqual([]);
      },
    );

    it.each(['light', 'dark'] as const)('axe in the %s theme: no violation', async (theme) => {
      await live.start();
      await live.harness.theme(theme);
      await expect.poll(live.measured).toMatch(/ms$/);
      await live.page.getByLabel('Predict for').selectOption('cpu-avx2');
      expect(await axeViolations(live.page)).toEqual([]);
      await live.page.getByRole('radio', { name: 'Painted' }).click();
      expect(await axeViolations(live.page)).toEqual([]);
    });

    it('colours that the system forces: what is chosen stands out from what is not', async () => {
      await live.start();
      await expect.poll(live.measured).toMatch(/ms$/);
      await live.page.emulateMedia({ forcedColors: 'active' });
      const ground = (name: string) =>
        live.page.getByRole('radio', { name }).evaluate((node) => getComputedStyle(node).backgroundColor);
      expect(await ground('Saliency')).not.toBe(await ground('Random'));
      const key = await live.page
        .locator('.fovea-key-measured')
        .evaluate((node) => getComputedStyle(node, '::before').backgroundColor);
      expect(key).toBe('rgb(213, 94, 0)');
      await live.page.emulateMedia({ forcedColors: 'none' });
    });

    it('a screen reader: everything that takes the focus has a name', async () => {
      await live.start();
      await expect.poll(live.measured).toMatch(/ms$/);
      await live.page.getByRole('radio', { name: 'Painted' }).click();
      expect(await unnamed(live.page)).toEqual([]);
    });

    it('all of that without a console error', () => {
      expect(live.harness.complaints).toEqual([]);
    });
  });
});
