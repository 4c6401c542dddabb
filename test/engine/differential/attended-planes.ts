import type { PixelAttentionNode } from '@fovea/engine/backend';
import { makePlanes, type Planes } from './planes.js';

/** Attention over pixels of planes: for each value that is written, the sum over the pixels that its pixel sees. */
export function attendedPlanes({ attention }: PixelAttentionNode, inputs: readonly Planes[]): Planes {
  const { by, heads, depth, width, scale, epsilon, patch, windows, bias } = attention;
  const [query, key, value] = by === 'context' ? [undefined, ...inputs] : inputs;
  const { N, H, W } = query ?? key!;
  const at = ({ C, H: rows, W: columns, data }: Planes, n: number, c: number, y: number, x: number) =>
    data[((n * C + c) * rows + y) * columns + x]!;
  const sees = (from: number, to: number, axis: 0 | 1) => {
    if (!windows) return from % patch[axis] === to % patch[axis];
    const window = (place: number) => Math.floor(unrolled(place, axis) / windows.extent[axis]);
    return window(from) === window(to);
  };
  // Where a row or column is once those before the shift have moved behind the last one.
  const unrolled = (place: number, axis: 0 | 1) => {
    const [shift, all] = [windows!.shift[axis], axis === 0 ? H : W];
    return place < shift ? place - shift + all : place - shift;
  };
  const added = (head: number, from: readonly number[], to: readonly number[]) => {
    if (!windows) return 0;
    const seen = windows.extent[0] * windows.extent[1];
    const position = ([y, x]: readonly number[]) =>
      (unrolled(y!, 0) % windows.extent[0]) * windows.extent[1] + (unrolled(x!, 1) % windows.extent[1]);
    const before = (place: number, axis: 0 | 1) => place < windows.shift[axis];
    const apart = ([0, 1] as const).some((axis) => before(from[axis]!, axis) !== before(to[axis]!, axis));
    const placed = bias ? bias.values[(head * seen + position(from)) * seen + position(to)]! : 0;
    return placed + (apart ? windows.apart : 0);
  };
  const weight = (n: number, head: number, [y, x]: readonly number[], [v, u]: readonly number[]) => {
    const from = attention.key.first + head * attention.key.step;
    if (!query || !attention.query) return scale * at(key!, n, from, v!, u!);
    const first = attention.query.first + head * attention.query.step;
    let sum = 0;
    for (let d = 0; d < depth; d++) {
      const [q, k] = [at(query, n, first + d, y!, x!), at(key!, n, from + d, v!, u!)];
      sum += by === 'linear' ? Math.max(q, 0) * Math.max(k, 0) : q * k;
    }
    return by === 'linear' ? sum : scale * sum + added(head, [y!, x!], [v!, u!]);
  };
  // The channels of a head have the same weights.
  const known = new Map<string, { readonly places: number[][]; readonly weights: number[] }>();
  const weighed = (n: number, head: number, y: number, x: number) => {
    const name = `${n} ${head} ${y} ${x}`;
    const before = known.get(name);
    if (before) return before;
    const places: number[][] = [];
    for (let v = 0; v < key!.H; v++)
      for (let u = 0; u < key!.W; u++) if (sees(y, v, 0) && sees(x, u, 1)) places.push([v, u]);
    const raw = places.map((place) => weight(n, head, [y, x], place));
    const most = raw.reduce((a, b) => Math.max(a, b));
    const positive = by === 'linear' ? raw : raw.map((one) => Math.exp(one - most));
    const total = positive.reduce((a, b) => a + b) + epsilon;
    const found = { places, weights: positive.map((one) => one / total) };
    known.set(name, found);
    return found;
  };
  return makePlanes({ ...key!, N, C: heads * width, H, W }, (n, c, y, x) => {
    const head = Math.floor(c / width);
    const { places, weights } = weighed(n, head, y, x);
    const channel = attention.value.first + head * attention.value.step + (c % width);
    return places.reduce((sum, [v, u], i) => sum + weights[i]! * at(value!, n, channel, v!, u!), 0);
  });
}
