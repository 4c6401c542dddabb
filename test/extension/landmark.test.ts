// @module-tag process
import { describe, expect, it } from 'vitest';
import { LATENCY_MIME, MASKS_MIME, SWEEP_MIME } from '../../extension/src/documents/types';
import { CHROMIUM, useHarness } from './support/browser';
import { axeViolations } from './support/page';
import { sampleLatency, sampleMasks, sampleSweep } from './support/samples';

describe.skipIf(!CHROMIUM)('displays on one page (skipped where Chromium is absent)', () => {
  const harness = useHarness();
  const below = (mime: string, document: unknown) =>
    harness.page.evaluate(([type, value]) => window.harness.mountBelow(type as never, value), [
      mime,
      document,
    ] as const);
  const landmarks = () =>
    harness.page
      .getByRole('region')
      .evaluateAll((nodes) => nodes.map((node) => node.getAttribute('aria-label')));

  it.each([
    ['sweeps', SWEEP_MIME, sampleSweep('running')],
    ['masks', MASKS_MIME, sampleMasks()],
    ['latencies', LATENCY_MIME, sampleLatency()],
  ])('are landmarks of different names: %s', async (_, mime, document) => {
    await harness.mount(mime, document);
    await below(mime, document);
    await below(mime, document);
    const [first, ...others] = await landmarks();
    expect(others).toEqual([`${first} (2)`, `${first} (3)`]);
    expect(await axeViolations(harness.page)).toEqual([]);
  });

  it('take no number from one whose tab is hidden, until it is shown', async () => {
    await harness.mount(MASKS_MIME, sampleMasks());
    await below(MASKS_MIME, sampleMasks());
    const [first, second] = await landmarks();
    expect(second).toBe(`${first} (2)`);
    const hide = (hidden: boolean) =>
      harness.page.evaluate((value) => {
        document.querySelector<HTMLElement>('.jp-OutputArea-output')!.hidden = value;
      }, hidden);
    await harness.page.addStyleTag({ content: '[hidden] { display: none !important }' });
    await hide(true);
    await expect.poll(landmarks).toEqual([first]);
    await hide(false);
    await expect.poll(landmarks).toEqual([first, second]);
  });

  it('keep their names when they are updated, and leave them to others when they go', async () => {
    await harness.mount(SWEEP_MIME, sampleSweep('running'));
    await below(SWEEP_MIME, sampleSweep('running'));
    const before = await landmarks();
    await harness.page.evaluate(([mime, value]) => window.harness.update(mime as never, value), [
      SWEEP_MIME,
      sampleSweep('running', 9),
    ] as const);
    expect(await landmarks()).toEqual(before);
    await harness.mount(SWEEP_MIME, sampleSweep('running'));
    expect(await landmarks()).toEqual(before.slice(0, 1));
  });
});
