import { describe, expect, it } from 'vitest';
import { type LabelSide, labelPlaces } from '../../../kernel/src/presentation/index.js';

const area = { left: 0, right: 200, top: 0, bottom: 100 };
const sides: readonly LabelSide[] = ['top right', 'top left', 'bottom right', 'bottom left'];
const named = (x: number, y: number, width = 40) => ({ x, y, width, height: 10 });
const places = (...points: ReturnType<typeof named>[]) => labelPlaces(points, points, area, sides, 6);

describe('places of names beside points', () => {
  it('are on the preferred side where there is room', () => {
    expect(places(named(100, 50))).toEqual(['top right']);
  });

  it('stay within the area', () => {
    expect(places(named(190, 50))).toEqual(['top left']);
    expect(places(named(10, 5))).toEqual(['bottom right']);
    expect(places(named(190, 5))).toEqual(['bottom left']);
    expect(places(named(100, 50, 201))).toEqual([undefined]);
  });

  it('stay clear of other points and of names that have a place', () => {
    expect(places(named(100, 50), named(120, 40))).toEqual(['top left', 'top right']);
    const five = Array.from({ length: 5 }, () => named(50, 50));
    expect(places(...five)).toEqual([...sides, undefined]);
  });

  it('lie over lines only where there is no other room', () => {
    const across = { left: 100, right: 200, top: 40, bottom: 40 };
    const over = (...lines: (typeof across)[]) => labelPlaces([named(100, 50)], [], area, sides, 6, lines);
    expect(over(across)).toEqual(['top left']);
    expect(over(across, { ...across, left: 0 }, { ...across, left: 0, top: 60, bottom: 60 })).toEqual([
      'top right',
    ]);
  });

  it('stay clear of points without names', () => {
    expect(labelPlaces([named(100, 50)], [{ x: 120, y: 40 }], area, sides, 6)).toEqual(['top left']);
  });
});
