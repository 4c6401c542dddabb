import { type Binding, FIRST_GROUP } from '../kernel.js';
import {
  type ActivationKind,
  activationCode,
  activationParameters,
  type ConvolutionActivationKind,
} from './activation.js';

/** The rows that a kernel works on: all of a map's pixels, or those that a region lists. */
export const rowParameters = ['rows', 'counter', 'list', 'pixels', 'others'] as const;

export const rowBindings: readonly Binding[] = [
  { name: 'lists', access: 'read', element: 'u32' },
  { name: 'counters', access: 'read', element: 'u32' },
];

/** A region's list holds its own pixels from the front and all others from the back. */
export const rowCode = `
fn rowCount() -> u32 {
  if (p.counter == NONE) { return p.rows; }
  return counters[p.counter];
}
fn pixelOf(row: u32) -> u32 {
  if (p.list == NONE) { return row; }
  return lists[p.list + select(row, p.pixels - 1u - row, p.others == 1u)];
}`;

/** A PReLU: slopes stand behind the bias. */
const sloped = 'select(vec4f(weights[p.bias + p.outVectors + vector]) * value, value, value > vec4f(0))';

/** How a residual reaches a convolution: not at all, from a map of its own, from what is overwritten. */
export type Residual = 'none' | 'own' | 'overwritten';

/** What a convolution does with its sums. */
export interface Epilogue {
  readonly residual: Residual;
  readonly activation: ConvolutionActivationKind;
}

/** Part of a kernel's name. */
export const nameOf = ({ residual, activation }: Epilogue) => `${residual} ${activation}`;

/** What convolutions are given, besides rows. */
export const convolutionParameters = ({ activation }: Epilogue): readonly string[] => [
  FIRST_GROUP,
  ...rowParameters,
  ...['source', 'height', 'width', 'outHeight', 'outWidth', 'gridRows', 'gridColumns'],
  ...['kernelHeight', 'kernelWidth', 'strideY', 'strideX', 'top', 'left', 'dilationY', 'dilationX'],
  ...['inVectors', 'outVectors', 'inGroup', 'outGroup', 'bias', 'packed'],
  ...(activation === 'prelu' ? [] : activationParameters({ activated: activation })),
];

/** Numbers of `source`: whole maps, packed rows, cells with their halo. */
export const sourceNumber = { map: 0, packed: 1, halo: 2 } as const;

export function convolutionBindings({ residual }: Epilogue): readonly Binding[] {
  return [
    { name: 'source', access: 'read', element: 'Value' },
    { name: 'destination', access: 'write', element: 'Value' },
    { name: 'weights', access: 'read', element: 'Value' },
    ...rowBindings,
    ...(residual === 'own' ? [{ name: 'residual', access: 'read', element: 'Value' } as const] : []),
  ];
}

/**
 * Where a row's convolution reads, and where its result goes: first pixel of the source image (or cell, or the packed row
 * itself), then row and column of the kernel's first tap in it, then the output pixel.
 */
export const placeCode = `${rowCode}
fn placeOf(row: u32) -> vec4i {
  let pixel = pixelOf(row);
  if (p.source == 1u) { return vec4i(i32(row), 0, 0, i32(pixel)); }
  let plane = p.outHeight * p.outWidth;
  let n = pixel / plane;
  let y = (pixel % plane) / p.outWidth;
  let x = pixel % p.outWidth;
  if (p.source == 2u) {
    let cellY = y * p.gridRows / p.outHeight;
    let cellX = x * p.gridColumns / p.outWidth;
    let firstY = (cellY * p.outHeight + p.gridRows - 1u) / p.gridRows;
    let firstX = (cellX * p.outWidth + p.gridColumns - 1u) / p.gridColumns;
    let cell = (n * p.gridRows + cellY) * p.gridColumns + cellX;
    return vec4i(i32(cell * p.height * p.width), i32((y - firstY) * p.strideY), i32((x - firstX) * p.strideX), i32(pixel));
  }
  return vec4i(i32(n * p.height * p.width), i32(y * p.strideY) - i32(p.top), i32(x * p.strideX) - i32(p.left), i32(pixel));
}`;

/**
 * What convolutions do with a place and with a sum. `sourceAt` gives the source pixel of a tap, or NONE where it lies outside;
 * `finish` puts a result where it belongs.
 * @param others activations that a kernel applies besides, by the name of the function
 */
export function sumCode(
  { residual, activation }: Epilogue,
  others: Readonly<Record<string, ActivationKind>> = {},
): string {
  // What is overwritten is read where it is written: no other invocation writes there.
  const shortcut = {
    none: '',
    own: 'value += vec4f(residual[pixel * p.outVectors + vector]);',
    overwritten: 'value += vec4f(destination[at]);',
  }[residual];
  return `${activationCode({ ...(activation === 'prelu' ? {} : { activated: activation }), ...others })}
fn sourceAt(place: vec4i, tapY: u32, tapX: u32) -> u32 {
  let y = u32(place.y + i32(tapY * p.dilationY));
  let x = u32(place.z + i32(tapX * p.dilationX));
  if (y >= p.height || x >= p.width) { return NONE; }
  return u32(place.x) + y * p.width + x;
}
fn finish(row: u32, pixel: u32, vector: u32, sum: vec4f) {
  var value = sum + vec4f(weights[p.bias + vector]);
  let at = select(pixel, row, p.packed == 1u) * p.outVectors + vector;
  ${shortcut}
  destination[at] = stored(${activation === 'prelu' ? sloped : 'activated(value)'});
}`;
}
