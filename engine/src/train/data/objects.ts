import type { Random } from '../../random.js';
import { type Colour, dots, hsl, mottled, type Paint, pattern, plain, stripes } from './colour.js';
import {
  around,
  box,
  capsule,
  circle,
  cut,
  type Distance,
  ellipse,
  polygon,
  ring,
  star,
  union,
} from './distance.js';

/** One piece of an object, painted over those before it. The object fills about the unit disc. */
export interface Part {
  readonly shape: Distance;
  readonly paint: Paint;
  /** Width of the rounded rim: as wide as the piece, it looks like a cushion; narrow, like a slab. */
  readonly bevel: number;
  /** Strength of the highlight, 0…1. */
  readonly gloss: number;
}

/** A class of objects: each call makes another specimen. */
export type ObjectClass = (random: Random) => Part[];

const between = (random: Random, from: number, to: number) => from + (to - from) * random.next();
const vivid = (random: Random, hue = random.next()) =>
  hsl(hue, between(random, 0.62, 0.9), between(random, 0.42, 0.58));
const near = (random: Random, hue: number, spread: number) => hue + between(random, -spread, spread);
const cream: Colour = [0.96, 0.93, 0.84];
const dark: Colour = [0.1, 0.09, 0.12];

function ball(random: Random): Part[] {
  const [first, tilt] = [vivid(random), between(random, 0, 6)];
  const panels = 2 + random.below(2);
  const px = between(random, -0.35, 0.35);
  const py = between(random, -0.5, -0.2);
  const paint = pattern(
    first,
    cream,
    (x, y) => 0.25 * Math.sin(panels * Math.atan2(y - py, x - px) + tilt),
    0.06,
  );
  return [{ shape: circle(0, 0, 0.9), paint, bevel: 0.9, gloss: 0.8 }];
}

function mug(random: Random): Part[] {
  const colour = vivid(random);
  const band = random.next() < 0.5 ? cream : vivid(random);
  const height = between(random, 0.12, 0.3);
  const paint =
    random.next() < 0.5
      ? pattern(colour, band, (_x, y) => height - Math.abs(y - 0.15))
      : dots(colour, band, 0.34, 0.09);
  return [
    { shape: ring(0.46, 0.08, 0.33, 0.09), paint: plain(colour), bevel: 0.1, gloss: 0.6 },
    { shape: box(-0.14, 0.06, 0.56, 0.74, 0.14), paint, bevel: 0.32, gloss: 0.7 },
    { shape: ellipse(-0.14, -0.6, 0.55, 0.16), paint: plain(cream), bevel: 0.06, gloss: 0.2 },
    { shape: ellipse(-0.14, -0.58, 0.46, 0.11), paint: plain([0.28, 0.16, 0.09]), bevel: 0.02, gloss: 0.1 },
  ];
}

function mushroom(random: Random): Part[] {
  const cap = vivid(random, near(random, 0.02, 0.09));
  const paint = dots(cap, cream, between(random, 0.38, 0.5), between(random, 0.1, 0.15));
  const low = between(random, 0.05, 0.2);
  return [
    {
      shape: polygon([-0.16, 0, 0.16, 0, 0.26, 0.8, -0.26, 0.8], 0.08),
      paint: mottled(plain(cream), random, 0.12, 5),
      bevel: 0.28,
      gloss: 0.1,
    },
    { shape: ellipse(0, low, 0.62, 0.12), paint: plain([0.72, 0.62, 0.5]), bevel: 0.1, gloss: 0 },
    { shape: cut(ellipse(0, low, 0.92, 0.95), (_x, y) => y - low), paint, bevel: 0.55, gloss: 0.5 },
  ];
}

function fish(random: Random): Part[] {
  const [first, second] = [vivid(random), vivid(random)];
  const [angle, period] = [between(random, -0.3, 0.3), between(random, 0.3, 0.5)];
  const paint =
    random.next() < 0.5
      ? stripes(first, second, angle, period)
      : pattern(first, second, (x, y) => y + 0.05 * Math.sin(9 * x), 0.1);
  const fin = vivid(random);
  return [
    {
      shape: polygon([0.42, 0, 0.92, -0.42, 0.8, 0, 0.92, 0.42], 0.06),
      paint: plain(fin),
      bevel: 0.16,
      gloss: 0.3,
    },
    {
      shape: polygon([-0.2, -0.3, 0.3, -0.3, 0.25, -0.68], 0.05),
      paint: plain(fin),
      bevel: 0.12,
      gloss: 0.3,
    },
    { shape: polygon([-0.05, 0.3, 0.25, 0.3, 0.22, 0.6], 0.05), paint: plain(fin), bevel: 0.12, gloss: 0.3 },
    { shape: ellipse(-0.15, 0, 0.74, 0.46), paint, bevel: 0.46, gloss: 0.7 },
    { shape: circle(-0.56, -0.1, 0.13), paint: plain(cream), bevel: 0.05, gloss: 0.4 },
    { shape: circle(-0.58, -0.1, 0.065), paint: plain(dark), bevel: 0.05, gloss: 0.9 },
  ];
}

function starfish(random: Random): Part[] {
  const colour = vivid(random);
  const inner = between(random, 0.36, 0.46);
  const paint = random.next() < 0.5 ? plain(colour) : dots(colour, cream, 0.3, 0.05);
  return [
    { shape: star(5, 0.86, inner, 0.09), paint: mottled(paint, random, 0.1, 6), bevel: 0.36, gloss: 0.5 },
  ];
}

function flower(random: Random): Part[] {
  const petals = 6 + random.below(3);
  const colour = vivid(random);
  const tip = hsl(random.next(), 0.6, 0.78);
  const heart = hsl(near(random, 0.11, 0.04), 0.85, 0.5);
  const phase = between(random, 0, 6);
  return [
    {
      shape: around(petals, ellipse(0.58, 0, 0.34, 1.35 / petals), phase),
      paint: pattern(tip, colour, (x, y) => Math.hypot(x, y) - 0.55, 0.5),
      bevel: 0.16,
      gloss: 0.25,
    },
    { shape: circle(0, 0, 0.32), paint: dots(heart, [0.35, 0.2, 0.06], 0.13, 0.035), bevel: 0.3, gloss: 0.2 },
  ];
}

function house(random: Random): Part[] {
  const wall = hsl(random.next(), between(random, 0.2, 0.5), between(random, 0.68, 0.82));
  const roof = vivid(random, near(random, 0.03, 0.08));
  const tiles = hsl(0.03, 0.45, 0.28);
  const door = vivid(random);
  const glass: Colour = [0.55, 0.78, 0.92];
  const side = random.next() < 0.5 ? -1 : 1;
  const pane = (x: number, y: number): Part[] => [
    { shape: box(x, y, 0.15, 0.15), paint: plain(cream), bevel: 0.03, gloss: 0 },
    {
      shape: box(x, y, 0.115, 0.115),
      paint: pattern(glass, cream, (u, v) => 0.018 - Math.min(Math.abs(u - x), Math.abs(v - y))),
      bevel: 0.01,
      gloss: 0.6,
    },
  ];
  return [
    { shape: box(0.42 * side, -0.55, 0.1, 0.3), paint: plain(tiles), bevel: 0.05, gloss: 0 },
    {
      shape: box(0, 0.32, 0.62, 0.52),
      paint: stripes(wall, cream, Math.PI / 2, 0.13, 0.12),
      bevel: 0.06,
      gloss: 0.05,
    },
    {
      shape: polygon([-0.84, -0.12, 0, -0.84, 0.84, -0.12], 0.05),
      paint: stripes(roof, tiles, Math.PI / 2, 0.15, 0.2),
      bevel: 0.12,
      gloss: 0.15,
    },
    { shape: box(-0.28 * side, 0.5, 0.15, 0.33), paint: plain(door), bevel: 0.03, gloss: 0.2 },
    ...pane(0.28 * side, 0.3),
  ];
}

function sailboat(random: Random): Part[] {
  const [hull, sail] = [vivid(random), random.next() < 0.5 ? cream : vivid(random)];
  const trim = vivid(random);
  const side = random.next() < 0.5 ? -1 : 1;
  const mirrored = (points: number[]) => points.map((value, i) => (i % 2 === 0 ? value * side : value));
  return [
    { shape: capsule(0, -0.85, 0, 0.4, 0.035), paint: plain([0.45, 0.3, 0.18]), bevel: 0.04, gloss: 0.2 },
    {
      shape: polygon(mirrored([0.07, -0.8, 0.07, 0.26, 0.78, 0.26]), 0.03),
      paint: stripes(sail, trim, Math.PI / 2, 0.36, 0.25),
      bevel: 0.3,
      gloss: 0.15,
    },
    {
      shape: polygon(mirrored([-0.09, -0.62, -0.09, 0.26, -0.58, 0.26]), 0.03),
      paint: plain(trim),
      bevel: 0.25,
      gloss: 0.15,
    },
    {
      shape: polygon([-0.86, 0.42, 0.86, 0.42, 0.56, 0.8, -0.56, 0.8], 0.06),
      paint: pattern(hull, cream, (_x, y) => 0.05 - Math.abs(y - 0.5)),
      bevel: 0.2,
      gloss: 0.5,
    },
  ];
}

function cactus(random: Random): Part[] {
  const green = hsl(near(random, 0.33, 0.05), between(random, 0.45, 0.7), between(random, 0.3, 0.42));
  const rib = hsl(0.3, 0.35, 0.6);
  const skin = stripes(green, rib, 0, 0.13, 0.22);
  const pot = vivid(random, near(random, 0.05, 0.1));
  const [left, right] = [between(random, -0.2, 0.1), between(random, -0.3, 0.15)];
  return [
    {
      shape: union(capsule(-0.5, left, -0.5, left - 0.3, 0.14), capsule(-0.5, left, 0, left + 0.12, 0.12)),
      paint: skin,
      bevel: 0.14,
      gloss: 0.2,
    },
    {
      shape: union(capsule(0.5, right, 0.5, right - 0.28, 0.14), capsule(0.5, right, 0, right + 0.12, 0.12)),
      paint: skin,
      bevel: 0.14,
      gloss: 0.2,
    },
    { shape: capsule(0, -0.62, 0, 0.5, 0.26), paint: skin, bevel: 0.26, gloss: 0.2 },
    {
      shape: polygon([-0.44, 0.46, 0.44, 0.46, 0.32, 0.86, -0.32, 0.86], 0.05),
      paint: plain(pot),
      bevel: 0.22,
      gloss: 0.3,
    },
    { shape: box(0, 0.46, 0.52, 0.09, 0.05), paint: plain(pot), bevel: 0.1, gloss: 0.3 },
  ];
}

function rocket(random: Random): Part[] {
  const [shell, fins] = [random.next() < 0.5 ? cream : vivid(random), vivid(random)];
  const flame = hsl(0.1, 0.95, 0.55);
  const paint = pattern(shell, fins, (_x, y) => -0.42 - y);
  return [
    {
      shape: ellipse(0, 0.66, 0.17, 0.3),
      paint: pattern(flame, [1, 0.95, 0.7], (x, y) => 0.12 - Math.hypot(x, y - 0.55), 0.1),
      bevel: 0.1,
      gloss: 0,
    },
    {
      shape: polygon([-0.2, 0.15, -0.62, 0.66, -0.2, 0.55], 0.05),
      paint: plain(fins),
      bevel: 0.1,
      gloss: 0.4,
    },
    { shape: polygon([0.2, 0.15, 0.62, 0.66, 0.2, 0.55], 0.05), paint: plain(fins), bevel: 0.1, gloss: 0.4 },
    { shape: cut(ellipse(0, -0.02, 0.36, 0.9), (_x, y) => y - 0.58), paint, bevel: 0.36, gloss: 0.7 },
    { shape: circle(0, -0.14, 0.18), paint: plain(fins), bevel: 0.05, gloss: 0.4 },
    { shape: circle(0, -0.14, 0.12), paint: plain([0.5, 0.76, 0.93]), bevel: 0.1, gloss: 0.9 },
  ];
}

/** The classes of the generated images, by the label that the network learns. */
export const objectClasses: Readonly<Record<string, ObjectClass>> = {
  ball,
  cactus,
  fish,
  flower,
  house,
  mug,
  mushroom,
  rocket,
  sailboat,
  star: starfish,
};

/** Class names in the order of their labels. */
export const objectLabels: readonly string[] = Object.keys(objectClasses);
