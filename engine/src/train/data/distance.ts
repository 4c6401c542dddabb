/**
 * Signed distances to flat shapes: negative inside, in the units of the plane. x grows to the right, y down.
 * The formulas follow I. Quilez, "2D distance functions" (iquilezles.org/articles/distfunctions2d).
 */
export type Distance = (x: number, y: number) => number;

/** Math.hypot guards against overflow, which costs several times as much. */
const length = (x: number, y: number) => Math.sqrt(x * x + y * y);

const clamp01 = (value: number) => Math.min(1, Math.max(0, value));

export function circle(cx: number, cy: number, radius: number): Distance {
  return (x, y) => length(x - cx, y - cy) - radius;
}

/** Exact on the axes and near them; good enough to shade by elsewhere. */
export function ellipse(cx: number, cy: number, rx: number, ry: number): Distance {
  return (x, y) => {
    const u = (x - cx) / rx;
    const v = (y - cy) / ry;
    const k = length(u, v);
    const slope = length(u / rx, v / ry);
    return slope < 1e-6 ? -Math.min(rx, ry) : (k * (k - 1)) / slope;
  };
}

/** A box of half sides `hx`, `hy` whose corners have `radius`. */
export function box(cx: number, cy: number, hx: number, hy: number, radius = 0): Distance {
  return (x, y) => {
    const dx = Math.abs(x - cx) - hx + radius;
    const dy = Math.abs(y - cy) - hy + radius;
    return length(Math.max(dx, 0), Math.max(dy, 0)) + Math.min(Math.max(dx, dy), 0) - radius;
  };
}

/** A thick line from (ax, ay) to (bx, by). */
export function capsule(ax: number, ay: number, bx: number, by: number, radius: number): Distance {
  const [ex, ey] = [bx - ax, by - ay];
  const length2 = ex * ex + ey * ey;
  return (x, y) => {
    const along = clamp01(((x - ax) * ex + (y - ay) * ey) / length2);
    return length(x - ax - along * ex, y - ay - along * ey) - radius;
  };
}

export function ring(cx: number, cy: number, radius: number, thickness: number): Distance {
  return (x, y) => Math.abs(length(x - cx, y - cy) - radius) - thickness;
}

/** A polygon through `points` (x, y, x, y, …) with rounded corners. */
export function polygon(points: readonly number[], radius = 0): Distance {
  const count = points.length / 2;
  return (x, y) => {
    let nearest = Number.POSITIVE_INFINITY;
    let inside = false;
    for (let i = 0, j = count - 1; i < count; j = i++) {
      const ax = points[2 * i]!;
      const ay = points[2 * i + 1]!;
      const ex = points[2 * j]! - ax;
      const ey = points[2 * j + 1]! - ay;
      const along = clamp01(((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey));
      const dx = x - ax - ex * along;
      const dy = y - ay - ey * along;
      nearest = Math.min(nearest, dx * dx + dy * dy);
      if (ay > y !== ay + ey > y && x < (ex * (y - ay)) / ey + ax) inside = !inside;
    }
    return (inside ? -1 : 1) * Math.sqrt(nearest) - radius;
  };
}

/** A regular star or gear: `tips` corners at `outer`, as many between them at `inner`. */
export function star(tips: number, outer: number, inner: number, radius: number): Distance {
  const points: number[] = [];
  for (let i = 0; i < 2 * tips; i++) {
    const angle = (Math.PI * i) / tips - Math.PI / 2;
    const reach = i % 2 === 0 ? outer : inner;
    points.push(reach * Math.cos(angle), reach * Math.sin(angle));
  }
  return polygon(points, radius);
}

/** `count` copies of `shape`, turned around the origin. */
export function around(count: number, shape: Distance, phase = 0): Distance {
  const step = (2 * Math.PI) / count;
  return (x, y) => {
    const angle = Math.atan2(y, x) - phase;
    const folded = angle - step * Math.round(angle / step);
    const reach = length(x, y);
    return shape(reach * Math.cos(folded), reach * Math.sin(folded));
  };
}

export function union(...shapes: readonly Distance[]): Distance {
  return (x, y) => {
    let least = Number.POSITIVE_INFINITY;
    for (const shape of shapes) least = Math.min(least, shape(x, y));
    return least;
  };
}

/** The part of `shape` where `limit` is negative, too. */
export function cut(shape: Distance, limit: Distance): Distance {
  return (x, y) => Math.max(shape(x, y), limit(x, y));
}
