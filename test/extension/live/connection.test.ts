// @module-tag process
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser';
import { type Fakes, type LivePage, openLivePage } from '../support/live-page';
import { sampleAnswers } from '../support/samples';

describe.skipIf(!CHROMIUM)('the live panel’s connection (skipped where Chromium is absent)', () => {
  let live: LivePage;

  beforeAll(async () => {
    live = await openLivePage();
  });
  afterAll(() => live?.harness.close());

  describe('survives', () => {
    it('a restart of the kernel, with the controls as they were', async () => {
      await live.start();
      await live.page.getByLabel('Strategy').selectOption('auto');
      await live.page.evaluate(() => (window as unknown as Fakes).kernel.setStatus('restarting'));
      expect(await live.notice().textContent()).toContain('The kernel is starting');
      await live.page.evaluate(() => (window as unknown as Fakes).kernel.setStatus('idle'));
      await expect.poll(() => live.notice().isHidden()).toBe(true);
      expect(await live.page.evaluate(() => (window as unknown as Fakes).kernel.opened)).toBe(2);
      expect((await live.requests()).filter((each) => each.type === 'predict').at(-1)).toMatchObject({
        state: { strategy: 'auto' },
      });
    });

    it('a reload of the page: it takes up the comm that the kernel still holds, and the controls', async () => {
      await live.start();
      await live.page.getByLabel('Strategy').selectOption('auto');
      const id = await live.page.evaluate(() => [...(window as unknown as Fakes).kernel.holds][0]!);
      await live.page.reload();
      await live.page.evaluate(
        ([answers, held]) => {
          const { live: lab } = window;
          const kernel = lab.kernel('k1', answers as never);
          kernel.holds.add(held);
          Object.assign(window, { kernel });
          lab.tracker.bring(lab.notebook('one.ipynb', kernel));
          lab.open(320);
        },
        [sampleAnswers(), id] as const,
      );
      await expect.poll(() => live.page.getByLabel('Strategy').inputValue()).toBe('auto');
      expect(await live.page.evaluate(() => (window as unknown as Fakes).kernel.opened)).toBe(0);
    });

    it('several notebooks: each keeps its own', async () => {
      await live.start();
      await live.page.getByLabel('Strategy').selectOption('auto');
      await live.page.evaluate(() => {
        const { live: lab } = window;
        const { answers } = window as unknown as Fakes;
        const other = lab.kernel('k2', answers as never);
        Object.assign(window, { other });
        lab.tracker.bring(lab.notebook('two.ipynb', other));
      });
      await expect.poll(() => live.page.locator('.fovea-live .fovea-title').textContent()).toBe('two.ipynb');
      await expect.poll(() => live.page.getByLabel('Strategy').inputValue()).toBe('streamed');
      await live.page.evaluate(() => window.live.tracker.bring((window as unknown as Fakes).notebook));
      await expect.poll(() => live.page.getByLabel('Strategy').inputValue()).toBe('auto');
    });

    it('two views of one kernel: each has its own comm', async () => {
      await live.start();
      await expect.poll(live.predicted).toMatch(/ms$/);
      await live.page.evaluate(() => {
        const { live: lab } = window;
        const { kernel } = window as unknown as Fakes;
        lab.tracker.bring(lab.notebook('one.ipynb, again', kernel));
      });
      await expect.poll(() => live.page.evaluate(() => (window as unknown as Fakes).kernel.opened)).toBe(2);
    });

    it('a second notebook of one kernel: it borrows the connection of the first, and inherits it', async () => {
      await live.start();
      await expect.poll(live.predicted).toMatch(/ms$/);
      await live.page.evaluate(() => {
        const { live: lab } = window;
        const { kernel, answers } = window as unknown as Fakes;
        const own = lab.kernel(kernel.id, answers as never);
        own.handleComms = false;
        lab.lender = kernel;
        Object.assign(window, { own });
        lab.tracker.bring(lab.notebook('two.ipynb', own));
      });
      await expect.poll(live.predicted).toMatch(/ms$/);
      await expect.poll(() => live.notice().isHidden()).toBe(true);
      const opened = () =>
        live.page.evaluate(() => (window as unknown as { own: { opened: number } }).own.opened);
      expect(await opened()).toBe(0);
      await live.page.evaluate(() => {
        const { kernel } = window as unknown as Fakes;
        window.live.lender = undefined;
        kernel.isDisposed = true;
        kernel.disposed.emit();
      });
      await expect.poll(opened).toBe(1);
      await expect.poll(live.predicted).toMatch(/ms$/);
      await expect.poll(() => live.notice().isHidden()).toBe(true);
      expect(live.harness.complaints).toEqual([]);
    });

    it('a kernel whose comms belong to another view: it says so, and takes them when asked', async () => {
      await live.start();
      await live.page.evaluate(() => {
        const { live: lab } = window;
        const { answers } = window as unknown as Fakes;
        const own = lab.kernel('k7', answers as never);
        own.handleComms = false;
        lab.tracker.bring(lab.notebook('two.ipynb', own));
      });
      await expect.poll(() => live.notice().textContent()).toContain('in use by another view');
      await live.page.getByRole('button', { name: 'Try again' }).click();
      await expect.poll(live.predicted).toMatch(/ms$/);
      expect(live.harness.complaints).toEqual([]);
    });

    it('a kernel without live controls: it says so, and offers another', async () => {
      await live.start({ knowsTarget: false });
      await expect
        .poll(() => live.notice().textContent())
        .toContain('Fovea (TypeScript) has no live controls');
      await live.page.getByRole('button', { name: 'Choose a kernel' }).click();
      expect(await live.page.evaluate(() => window.live.notices)).toEqual(['change kernel']);
    });

    it('a change of the notebook’s kernel', async () => {
      await live.start({ knowsTarget: false });
      await expect.poll(() => live.notice().textContent()).toContain('no live controls');
      await live.page.evaluate(() => {
        const { notebook, answers } = window as unknown as Fakes;
        notebook.setKernel(window.live.kernel('k3', answers as never));
      });
      await expect.poll(live.predicted).toMatch(/ms$/);
      await live.page.evaluate(() => (window as unknown as Fakes).notebook.setKernel(null));
      await expect.poll(() => live.notice().textContent()).toContain('This notebook has no kernel');
    });

    it('a comm that the kernel closes, and opens it again when asked', async () => {
      await live.start();
      await expect.poll(live.predicted).toMatch(/ms$/);
      await live.page.evaluate(() => (window as unknown as Fakes).kernel.closeComms());
      expect(await live.notice().textContent()).toContain('closed the connection');
      await live.page.getByRole('button', { name: 'Try again' }).click();
      await expect.poll(() => live.notice().isHidden()).toBe(true);
    });

    it('a connection that was lost meanwhile, and a comm that is gone when it returns', async () => {
      await live.start();
      await expect.poll(live.predicted).toMatch(/ms$/);
      await live.page.evaluate(() => {
        const { kernel } = window as unknown as Fakes;
        kernel.setConnection('connecting');
        kernel.holds.clear();
        kernel.setConnection('connected');
      });
      await expect.poll(() => live.page.evaluate(() => (window as unknown as Fakes).kernel.opened)).toBe(2);
      await expect.poll(() => live.notice().isHidden()).toBe(true);
    });

    it('the death of the kernel', async () => {
      await live.start();
      await live.page.evaluate(() => (window as unknown as Fakes).kernel.setStatus('dead'));
      expect(await live.notice().textContent()).toContain('The kernel has died');
    });

    it('a kernel that is busy and does not answer yet', async () => {
      await live.start({});
      await live.page.evaluate(() => {
        const { live: lab } = window;
        const { answers } = window as unknown as Fakes;
        const busy = lab.kernel('k4', answers as never);
        busy.answering = false;
        busy.status = 'busy';
        lab.tracker.bring(lab.notebook('busy.ipynb', busy));
      });
      expect(await live.notice().textContent()).toContain('The kernel is busy');
    });

    it('a kernel that never answers: it says so after a while, and an answer that comes late counts', async () => {
      await live.start();
      await live.page.clock.install();
      await live.page.evaluate(() => {
        const { live: lab } = window;
        const { answers } = window as unknown as Fakes;
        const silent = lab.kernel('k5', answers as never);
        silent.answering = false;
        Object.assign(window, { kernel: silent });
        lab.tracker.bring(lab.notebook('silent.ipynb', silent));
      });
      expect(await live.notice().textContent()).toContain('Connecting');
      await live.page.clock.runFor(9000);
      expect(await live.notice().textContent()).toContain('The kernel does not answer');
      await live.page.evaluate(() => {
        const { kernel, answers } = window as unknown as Fakes;
        kernel.reply({ type: 'catalogue', catalogue: answers.catalogue });
      });
      expect(await live.notice().isHidden()).toBe(true);
    });

    it('no notebook at all', async () => {
      await live.start();
      await live.page.evaluate(() => window.live.tracker.bring(null));
      expect(await live.notice().textContent()).toContain('No notebook in front');
    });
  });
});
