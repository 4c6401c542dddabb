import { expect } from 'vitest';
import type { LiveRequest } from '../../../extension/src/live/protocol';
import { type Harness, openHarness } from './browser';
import type { FakeAnswers, FakeKernel } from './fakekernel';
import type {} from './live';
import { sampleAnswers } from './samples';

/** What a test puts on the window besides the harness. */
export interface Fakes {
  readonly kernel: FakeKernel;
  readonly notebook: Window['live']['tracker']['currentWidget'] & object;
  readonly answers: FakeAnswers;
}

/** A page with the live panel over a fake kernel, and what tests ask of it. */
export async function openLivePage() {
  const harness: Harness = await openHarness('live');
  const { page } = harness;
  const requests = () => page.evaluate(() => (window as unknown as Fakes).kernel.requests as LiveRequest[]);
  return {
    harness,
    page,
    /** A fresh page with one notebook in front, whose kernel answers. */
    async start(
      options: { readonly knowsTarget?: boolean; readonly width?: number; readonly browser?: object } = {},
    ): Promise<void> {
      harness.complaints.length = 0;
      await page.reload();
      await page.evaluate(
        ([answers, knowsTarget, width]) => {
          sessionStorage.clear();
          const { live } = window;
          const kernel = live.kernel('k1', answers as never);
          kernel.knowsTarget = knowsTarget;
          Object.assign(window, { kernel, notebook: live.notebook('one.ipynb', kernel), answers });
          live.tracker.bring((window as unknown as Fakes).notebook);
          live.open(width);
        },
        [
          { ...sampleAnswers(), ...(options.browser ? { browser: options.browser } : {}) },
          options.knowsTarget ?? true,
          options.width ?? 320,
        ] as const,
      );
    },
    /** A new panel on the same page, once what it shows first is there. */
    async again(width: number): Promise<void> {
      await page.evaluate((pixels) => window.live.open(pixels), width);
      await expect.poll(() => page.locator('.fovea-mod-measured .fovea-number').textContent()).toMatch(/ms$/);
    },
    /** Everything that the panel has sent to the kernel. */
    requests,
    count: async (type: LiveRequest['type']) =>
      (await requests()).filter((each) => each.type === type).length,
    notice: () => page.locator('.fovea-live-notice'),
    predicted: () => page.locator('.fovea-mod-predicted .fovea-number').textContent(),
    measured: () => page.locator('.fovea-mod-measured .fovea-number').textContent(),
  };
}

export type LivePage = Awaited<ReturnType<typeof openLivePage>>;
