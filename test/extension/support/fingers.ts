import type { Page } from 'playwright-core';

/** A place on an element, as fractions of its width and height. */
type Place = readonly [x: number, y: number];

/** Puts fingers on an element, moves each from its first place to its second, and lifts them. */
export async function fingers(
  page: Page,
  selector: string,
  ...paths: readonly (readonly [from: Place, to: Place])[]
): Promise<void> {
  const target = page.locator(selector);
  await target.scrollIntoViewIfNeeded();
  const box = (await target.boundingBox())!;
  const session = await page.context().newCDPSession(page);
  const send = (type: 'touchStart' | 'touchMove', way: number) =>
    session.send('Input.dispatchTouchEvent', {
      type,
      touchPoints: paths.map(([from, to], id) => ({
        x: box.x + box.width * (from[0] + way * (to[0] - from[0])),
        y: box.y + box.height * (from[1] + way * (to[1] - from[1])),
        id,
      })),
    });
  await session.send('Emulation.setTouchEmulationEnabled', { enabled: true, maxTouchPoints: 2 });
  await send('touchStart', 0);
  const moves = paths.some(([from, to]) => from[0] !== to[0] || from[1] !== to[1]) ? 8 : 0;
  for (let step = 1; step <= moves; step++) await send('touchMove', step / moves);
  await session.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  await session.send('Emulation.setTouchEmulationEnabled', { enabled: false });
  await session.detach();
}
