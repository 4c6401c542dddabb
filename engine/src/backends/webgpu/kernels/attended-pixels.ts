import { FIRST_GROUP } from '../kernel.js';

/** Where pixels, heads and channels lie; `units` are the heads of the places of all images. */
export const common = [
  ...['items', 'vectors', 'channels', 'heads', 'depth', 'width', 'keys', 'queries', 'sumVectors'],
  ...['queryHeight', 'queryWidth', 'keyHeight', 'keyWidth', 'patchHeight', 'patchWidth'],
  ...['queryVectors', 'keyVectors', 'valueVectors'],
  ...['queryFirst', 'queryStep', 'keyFirst', 'keyStep', 'valueFirst', 'valueStep', 'scale', 'epsilon'],
  ...['windowHeight', 'windowWidth', 'shiftY', 'shiftX', 'apart'],
  FIRST_GROUP,
];

export const read = (name: string) => ({ name, access: 'read', element: 'Value' }) as const;
export const destination = { name: 'destination', access: 'write', element: 'Value' } as const;

const inPatches = `fn places() -> u32 { return p.patchHeight * p.patchWidth; }
// The i-th pixel of an image at a place of its patches.
fn keyPixel(image: u32, place: u32, i: u32) -> u32 {
  let columns = p.keyWidth / p.patchWidth;
  let y = i / columns * p.patchHeight + place / p.patchWidth;
  return (image * p.keyHeight + y) * p.keyWidth + i % columns * p.patchWidth + place % p.patchWidth;
}
fn queryPixel(image: u32, place: u32, i: u32) -> u32 {
  let columns = p.queryWidth / p.patchWidth;
  let y = i / columns * p.patchHeight + place / p.patchWidth;
  return (image * p.queryHeight + y) * p.queryWidth + i % columns * p.patchWidth + place % p.patchWidth;
}
`;
const inWindows = `fn places() -> u32 { return p.keyHeight / p.windowHeight * (p.keyWidth / p.windowWidth); }
// Row and column of the i-th pixel of a window; those beyond the map go on at its other edge.
fn inWindow(place: u32, i: u32) -> vec2u {
  let across = p.keyWidth / p.windowWidth;
  return vec2u(place / across * p.windowHeight + i / p.windowWidth + p.shiftY,
               place % across * p.windowWidth + i % p.windowWidth + p.shiftX);
}
fn keyPixel(image: u32, place: u32, i: u32) -> u32 {
  let at = inWindow(place, i) % vec2u(p.keyHeight, p.keyWidth);
  return (image * p.keyHeight + at.x) * p.keyWidth + at.y;
}
// Maps of queries have as many pixels.
fn queryPixel(image: u32, place: u32, i: u32) -> u32 { return keyPixel(image, place, i); }
fn edgeOf(place: u32, i: u32) -> vec2<bool> {
  return inWindow(place, i) >= vec2u(p.keyHeight, p.keyWidth);
}
`;
/** How many places an image has, and which pixel is the i-th of one. */
export const placesOf = (windows: boolean) => (windows ? inWindows : inPatches);
export const valueAt = `fn valueAt(pixel: u32, channel: u32) -> f32 {
  return f32(value[pixel * p.valueVectors + channel / 4u][channel % 4u]);
}
`;
export const keyAt = `fn keyAt(pixel: u32, channel: u32) -> f32 {
  return f32(key[pixel * p.keyVectors + channel / 4u][channel % 4u]);
}
`;
export const queryAt = `fn queryAt(pixel: u32, channel: u32) -> f32 {
  return f32(query[pixel * p.queryVectors + channel / 4u][channel % 4u]);
}
`;

/** A pixel of the output: its image, its place in a patch or its window, and which of those it is that see each other. */
export const outputPixel = (windows: boolean) => `  let pixel = item / p.vectors;
  let plane = p.queryHeight * p.queryWidth;
  let image = pixel / plane;
  let y = pixel % plane / p.queryWidth;
  let x = pixel % p.queryWidth;
${
  windows
    ? `  let top = (y + p.queryHeight - p.shiftY) % p.queryHeight;
  let left = (x + p.queryWidth - p.shiftX) % p.queryWidth;
  let place = top / p.windowHeight * (p.queryWidth / p.windowWidth) + left / p.windowWidth;
  let asking = top % p.windowHeight * p.windowWidth + left % p.windowWidth;
`
    : `  let place = y % p.patchHeight * p.patchWidth + x % p.patchWidth;
  let asking = y / p.patchHeight * (p.queryWidth / p.patchWidth) + x / p.patchWidth;
`
}`;

/** Sums values by the softmax of the keys' products, in one go: what is summed so far is that of a smaller maximum. */
export const overKeys = (product: string, sum: string, added = '') => `    var most = -3.4e38f;
    var total = 0f;
    var sum = vec4f(0);
    for (var i = 0u; i < p.keys; i++) {
      let at = keyPixel(image, place, i);
      var product = 0f;
      ${product}
      product *= bitcast<f32>(p.scale);${added}
      let higher = max(most, product);
      let less = exp(most - higher);
      let weight = exp(product - higher);
      total = total * less + weight;
      sum *= less;
      ${sum}
      most = higher;
    }`;
