import { FoveaError } from '../../errors.js';
import { Random } from '../../random.js';
import { type Colour, hsl, valueNoise } from './colour.js';
import { type ObjectClass, objectClasses, objectLabels, type Part } from './objects.js';

/** One image with what is known of it. */
export interface Scene {
  readonly size: number;
  /** `size · size · 3` values, red, green, blue. */
  readonly pixels: Uint8Array;
  /** `size · size` values: 1 where the object is. */
  readonly region: Uint8Array;
  readonly label: number;
}

/** Sides accepted by `drawScene`. */
export const sceneSides = { smallest: 64, largest: 1024 } as const;

/**
 * Draws one object of class `label` on a cluttered, out-of-focus background. The same arguments give the
 * same image; the object's place, size, tilt, colours and light vary with `index`.
 *
 * @param size side in pixels, 64…1024
 * @throws FoveaError `bad-argument` for a size or label out of range
 */
export function drawScene(seed: number, index: number, label: number, size: number): Scene {
  if (!Number.isInteger(size) || size < sceneSides.smallest || size > sceneSides.largest) {
    throw new FoveaError(
      'bad-argument',
      `image size ${size}: an integer from ${sceneSides.smallest} to ${sceneSides.largest} is accepted`,
    );
  }
  const name = objectLabels[label];
  if (name === undefined) {
    throw new FoveaError('bad-argument', `label ${label}: 0 to ${objectLabels.length - 1} are accepted`);
  }
  const random = new Random(seed, index);
  const canvas = new Float64Array(size * size * 3);
  const region = new Uint8Array(size * size);
  drawBackground(canvas, size, random);
  drawObject(canvas, region, size, random, objectClasses[name]!);
  const pixels = new Uint8Array(canvas.length);
  const grain = valueNoise(random.nextUint32());
  for (let i = 0; i < pixels.length; i += 3) {
    const pixel = i / 3;
    const noise = 3.5 * grain((pixel % size) * 0.9, Math.floor(pixel / size) * 0.9) + 0.5;
    for (let c = i; c < i + 3; c++) pixels[c] = Math.max(0, Math.min(255, 255 * canvas[c]! + noise));
  }
  return { size, pixels, region, label };
}

/** A wash of two colours under blurred discs, bars and blocks, as a lens throws them out of focus. */
function drawBackground(canvas: Float64Array, size: number, random: Random): void {
  const hue = random.next();
  const lightness = 0.25 + 0.45 * random.next();
  const first = hsl(hue, 0.1 + 0.35 * random.next(), lightness);
  const second = hsl(
    hue + 0.3 * (random.next() - 0.5),
    0.1 + 0.35 * random.next(),
    lightness + 0.3 * (random.next() - 0.5),
  );
  const angle = 2 * Math.PI * random.next();
  const [ax, ay] = [Math.cos(angle), Math.sin(angle)];
  const wander = valueNoise(random.nextUint32());
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const [u, v] = [x / size - 0.5, y / size - 0.5];
      const share = Math.max(0, Math.min(1, 0.5 + u * ax + v * ay + 0.25 * wander(3 * u, 3 * v)));
      const at = (y * size + x) * 3;
      for (let c = 0; c < 3; c++) canvas[at + c] = first[c]! + (second[c]! - first[c]!) * share;
    }
  }
  const count = 14 + random.below(14);
  for (let i = 0; i < count; i++) {
    const colour = hsl(
      hue + 0.5 * (random.next() - 0.5),
      0.5 * random.next(),
      lightness + 0.5 * (random.next() - 0.5),
    );
    drawClutter(canvas, size, random, colour);
  }
}

/** One blurred piece of clutter. */
function drawClutter(canvas: Float64Array, size: number, random: Random, colour: Colour): void {
  const [cx, cy] = [random.next() * size, random.next() * size];
  const long = size * (0.04 + 0.14 * random.next());
  const wide = long * (0.15 + 0.85 * random.next());
  const blur = size * (0.012 + 0.035 * random.next());
  const opacity = 0.35 + 0.5 * random.next();
  const angle = Math.PI * random.next();
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const round = random.next() < 0.5;
  const reach = Math.hypot(long, wide) + blur;
  const [left, right] = [Math.max(0, Math.floor(cx - reach)), Math.min(size - 1, Math.ceil(cx + reach))];
  const [top, bottom] = [Math.max(0, Math.floor(cy - reach)), Math.min(size - 1, Math.ceil(cy + reach))];
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const u = Math.abs((x - cx) * cos + (y - cy) * sin);
      const v = Math.abs((y - cy) * cos - (x - cx) * sin);
      const distance = round
        ? (Math.sqrt((u / long) ** 2 + (v / wide) ** 2) - 1) * wide
        : Math.max(u - long, v - wide);
      const cover = opacity * smooth(0.5 - distance / (2 * blur));
      if (cover <= 0) continue;
      const at = (y * size + x) * 3;
      for (let c = 0; c < 3; c++) canvas[at + c]! += (colour[c]! - canvas[at + c]!) * cover;
    }
  }
}

function smooth(share: number): number {
  const t = Math.max(0, Math.min(1, share));
  return t * t * (3 - 2 * t);
}

/** The object with its contact shadow; `region` is set where it covers at least half a pixel. */
function drawObject(
  canvas: Float64Array,
  region: Uint8Array,
  size: number,
  random: Random,
  make: ObjectClass,
): void {
  const radius = size * (0.19 + 0.19 * random.next());
  const margin = 0.92 * radius;
  const cx = margin + (size - 2 * margin) * random.next();
  const cy = margin + (size - 2 * margin) * random.next();
  const tilt = 0.7 * (random.next() - 0.5);
  const light = [-0.35 - 0.3 * random.next(), -0.45 - 0.3 * random.next(), 0.75] as const;
  const length = Math.hypot(...light);
  const [lx, ly, lz] = [light[0] / length, light[1] / length, light[2] / length];
  const parts = make(random);
  drawShadow(canvas, size, cx + 0.12 * radius, cy + 0.86 * radius, 0.8 * radius, 0.24 * radius);

  const [cos, sin] = [Math.cos(tilt) / radius, Math.sin(tilt) / radius];
  const paint = new Float64Array(3);
  const pixel = 1 / radius;
  const reach = Math.ceil(1.15 * radius);
  const [left, right] = [Math.max(0, Math.floor(cx) - reach), Math.min(size - 1, Math.floor(cx) + reach)];
  const [top, bottom] = [Math.max(0, Math.floor(cy) - reach), Math.min(size - 1, Math.floor(cy) + reach)];
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const [px, py] = [x + 0.5 - cx, y + 0.5 - cy];
      const [u, v] = [px * cos + py * sin, py * cos - px * sin];
      const at = (y * size + x) * 3;
      let covered = 0;
      for (const part of parts) {
        const distance = part.shape(u, v);
        const cover = Math.min(1, 0.5 - distance / pixel);
        if (cover <= 0) continue;
        covered = Math.max(covered, cover);
        shade(part, u, v, distance, tilt, lx, ly, lz, paint);
        for (let c = 0; c < 3; c++) canvas[at + c]! += (paint[c]! - canvas[at + c]!) * cover;
      }
      if (covered >= 0.5) region[y * size + x] = 1;
    }
  }
}

/** Lambert's law, sky light from above and a highlight (Blinn, 1977) on a surface rounded towards its rim. */
function shade(
  { shape, paint, bevel, gloss }: Part,
  u: number,
  v: number,
  distance: number,
  tilt: number,
  lx: number,
  ly: number,
  lz: number,
  out: Float64Array,
): void {
  const step = 0.02;
  const gu = (shape(u + step, v) - distance) / step;
  const gv = (shape(u, v + step) - distance) / step;
  const steep = Math.max(0, Math.min(1, 1 + distance / bevel));
  const slope = (0.92 * steep) / Math.max(1e-6, Math.sqrt(gu * gu + gv * gv));
  const [cos, sin] = [Math.cos(tilt), Math.sin(tilt)];
  const nx = slope * (gu * cos - gv * sin);
  const ny = slope * (gu * sin + gv * cos);
  const nz = Math.sqrt(Math.max(0.05, 1 - nx * nx - ny * ny));
  const diffuse = Math.max(0, nx * lx + ny * ly + nz * lz);
  const [hx, hy, hz] = [lx, ly, lz + 1];
  const half = Math.max(0, (nx * hx + ny * hy + nz * hz) / Math.sqrt(hx * hx + hy * hy + hz * hz));
  const highlight = 0.75 * gloss * half ** 28;
  const brightness = 0.34 + 0.1 * (1 - ny) + 0.66 * diffuse;
  paint(u, v, out);
  for (let c = 0; c < 3; c++) out[c] = Math.min(1, out[c]! * brightness + highlight);
}

function drawShadow(
  canvas: Float64Array,
  size: number,
  cx: number,
  cy: number,
  rx: number,
  ry: number,
): void {
  const [left, right] = [
    Math.max(0, Math.floor(cx - 1.5 * rx)),
    Math.min(size - 1, Math.ceil(cx + 1.5 * rx)),
  ];
  const [top, bottom] = [
    Math.max(0, Math.floor(cy - 1.5 * ry)),
    Math.min(size - 1, Math.ceil(cy + 1.5 * ry)),
  ];
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const dark = 0.45 * smooth(1.4 - Math.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2));
      const at = (y * size + x) * 3;
      for (let c = 0; c < 3; c++) canvas[at + c]! *= 1 - dark;
    }
  }
}
