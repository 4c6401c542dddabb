import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

/** Colour of a canvas at a point given as fractions of its size. */
export function pixel(page: Page, selector: string, x: number, y: number): Promise<number[]> {
  return page
    .locator(selector)
    .first()
    .evaluate(
      (canvas: HTMLCanvasElement, [u, v]) => {
        const context = canvas.getContext('2d')!;
        const data = context.getImageData(
          Math.min(canvas.width - 1, Math.floor(u! * canvas.width)),
          Math.min(canvas.height - 1, Math.floor(v! * canvas.height)),
          1,
          1,
        ).data;
        return [data[0]!, data[1]!, data[2]!];
      },
      [x, y],
    );
}

/** Elements that stick out of the host to the right, outside of areas that scroll. */
export function checkFit(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const host = document.querySelector('#host')!.getBoundingClientRect();
    return [...document.querySelectorAll<HTMLElement>('#host *')]
      .filter((node) => {
        const box = node.getBoundingClientRect();
        if (box.width === 0 || box.right <= host.right + 0.5) return false;
        // A display or the panel as a whole hides or scrolls what sticks out of it, which is what must not be.
        for (
          let at = node.parentElement;
          at && !at.matches('#host, .fovea-renderer, .fovea-live');
          at = at.parentElement
        ) {
          const { overflowX } = getComputedStyle(at);
          if (overflowX !== 'visible' && at.getBoundingClientRect().right <= host.right + 0.5) return false;
        }
        return true;
      })
      .map((node) => `${node.tagName} ${node.getAttribute('class')}`);
  });
}

/** Words of controls that do not fit into them: they are cut off, or end in dots. */
export function cut(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('#host :is(button, label, output, th)')]
      .filter((node) => node.checkVisibility() && node.scrollWidth > node.clientWidth + 1)
      .map((node) => `${node.tagName} ${node.textContent}`),
  );
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong with the host's content: rule, count, and the first element. */
export async function axeViolations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    // Colours between two states have another contrast.
    await Promise.all(document.getAnimations().map(({ finished }) => finished.catch(() => undefined)));
    const { violations } = await (
      window as unknown as {
        axe: {
          run(
            where: string,
            options: object,
          ): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
        };
      }
    ).axe.run('#host', { resultTypes: ['violations'] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.length}, ${nodes[0]!.html.slice(0, 160)}`);
  });
}

/** Pairs of controls and texts that lie over each other. */
export function overlaps(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const parts = [
      ...document.querySelectorAll<HTMLElement>(
        '#host :is(button, output, label, input, select, summary, p, h2, h3, dt, dd):not(.fovea-hidden, .fovea-hidden *)',
      ),
    ].filter((node) => node.getBoundingClientRect().width > 0);
    const name = (node: HTMLElement) => `${node.tagName} ${node.textContent!.slice(0, 20)}`;
    return parts.flatMap((one, index) =>
      parts
        .slice(index + 1)
        .filter((other) => {
          if (one.contains(other) || other.contains(one)) return false;
          const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
          const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
          return across > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
        })
        .map((other) => `${name(one)} over ${name(other)}`),
    );
  });
}

/** Texts within `host` whose contrast with what is behind them is below `least` (WCAG's ratio). */
export function contrasts(page: Page, least: number, host = '#host'): Promise<string[]> {
  return page.evaluate(
    ([bound, within]) => {
      const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
      // Lets the browser mix colours, whatever notation they are in.
      const mixed = (colors: string[]) => {
        probe.clearRect(0, 0, 1, 1);
        for (const color of colors) {
          probe.fillStyle = color;
          probe.fillRect(0, 0, 1, 1);
        }
        return [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3);
      };
      const luminance = (rgb: number[]) => {
        const [r, g, b] = rgb.map((value) => {
          const part = value / 255;
          return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
      };
      const poor: string[] = [];
      for (const node of document.querySelectorAll<HTMLElement>(`${within} *`)) {
        const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent?.trim());
        const box = node.getBoundingClientRect();
        if (!own || box.width < 2 || node.closest('svg, .fovea-mod-disabled, [inert]')) continue;
        const grounds: string[] = [];
        for (let at: HTMLElement | null = node; at; at = at.parentElement) {
          grounds.unshift(getComputedStyle(at).backgroundColor);
        }
        const ground = mixed(['white', ...grounds]);
        const ink = mixed(['white', ...grounds, getComputedStyle(node).color]);
        const [light, dark] = [luminance(ground), luminance(ink)].sort((a, b) => b - a);
        const ratio = (light! + 0.05) / (dark! + 0.05);
        if (ratio < bound) poor.push(`${node.textContent!.slice(0, 24)}: ${ratio.toFixed(2)}`);
      }
      return poor;
    },
    [least, host] as const,
  );
}

/** Elements that take the focus and have no accessible name. */
export async function unnamed(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  await session.detach();
  return nodes
    .filter((node) => !node.ignored)
    .filter((node) => node.properties?.some(({ name, value }) => name === 'focusable' && value.value))
    .filter((node) => node.role?.value !== 'RootWebArea' && !node.name?.value)
    .map((node) => String(node.role?.value));
}
