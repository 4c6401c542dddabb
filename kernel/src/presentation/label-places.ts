/** Where a point's name stands beside the point. */
export type LabelSide = `${'top' | 'middle' | 'bottom'} ${'left' | 'right'}` | 'top center' | 'bottom center';

/** A point with the size of its name, pixels. */
export interface NamedPoint {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A rectangle, pixels. */
export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Pixels between two names. */
const BETWEEN = 2;

/**
 * Where the names of points can stand without lying over each other, over a point, or beyond an area.
 *
 * @param points those to name, the most important first
 * @param marks centres of all points that are drawn, those to name among them
 * @param area what names may lie in
 * @param sides sides to try, the preferred first
 * @param gap from a point's centre to its name
 * @param lines what names lie over only where there is no other room
 * @returns a side for each point; none where there is no room for its name
 */
export function labelPlaces(
  points: readonly NamedPoint[],
  marks: readonly { readonly x: number; readonly y: number }[],
  area: Box,
  sides: readonly LabelSide[],
  gap: number,
  lines: readonly Box[] = [],
): (LabelSide | undefined)[] {
  // A name stays clear of other points by as much as a point takes itself.
  const radius = gap * 0.75;
  const taken: Box[] = marks.map(({ x, y }) => ({
    ...{ left: x - radius, right: x + radius, top: y - radius, bottom: y + radius },
  }));
  return points.map((point) => {
    const free = sides
      .map((side) => ({ side, box: boxAt(point, side, gap) }))
      .filter(({ box }) => isWithin(box, area) && !taken.some((other) => isOver(box, other)));
    const place = free.find(({ box }) => !lines.some((line) => isOver(box, line))) ?? free[0];
    if (place !== undefined) taken.push(place.box);
    return place?.side;
  });
}

const isWithin = (box: Box, area: Box): boolean =>
  box.left >= area.left && box.right <= area.right && box.top >= area.top && box.bottom <= area.bottom;

function boxAt({ x, y, width, height }: NamedPoint, side: LabelSide, gap: number): Box {
  const [vertical, horizontal] = side.split(' ');
  const left = horizontal === 'left' ? x - gap - width : horizontal === 'right' ? x + gap : x - width / 2;
  const top = vertical === 'top' ? y - gap - height : vertical === 'bottom' ? y + gap : y - height / 2;
  return { left, right: left + width, top, bottom: top + height };
}

const isOver = (one: Box, other: Box): boolean =>
  one.left < other.right + BETWEEN &&
  other.left < one.right + BETWEEN &&
  one.top < other.bottom &&
  other.top < one.bottom;
