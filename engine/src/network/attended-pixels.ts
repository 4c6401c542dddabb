import { attendedPlaces, type Extents, type PixelAttention, seenPixels } from './pixel-attention.js';

/** A pixel among those that see each other. */
export interface AttendedPixel {
  readonly y: number;
  readonly x: number;
  /** Differs between pixels of one window that lie at different edges of the map. */
  readonly edge: number;
}

/** The pixels of one image that see each other, row by row; `place` counts from 0 up to `attendedPlaces`. */
export function attendedPixels(
  { patch, windows }: PixelAttention,
  map: Extents,
  place: number,
): AttendedPixel[] {
  const [, H, W] = map;
  const pixels: AttendedPixel[] = [];
  if (!windows) {
    const [top, left] = [Math.floor(place / patch[1]), place % patch[1]];
    for (let y = top; y < H; y += patch[0])
      for (let x = left; x < W; x += patch[1]) pixels.push({ y, x, edge: 0 });
    return pixels;
  }
  const [height, width] = windows.extent;
  const across = W / width;
  const [top, left] = [Math.floor(place / across) * height, (place % across) * width];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [y, x] = [top + row + windows.shift[0], left + column + windows.shift[1]];
      pixels.push({ y: y % H, x: x % W, edge: (y >= H ? 2 : 0) + (x >= W ? 1 : 0) });
    }
  }
  return pixels;
}

/**
 * What is added to the products of pixels at different edges of the map, `[windows, pixels of a window, the same]`, as
 * exporters have it; undefined where nothing is.
 */
export function apartValues(attention: PixelAttention, map: Extents): Float32Array | undefined {
  const { apart = 0 } = attention.windows ?? {};
  if (apart === 0) return undefined;
  const [places, seen] = [attendedPlaces(attention, map), seenPixels(attention, map)];
  const values = new Float32Array(places * seen * seen);
  for (let place = 0; place < places; place++) {
    const pixels = attendedPixels(attention, map, place);
    pixels.forEach(({ edge }, i) => {
      for (let j = 0; j < seen; j++)
        if (pixels[j]!.edge !== edge) values[(place * seen + i) * seen + j] = apart;
    });
  }
  return values;
}
