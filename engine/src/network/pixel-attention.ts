import { isEpsilon } from './epsilon.js';

/**
 * How pixels weigh each other's values. `softmax`: `softmax(scale · q · k)` over the keys (Vaswani et al. 2017). `linear`:
 * `relu(q) · relu(k)`, divided by the sum of these over the keys plus `epsilon` (Cai et al. 2023). `context`:
 * `softmax(scale · k)`, the same for every pixel, of keys with one channel (Mehta and Rastegari 2022).
 */
export type PixelWeighting = 'softmax' | 'linear' | 'context';

/** Where heads lie among a map's channels: head h from channel `first + h · step` on. Heads share channels where `step` is 0. */
export interface HeadChannels {
  readonly first: number;
  readonly step: number;
}

/**
 * Windows that a map is cut into, whose pixels see each other alone (Swin, Liu et al. 2021). Those at the bottom and at the
 * right go on at the other edge of the map where windows are shifted.
 */
export interface PixelWindows {
  readonly extent: readonly [height: number, width: number];
  /** The pixel where the first window begins, `[y, x]`: less than the extent. */
  readonly shift: readonly [number, number];
  /** What is added to the products of pixels of one window that lie at different edges of the map; by `softmax` alone. */
  readonly apart: number;
}

/**
 * What is added to the scaled products, by where query and key lie among the pixels that see each other: those of a window,
 * or of the image (a bias of positions). It holds for maps alone where these are as many.
 */
export interface PixelBias {
  readonly queries: number;
  readonly keys: number;
  /** `[heads, queries, keys]`, pixels row by row. */
  readonly values: Float32Array;
}

/**
 * Attention over pixels, as transformers have it: each head of an output pixel is the sum of the keys' values, weighed by
 * how its query fits the keys. Output channels are those of the heads, one head behind the other.
 */
export interface PixelAttention {
  readonly by: PixelWeighting;
  readonly heads: number;
  /** Channels of a query and of a key in each head; 1 by `context`. */
  readonly depth: number;
  /** Channels of a value in each head. */
  readonly width: number;
  /** Absent by `context`. */
  readonly query?: HeadChannels;
  readonly key: HeadChannels;
  readonly value: HeadChannels;
  /** Of the products, or by `context` of the keys; not of `linear` weights. */
  readonly scale: number;
  /** By `linear` alone, above 0; else 0. */
  readonly epsilon: number;
  /**
   * Pixels see those at the same place of every patch of `[height, width]` pixels (MobileViT, Mehta and Rastegari 2021); all
   * pixels of the image where it is `[1, 1]`, or those of their window.
   */
  readonly patch: readonly [number, number];
  /** Where there are any, the patch is `[1, 1]`, and keys are of as many pixels as queries. */
  readonly windows?: PixelWindows;
  /** By `softmax` alone. */
  readonly bias?: PixelBias;
}

/** All ways in which pixels weigh each other, in the order of `Weighting` in engine/native/common/weighting.h. */
export const pixelWeightings = ['softmax', 'linear', 'context'] as const satisfies readonly PixelWeighting[];

/** `[N, H, W, C]` of a map. */
export type Extents = readonly [N: number, H: number, W: number, C: number];

/** The extents of what an attention over pixels reads; a context has no query. */
export interface AttendedMaps {
  readonly query?: Extents | undefined;
  readonly key: Extents;
  readonly value: Extents;
}

/** Most heads, and most channels of one: more than any network has. */
export const MOST_HEAD_CHANNELS = 2 ** 16;
/** The largest patches and windows, to a side. */
const MOST_EXTENT = 2 ** 15;
/** Most queries and keys that a bias is of: with more of both its values would not fit any memory. */
const MOST_BIASED = 2 ** 20;

const isCount = (value: unknown, least: number, most: number): boolean =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;

/**
 * What is wrong with an attention over pixels, whatever maps it reads.
 * @returns undefined when nothing is
 */
export function pixelAttentionFault(attention: PixelAttention): string | undefined {
  const { by, heads, depth, width, query, key, value, scale, epsilon, patch, windows, bias } = attention;
  if (!pixelWeightings.includes(by))
    return `weights by ${String(by)}; ${pixelWeightings.join(', ')} are accepted`;
  for (const [name, count] of Object.entries({ heads, depth, width })) {
    if (!isCount(count, 1, MOST_HEAD_CHANNELS))
      return `${name} ${count}: an integer from 1 to ${MOST_HEAD_CHANNELS} is accepted`;
  }
  if (by === 'context' && depth !== 1) return `depth ${depth}: keys of a context have 1 channel`;
  if ((query === undefined) !== (by === 'context'))
    return by === 'context' ? 'a context has no queries' : `weights by ${by} have queries`;
  for (const { first, step } of [...(query ? [query] : []), key, value]) {
    if (![first, step].every((place) => isCount(place, 0, MOST_HEAD_CHANNELS)))
      return `heads from channel ${first} on in steps of ${step}: integers from 0 to ${MOST_HEAD_CHANNELS} are accepted`;
  }
  if (!Number.isFinite(Math.fround(scale))) return `scale ${scale}: a finite value is accepted`;
  if (by === 'linear' ? !isEpsilon(epsilon) : epsilon !== 0)
    return `epsilon ${epsilon}: ${by === 'linear' ? 'a finite value above 0 is' : '0 is, other than for linear weights,'} accepted`;
  if (!isPair(patch, 1, MOST_EXTENT))
    return `patches of ${patch.join(' x ')}; extents from 1 to ${MOST_EXTENT} are accepted`;
  return (windows && windowsFault(attention, windows)) ?? (bias && biasFault(attention, bias));
}

const isPair = (values: readonly number[], least: number, most: number) =>
  values.length === 2 && values.every((value) => isCount(value, least, most));

function windowsFault({ by, patch }: PixelAttention, { extent, shift, apart }: PixelWindows) {
  if (!isPair(extent, 1, MOST_EXTENT))
    return `windows of ${extent.join(' x ')}; extents from 1 to ${MOST_EXTENT} are accepted`;
  if (patch.join() !== '1,1') return `windows and patches of ${patch.join(' x ')}; one of both is accepted`;
  if (!isPair(shift, 0, MOST_EXTENT) || shift.some((pixels, axis) => pixels >= extent[axis]!))
    return `windows of ${extent.join(' x ')} shifted by ${shift.join(' x ')}; less than their extent is accepted`;
  if (!Number.isFinite(Math.fround(apart))) return `${apart} for pixels apart; a finite value is accepted`;
  return apart === 0 || (by === 'softmax' && shift.some((pixels) => pixels > 0))
    ? undefined
    : `${apart} for pixels apart; 0 is accepted, but for softmax in shifted windows`;
}

function biasFault({ by }: PixelAttention, { queries, keys }: PixelBias) {
  if (by !== 'softmax') return `a bias of weights by ${by}; softmax is accepted`;
  return isCount(queries, 1, MOST_BIASED) && isCount(keys, 1, MOST_BIASED)
    ? undefined
    : `a bias of ${queries} queries and ${keys} keys; integers from 1 to ${MOST_BIASED} are accepted`;
}

const extent = ([, H, W]: Extents) => `${H} x ${W}`;

/** Pixels of one image that see each other: those at one place of its patches, or of one window. */
export function seenPixels({ patch, windows }: PixelAttention, [, H, W]: Extents): number {
  return windows ? windows.extent[0] * windows.extent[1] : (H * W) / (patch[0] * patch[1]);
}

/** How many values a bias has. */
export const biasCount = (
  { heads }: Pick<PixelAttention, 'heads'>,
  { queries, keys }: Pick<PixelBias, 'queries' | 'keys'>,
): number => heads * queries * keys;

/** How many times pixels of an image see each other alone: places of a patch, or windows. */
export function attendedPlaces({ patch, windows }: PixelAttention, [, H, W]: Extents): number {
  return windows ? (H * W) / (windows.extent[0] * windows.extent[1]) : patch[0] * patch[1];
}

/** Whether heads of so many channels lie within a map's. */
const within = ({ first, step }: HeadChannels, heads: number, channels: number, [, , , C]: Extents) =>
  first + (heads - 1) * step + channels <= C;

/**
 * Why an attention over pixels cannot read maps of these extents.
 * @returns undefined when it can
 */
export function pixelAttentionProblem(
  attention: PixelAttention,
  { query, key, value }: AttendedMaps,
): string | undefined {
  const fault = pixelAttentionFault(attention);
  if (fault) return fault;
  const { heads, depth, width, patch, windows, bias } = attention;
  if (key.slice(0, 3).join() !== value.slice(0, 3).join())
    return `keys of ${extent(key)} and values of ${extent(value)}; maps of one size are accepted`;
  if (query && query[0] !== key[0]) return `queries of ${query[0]} images, keys of ${key[0]}`;
  const [name, whole] = windows ? (['windows', windows.extent] as const) : (['patches', patch] as const);
  for (const map of query ? [query, key] : [key]) {
    if (map[1] % whole[0] !== 0 || map[2] % whole[1] !== 0)
      return `a map of ${extent(map)} in ${name} of ${whole.join(' x ')}; whole ${name} are accepted`;
  }
  if (windows && query && extent(query) !== extent(key))
    return `windows of queries of ${extent(query)} and keys of ${extent(key)}; maps of one size are accepted`;
  if (bias && query) {
    const [queries, keys] = [query, key].map((map) => seenPixels(attention, map));
    if (bias.queries !== queries || bias.keys !== keys)
      return `a bias of ${bias.queries} queries and ${bias.keys} keys on ${queries} and ${keys}; as many are accepted`;
  }
  const read = { query: attention.query, key: attention.key, value: attention.value };
  for (const [name, map] of Object.entries({ query, key, value })) {
    const channels = name === 'value' ? width : depth;
    const head = read[name as keyof typeof read];
    if (map && head && !within(head, heads, channels, map)) {
      return `${heads} heads of ${channels} channels from ${head.first} on in steps of ${head.step} are more than the ${name}'s ${map[3]}`;
    }
  }
  return undefined;
}

/** Extents of what an attention over pixels writes: a pixel for each query, or, of a context, for each key. */
export function attendedOutput({ heads, width }: PixelAttention, { query, key }: AttendedMaps): Extents {
  const [N, H, W] = query ?? key;
  return [N, H, W, heads * width];
}

/**
 * The maps that an attention over pixels reads, from a node's inputs in their order.
 * @throws TypeError when there are fewer inputs than the attention reads
 */
export function attendedMaps<Of>(
  { by }: Pick<PixelAttention, 'by'>,
  inputs: readonly Of[],
): { readonly query?: Of; readonly key: Of; readonly value: Of } {
  const [query, key, value] = by === 'context' ? [undefined, ...inputs] : inputs;
  if (key === undefined || value === undefined) throw new TypeError(`${inputs.length} inputs`);
  return { ...(query === undefined ? {} : { query }), key, value };
}

/** How many maps a node with such an attention reads. */
export const attendedInputs = ({ by }: Pick<PixelAttention, 'by'>): number => (by === 'context' ? 2 : 3);

/** Multiply-adds times two of an attention over pixels; exponentials and divisions are not counted. */
export function pixelAttentionFlops(attention: PixelAttention, { query, key }: AttendedMaps): number {
  const { by, heads, depth, width } = attention;
  const keys = key[0] * key[1] * key[2];
  if (by === 'context' || !query) return 2 * heads * width * keys;
  const queries = query[0] * query[1] * query[2];
  if (by === 'linear') return 2 * heads * depth * (width + 1) * (keys + queries);
  return 2 * heads * (depth + width) * queries * seenPixels(attention, key);
}
