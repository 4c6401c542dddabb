// @module-tag process

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LiveRequest } from '../../../../extension/src/live/protocol';
import { CHROMIUM } from '../../support/browser';
import { type Fakes, type LivePage, openLivePage } from '../../support/live-page';
import { axeViolations, checkFit, contrasts, overlaps, unnamed } from '../../support/page';

/** How the worker answers: the kernel's masks, but for some cells, and its output, but for a difference. */
interface Answering {
  readonly flipped?: number;
  readonly difference?: number;
  readonly times?: { readonly totalMs: number; readonly denseMs: number };
}

describe.skipIf(!CHROMIUM)('this browser’s GPU in the live panel (skipped where Chromium is absent)', () => {
  let live: LivePage;
  const line = () => live.page.locator('.fovea-gpu p').textContent();
  const toggle = () => live.page.getByRole('button', { name: 'Also on this browser’s GPU' });
  const workerRequests = () => live.page.evaluate(() => window.live.gpu.requests.map(({ type }) => type));
  const runsAsked = async () => (await workerRequests()).filter((type) => type === 'run').length;

  /** A panel over a kernel whose runs can be repeated, as `browser` says. */
  async function start(browser: object = { key: 'one', plan: { blocks: [] }, shape: [1, 1, 1, 3] }) {
    await live.start({ browser, width: 300 });
    await expect.poll(live.measured).toMatch(/ms$/);
  }

  const calibrated = {
    ...{ key: 'one', plan: { blocks: [] }, shape: [1, 1, 1, 3] },
    predicted: { device: 'Calibrated 5000', totalMs: 3, denseMs: 4 },
  };

  const answer = (options: Answering = {}) =>
    live.page.evaluate(({ flipped = 0, difference = 0, times }) => {
      const { gpu } = window.live;
      const { blocks } = (window as unknown as Fakes).answers.masks.images[0]!;
      const masks = blocks.map(({ index, rows, columns, cells }, position) => ({
        block: index,
        rows,
        columns,
        cells:
          position === 0
            ? cells.replace(/^./g, (cell) => (flipped === 0 ? cell : cell === '1' ? '0' : '1'))
            : cells,
      }));
      const output = Float32Array.from([0.5, -2 + difference, 1]);
      gpu.reply({ type: 'done', id: gpu.id, answer: { masks, output, ...(times ? { times } : {}) } });
    }, options);

  beforeAll(async () => {
    live = await openLivePage();
  });
  afterAll(() => live?.harness.close());
  beforeEach(() => start());

  it('makes no worker and asks for nothing before it is chosen', async () => {
    await expect.poll(line).toBe('Fake 4000');
    expect(await live.page.evaluate(() => window.live.gpu.made)).toBe(0);
    const sent: LiveRequest[] = await live.requests();
    expect(sent.some((request) => request.type === 'run' && request.inBrowser)).toBe(false);
  });

  it('fetches the network piece by piece, once, and repeats what the kernel ran', async () => {
    await toggle().click();
    await expect.poll(runsAsked).toBe(1);
    const pieces = (await live.requests()).filter((request) => request.type === 'network');
    expect(pieces.map(({ offset, key }) => [key, offset])).toEqual([
      ['one', 0],
      ['one', 4],
      ['one', 8],
    ]);
    const [network, run] = await live.page.evaluate(() =>
      window.live.gpu.requests.map((request) =>
        request.type === 'network'
          ? { ...request, bytes: [...request.bytes] }
          : request.type === 'run'
            ? { ...request.job, input: [...request.job.input] }
            : request,
      ),
    );
    expect(network).toMatchObject({ key: 'one', bytes: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] });
    expect(run).toMatchObject({ key: 'one', shape: [1, 1, 1, 3], input: [1, 2, 3], timed: true });
    await answer({ times: { totalMs: 2.5, denseMs: 5 } });
    await expect.poll(() => live.page.locator('.fovea-gpu .fovea-number').textContent()).toBe('2.50 ms');
    const figures = () => live.page.locator('.fovea-gpu-figure .fovea-unit').allTextContents();
    expect(await figures()).toEqual([
      '0.500× dense (5.00\u00a0ms)',
      'no prediction: fovea calibrate --backend webgpu makes one possible',
    ]);
    expect(await line()).toMatch(/^Fake 4000 · masks as the kernel’s in all [\d,]+ cells, output the same$/);
    await live.page.getByLabel('Strategy').selectOption('auto');
    await expect.poll(runsAsked).toBe(2);
    expect((await live.requests()).filter((request) => request.type === 'network')).toHaveLength(3);
    await answer();
    await expect.poll(line).toMatch(/output the same · auto chose for the kernel’s processor$/);
  });

  it('shows beside its time what is predicted, and for which GPU', async () => {
    await start(calibrated);
    await toggle().click();
    await expect.poll(runsAsked).toBe(1);
    expect(await live.page.locator('.fovea-gpu-figure').isVisible()).toBe(false);
    await answer({ times: { totalMs: 2.5, denseMs: 5 } });
    const prediction = () => live.page.locator('.fovea-gpu-figure .fovea-mod-quiet').textContent();
    await expect.poll(prediction).toBe('predicted 3.00 ms, 0.750× dense (4.00\u00a0ms), on Calibrated 5000');
    await live.page.getByLabel('Strategy').selectOption('auto');
    await expect.poll(prediction).toBe('');
  });

  it('says where masks or outputs differ, and shows this browser’s masks on request', async () => {
    await toggle().click();
    await expect.poll(runsAsked).toBe(1);
    await answer({ flipped: 1, difference: 0.02, times: { totalMs: 2.5, denseMs: 5 } });
    await expect.poll(line).toMatch(/masks unlike the kernel’s in 1 of [\d,]+ cells, output within 1e-2$/);
    const rate = () => live.page.locator('.fovea-tile').first().textContent();
    const kernels = await rate();
    await live.page.getByRole('radio', { name: 'This browser' }).click();
    await expect.poll(rate).not.toBe(kernels);
    await live.page.getByRole('radio', { name: 'Kernel' }).click();
    await expect.poll(rate).toBe(kernels);
  });

  it('shows no time of a software driver', async () => {
    await live.page.evaluate(() => {
      window.live.gpu.found = { name: 'SoftGPU', software: true };
    });
    await live.again(300);
    await toggle().click();
    await expect.poll(runsAsked).toBe(1);
    expect(
      await live.page.evaluate(() => {
        const run = window.live.gpu.requests.find((request) => request.type === 'run');
        return run?.type === 'run' && run.job.timed;
      }),
    ).toBe(false);
    await answer();
    await expect.poll(line).toMatch(/^SoftGPU: a software driver, its time says nothing of a GPU · masks as/);
    expect(await live.page.locator('.fovea-gpu-figure').isVisible()).toBe(false);
  });

  it('cannot be chosen without a GPU, and says why in one line', async () => {
    await live.page.evaluate(() => {
      window.live.gpu.found = { missing: 'This browser offers no WebGPU.' };
    });
    await live.again(300);
    await expect.poll(line).toBe('This browser offers no WebGPU.');
    expect(await toggle().isDisabled()).toBe(true);
  });

  it('says what the kernel refuses to send, and computes what comes next', async () => {
    await start({ refused: 'tiny has pieces that only onnxruntime computes (Einsum)' });
    await toggle().click();
    await expect.poll(line).toContain('could not do this: tiny has pieces that only onnxruntime computes');
    expect(await live.page.evaluate(() => window.live.gpu.made)).toBe(0);
    expect(await live.measured()).toMatch(/ms$/);
  });

  it.each<[string, () => Promise<void>, string]>([
    [
      'the device is lost',
      () =>
        live.page.evaluate(() => {
          const { gpu } = window.live;
          gpu.reply({ type: 'failed', id: gpu.id, message: 'the GPU was lost: unplugged' });
        }),
      'the GPU was lost: unplugged',
    ],
    [
      'memory runs out',
      () =>
        live.page.evaluate(() => {
          const { gpu } = window.live;
          gpu.reply({ type: 'failed', id: gpu.id, message: 'Fake 4000 has no memory left for tiny' });
        }),
      'no memory left for tiny',
    ],
    [
      'the worker crashes',
      () => live.page.evaluate(() => window.live.gpu.crash('out of memory')),
      'the engine has stopped in this browser: out of memory',
    ],
  ])('is usable after %s', async (_, fail, message) => {
    await toggle().click();
    await expect.poll(runsAsked).toBe(1);
    await fail();
    await expect.poll(line).toContain(message);
    expect(await line()).toContain(message);
    await live.page.getByRole('button', { name: 'Run now' }).click();
    await expect.poll(runsAsked).toBe(2);
    // A worker that has gone knows no network any more.
    const networks = (await workerRequests()).filter((type) => type === 'network').length;
    expect(networks).toBe(await live.page.evaluate(() => window.live.gpu.made));
    await answer({ times: { totalMs: 2.5, denseMs: 5 } });
    await expect.poll(line).toContain('masks as the kernel’s');
  });

  it('says so when the browser refuses the engine’s script', async () => {
    await live.page.evaluate(() => {
      window.live.gpu.refusal = 'this address is of another server';
    });
    await toggle().click();
    await expect.poll(line).toContain('could not do this: this address is of another server');
  });

  it('gives a run up when the controls move, and ends the worker when it is turned off', async () => {
    await toggle().click();
    await expect.poll(runsAsked).toBe(1);
    const first = await live.page.evaluate(() => window.live.gpu.id);
    await live.page.getByLabel('Strategy').selectOption('auto');
    expect(await workerRequests()).toContain('cancel');
    await expect.poll(runsAsked).toBe(2);
    // An answer of the run that was given up is nobody's.
    await live.page.evaluate((id) => {
      window.live.gpu.reply({ type: 'failed', id, message: 'the run was aborted' });
    }, first);
    expect(await line()).toContain('computing…');
    await toggle().click();
    expect(await live.page.evaluate(() => window.live.gpu.ended)).toBe(1);
    expect(await line()).toBe('Fake 4000');
  });

  it('gives up when the kernel restarts in the middle of the network', async () => {
    await live.page.evaluate(() => {
      (window as unknown as Fakes).kernel.delayMs = 300;
    });
    await toggle().click();
    await expect.poll(line).toMatch(/fetching the network/);
    await live.page.evaluate(() => {
      const { kernel } = window as unknown as Fakes;
      kernel.setStatus('restarting');
    });
    await expect.poll(line).toBe('Fake 4000');
  });

  it.each(['light', 'dark'] as const)('fits, is named and can be read at 300 px, %s', async (theme) => {
    await start(calibrated);
    await live.harness.theme(theme);
    await toggle().click();
    await expect.poll(runsAsked).toBe(1);
    await answer({ times: { totalMs: 2.5, denseMs: 5 } });
    await expect.poll(line).toContain('masks as');
    const { page } = live;
    expect(await checkFit(page)).toEqual([]);
    expect(await overlaps(page)).toEqual([]);
    expect(await unnamed(page)).toEqual([]);
    expect(await axeViolations(page)).toEqual([]);
    expect(await contrasts(page, 4.5)).toEqual([]);
    await page.screenshot({ path: `test/output/live-gpu-${theme}.png`, fullPage: true });
    await live.harness.theme('light');
  });
});
