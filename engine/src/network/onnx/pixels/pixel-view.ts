/** An axis of a map `[N, C, H, W]`; there is one image. */
type Axis = 'C' | 'H' | 'W';

/** A part of a map's axis, as a digit is part of a number: positions `0, step, 2 · step, …`, `extent` of them, at least 2. */
export interface Digit {
  readonly of: Axis;
  readonly step: number;
  readonly extent: number;
}

/** One extent of a value: the digits that it runs through, the slowest first; none where it is 1. */
export type Dimension = readonly Digit[];

/**
 * A value of a graph as the numbers of a map in another order: what transformers make of maps by reshapes, transposes and
 * slices, so that pixels are rows of matrices.
 */
export interface PixelView {
  /** Name of the map. */
  readonly map: string;
  /** `[C, H, W]` of the map. */
  readonly extents: readonly [C: number, H: number, W: number];
  /** The first channel that it has. */
  readonly first: number;
  readonly dimensions: readonly Dimension[];
  /** The row and column of the map that it begins with; those before them follow the last ones. */
  readonly roll: readonly [y: number, x: number];
  /** What its numbers are those of the map times. */
  readonly scale: number;
  /** Whether negative numbers are 0 instead, before they are scaled. */
  readonly positive: boolean;
  /** Whether a 1 stands behind those of the last extent. */
  readonly one: boolean;
}

const digits = (of: Axis, extent: number): Dimension => (extent > 1 ? [{ of, step: 1, extent }] : []);

const asItIs = { roll: [0, 0], scale: 1, positive: false, one: false } as const;

/** A map as it is. */
export function wholeMap(map: string, extents: readonly [number, number, number]): PixelView {
  const [C, H, W] = extents;
  const dimensions = [[], digits('C', C), digits('H', H), digits('W', W)];
  return { map, extents, first: 0, dimensions, ...asItIs };
}

export const count = (dimension: Dimension) => dimension.reduce((product, { extent }) => product * extent, 1);

/** Whether a value has no more done to it than another order. */
export const isPlain = ({ scale, positive, one }: PixelView): boolean => scale === 1 && !positive && !one;

/** Whether a value has all numbers of its map. */
export const isComplete = ({ extents: [C, H, W], dimensions, first }: PixelView): boolean =>
  first === 0 && count(dimensions.flat()) === C * H * W;

/** Whether a value is a map as it is. */
export function isMap(view: PixelView): boolean {
  const { dimensions } = wholeMap(view.map, view.extents);
  return isPlain(view) && isComplete(view) && !isRolled(view) && sameDimensions(view.dimensions, dimensions);
}

export const isRolled = ({ roll: [y, x] }: PixelView): boolean => y !== 0 || x !== 0;

/** Whether two values have their maps' numbers in the same order. */
export const sameOrder = (a: PixelView, b: PixelView): boolean =>
  a.roll.join() === b.roll.join() && sameDimensions(a.dimensions, b.dimensions);

/** Whether an extent runs through all channels of the map. */
export function isChannels(dimension: Dimension | undefined, { extents: [C] }: PixelView): boolean {
  return dimension !== undefined && C > 1 && sameDimension(dimension, digits('C', C));
}

export const sameDimension = (a: Dimension, b: Dimension): boolean =>
  a.length === b.length &&
  a.every(({ of, step, extent }, i) => of === b[i]!.of && step === b[i]!.step && extent === b[i]!.extent);

export const sameDimensions = (a: readonly Dimension[], b: readonly Dimension[]): boolean =>
  a.length === b.length && a.every((dimension, i) => sameDimension(dimension, b[i]!));

/** Digits that follow each other as one. */
function joined(dimension: Dimension): Digit[] {
  const all: Digit[] = [];
  for (const digit of dimension) {
    const before = all.at(-1);
    if (before && before.of === digit.of && before.step === digit.step * digit.extent)
      all[all.length - 1] = { ...digit, extent: before.extent * digit.extent };
    else all.push(digit);
  }
  return all;
}

/** The same numbers under other extents; undefined where these cut through digits. */
export function reshaped(view: PixelView, extents: readonly number[]): PixelView | undefined {
  if (view.one) return undefined;
  const left = joined(view.dimensions.flat());
  const dimensions: Digit[][] = [];
  for (const wanted of extents) {
    const dimension: Digit[] = [];
    for (let rest = wanted; rest > 1; ) {
      const next = left.shift();
      if (!next) return undefined;
      const { of, step, extent } = next;
      if (rest % extent === 0) {
        dimension.push(next);
        rest /= extent;
      } else if (extent % rest === 0) {
        dimension.push({ of, step: (step * extent) / rest, extent: rest });
        left.unshift({ of, step, extent: extent / rest });
        rest = 1;
      } else return undefined;
    }
    dimensions.push(dimension);
  }
  return left.length === 0 ? { ...view, dimensions } : undefined;
}

export function transposed(view: PixelView, order: readonly number[]): PixelView | undefined {
  if (view.one || order.length !== view.dimensions.length) return undefined;
  return { ...view, dimensions: order.map((axis) => view.dimensions[axis]!) };
}

/** A value's matrices, their rows as columns. */
export function asColumns(view: PixelView): PixelView | undefined {
  const last = view.dimensions.length - 1;
  if (last < 1) return undefined;
  return transposed(
    view,
    view.dimensions.map((_, axis) => (axis === last ? axis - 1 : axis === last - 1 ? axis + 1 : axis)),
  );
}

/** The value that begins with another position of one extent, which is all rows or all columns, and ends with those before it. */
export function rolled(view: PixelView, axis: number, first: number): PixelView | undefined {
  const [digit, ...others] = view.dimensions[axis] ?? [];
  const [, H, W] = view.extents;
  if (!digit || others.length > 0 || digit.of === 'C' || view.one) return undefined;
  const all = digit.of === 'H' ? H : W;
  if (digit.step !== 1 || digit.extent !== all) return undefined;
  const [y, x] = view.roll;
  return { ...view, roll: digit.of === 'H' ? [(y + first) % H, x] : [y, (x + first) % W] };
}

/** Adjacent positions of one extent, which has to run through channels. */
export function sliced(view: PixelView, axis: number, first: number, last: number): PixelView | undefined {
  const dimension = view.dimensions[axis];
  if (!dimension || view.one) return undefined;
  if (first === 0 && last === count(dimension)) return view;
  const [slowest, ...others] = dimension;
  const together = count(others);
  if (slowest?.of !== 'C' || first % together !== 0 || last % together !== 0 || first >= last)
    return undefined;
  const extent = (last - first) / together;
  const kept = [...(extent > 1 ? [{ ...slowest, extent }] : []), ...others];
  return {
    ...view,
    first: view.first + (first / together) * slowest.step,
    dimensions: view.dimensions.map((other, i) => (i === axis ? kept : other)),
  };
}

/** Some channels, as many adjacent ones at each of some places that are as far from each other; undefined for any others. */
export function chosen(view: PixelView, axis: number, places: readonly number[]): PixelView | undefined {
  const dimension = view.dimensions[axis];
  const [digit] = dimension ?? [];
  const [first] = places;
  if (!digit || first === undefined || dimension!.length !== 1 || digit.of !== 'C' || view.one)
    return undefined;
  const jump = places.findIndex((place, i) => place !== first + i);
  const adjacent = jump < 0 ? places.length : jump;
  const apart = jump < 0 ? 0 : places[jump]! - first;
  const regular = places.every(
    (place, i) => place === first + Math.floor(i / adjacent) * apart + (i % adjacent),
  );
  const inside = places.every((place) => place >= 0 && place < digit.extent);
  if (!regular || !inside || places.length % adjacent !== 0) return undefined;
  const kept = [
    { of: 'C', step: apart * digit.step, extent: places.length / adjacent },
    { of: 'C', step: digit.step, extent: adjacent },
  ] as const;
  return {
    ...view,
    first: view.first + first * digit.step,
    dimensions: view.dimensions.map((other, i) =>
      i === axis ? kept.filter(({ extent }) => extent > 1) : other,
    ),
  };
}

/** The channels of a view with all pixels, where they are adjacent in the map: what a slice of the map has. */
export function adjacentChannels(
  view: PixelView,
): { readonly first: number; readonly count: number } | undefined {
  const [, H, W] = view.extents;
  const all = view.dimensions.flat();
  const channels = all.filter(({ of }) => of === 'C').sort((a, b) => b.step - a.step);
  const one = joined(channels);
  if (count(all) !== count(channels) * H * W || one.length > 1 || (one[0]?.step ?? 1) !== 1) return undefined;
  return { first: view.first, count: count(channels) };
}

/** The view that another map gives whose channels stand in the place of this one's, which are adjacent and all there. */
export function onMap(view: PixelView, map: string, channels = view.extents[0]): PixelView {
  const [C, H, W] = view.extents;
  const dimensions = view.dimensions.map((dimension) =>
    channels !== C && isChannels(dimension, view) ? digits('C', channels) : dimension,
  );
  return { map, extents: [channels, H, W], first: 0, dimensions, ...asItIs, roll: view.roll };
}

/** The extents of a view, but for a 1 that stands behind those of the last one. */
export const countsOf = ({ dimensions }: PixelView): number[] => dimensions.map(count);
