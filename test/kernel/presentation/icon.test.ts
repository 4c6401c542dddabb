import { readFileSync } from 'node:fs';
import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { BUSY_ICON_SVG, ICON_SVG } from '../../../kernel/src/presentation/icon.js';

const file = (name: string) =>
  readFileSync(new URL(`../../../kernel/resources/kernelspec/${name}`, import.meta.url));

describe('the icon', () => {
  it('is the kernel’s in launchers, too', () => {
    expect(file('logo-svg.svg').toString()).toBe(ICON_SVG);
  });

  it.each([32, 64])('is the same in the kernel’s picture of %i pixels', (side) => {
    const { width, height, channels, data } = decode(file(`logo-${side}x${side}.png`));
    expect([width, height, channels]).toEqual([side, side, 4]);
    /** Colour and opacity at a place of the drawing, which is 24 wide. */
    const at = (x: number, y: number) => {
      const index = 4 * (Math.floor((y * side) / 24) * side + Math.floor((x * side) / 24));
      return [...data.slice(index, index + 4)];
    };
    const cells = [...ICON_SVG.matchAll(/<rect x="(\d+)" y="(\d+)" width="6"[^/]*/g)];
    expect(cells).toHaveLength(9);
    for (const [rect, x, y] of cells) {
      const [r, g, b] = /fill="#(..)(..)(..)"/
        .exec(rect)
        ?.slice(1)
        .map((hex) => Number.parseInt(hex, 16)) ?? [0x80, 0x80, 0x80];
      const opacity = Number(/opacity="([\d.]+)"/.exec(rect)?.[1] ?? 1);
      const found = at(Number(x) + 3, Number(y) + 3);
      [r!, g!, b!, 255 * opacity].forEach((value, i) => {
        expect(Math.abs(found[i]! - value), `${rect}: ${found}`).toBeLessThan(4);
      });
    }
    expect(at(0.5, 0.5)[3]).toBe(0);
  });

  it('has a mark while a kernel computes', () => {
    expect(BUSY_ICON_SVG.match(/<rect/g)).toHaveLength(9);
    expect(BUSY_ICON_SVG.match(/<circle/g)).toHaveLength(1);
  });
});
