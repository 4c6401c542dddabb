import type { Random } from '../../random.js';

/** Linear-ish red, green, blue, 0…1. */
export type Colour = readonly [number, number, number];

/** A colour that varies over a surface, written into `out`. */
export type Paint = (x: number, y: number, out: Float64Array) => void;

/** Hue in turns, saturation and lightness 0…1. */
export function hsl(hue: number, saturation: number, lightness: number): Colour {
  const channel = (offset: number) => {
    const k = (((offset + hue * 12) % 12) + 12) % 12;
    return (
      lightness - saturation * Math.min(lightness, 1 - lightness) * Math.max(-1, Math.min(k - 3, 9 - k, 1))
    );
  };
  return [channel(0), channel(8), channel(4)];
}

export function plain([r, g, b]: Colour): Paint {
  return (_x, _y, out) => {
    out[0] = r;
    out[1] = g;
    out[2] = b;
  };
}

/** Two colours, chosen by where `which` is positive; the border is softened over `edge`. */
export function pattern(
  first: Colour,
  second: Colour,
  which: (x: number, y: number) => number,
  edge = 0.03,
): Paint {
  return (x, y, out) => {
    const share = Math.min(1, Math.max(0, 0.5 + which(x, y) / edge));
    for (let i = 0; i < 3; i++) out[i] = first[i]! + (second[i]! - first[i]!) * share;
  };
}

/** Parallel stripes across a direction; `period` in units of the plane. */
export function stripes(first: Colour, second: Colour, angle: number, period: number, share = 0.5): Paint {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return pattern(first, second, (x, y) => {
    const along = (x * cos + y * sin) / period;
    return (share / 2 - Math.abs(along - Math.round(along))) * period;
  });
}

/** Dots on a shifted grid. */
export function dots(first: Colour, second: Colour, period: number, radius: number): Paint {
  return pattern(first, second, (x, y) => {
    const row = Math.round(y / (period * 0.87));
    const shift = (row & 1) * 0.5;
    const column = Math.round(x / period - shift) + shift;
    return radius - Math.hypot(x - column * period, y - row * period * 0.87);
  });
}

/** Brightness that wanders smoothly: value noise of two octaves, about ±`strength`. */
export function mottled(paint: Paint, random: Random, strength: number, scale: number): Paint {
  const noise = valueNoise(random.nextUint32());
  return (x, y, out) => {
    paint(x, y, out);
    const gain = 1 + strength * (noise(x * scale, y * scale) + 0.5 * noise(x * scale * 2.3, y * scale * 2.3));
    for (let i = 0; i < 3; i++) out[i]! *= gain;
  };
}

/** Smooth noise in −1…1 from a hash of the grid corners around a point. */
export function valueNoise(seed: number): (x: number, y: number) => number {
  const corner = (x: number, y: number) => {
    let h = (Math.imul(x, 374761393) + Math.imul(y, 668265263)) ^ seed;
    h = Math.imul(h ^ (h >>> 13), 1274126177);
    return ((h ^ (h >>> 16)) >>> 0) / 2147483648 - 1;
  };
  return (x, y) => {
    const [ix, iy] = [Math.floor(x), Math.floor(y)];
    const [fx, fy] = [x - ix, y - iy];
    const [u, v] = [fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)];
    const top = corner(ix, iy) * (1 - u) + corner(ix + 1, iy) * u;
    const bottom = corner(ix, iy + 1) * (1 - u) + corner(ix + 1, iy + 1) * u;
    return top * (1 - v) + bottom * v;
  };
}
