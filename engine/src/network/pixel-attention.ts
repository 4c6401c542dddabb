import type { HeadChannels, PixelAttention, PixelWeighting } from './network.js';
import { isEpsilon } from './normalisation.js';

/** All ways in which pixels weigh each other, in the order of `Weighting` in engine/native/common/weighting.h. */
export const pixelWeightings = ['softmax', 'linear', 'context'] as const satisfies readonly PixelWeighting[];

/** `[N, H, W, C]` of a map. */
type Extents = readonly [N: number, H: number, W: number, C: number];

/** The extents of what an attention over pixels reads; a context has no query. */
export interface AttendedMaps {
  readonly query?: Extents | undefined;
  readonly key: Extents;
  readonly value: Extents;
}

/** Most heads, and most channels of one: more than any network has. */
export const MOST_HEAD_CHANNELS = 2 ** 16;

const isCount = (value: unknown, least: number, most: number): boolean =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;

/**
 * What is wrong with an attention over pixels, whatever maps it reads.
 * @returns undefined when nothing is
 */
export function pixelAttentionFault(attention: PixelAttention): string | undefined {
  const { by, heads, depth, width, query, key, value, scale, epsilon, patch } = attention;
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
  return patch.length === 2 && patch.every((extent) => isCount(extent, 1, 2 ** 15))
    ? undefined
    : `patches of ${patch.join(' x ')}; extents from 1 to ${2 ** 15} are accepted`;
}

const extent = ([, H, W]: Extents) => `${H} x ${W}`;

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
  const { heads, depth, width, patch } = attention;
  if (key.slice(0, 3).join() !== value.slice(0, 3).join())
    return `keys of ${extent(key)} and values of ${extent(value)}; maps of one size are accepted`;
  if (query && query[0] !== key[0]) return `queries of ${query[0]} images, keys of ${key[0]}`;
  for (const map of query ? [query, key] : [key]) {
    if (map[1] % patch[0] !== 0 || map[2] % patch[1] !== 0)
      return `a map of ${extent(map)} in patches of ${patch.join(' x ')}; whole patches are accepted`;
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
  const { by, heads, depth, width, patch } = attention;
  const keys = key[0] * key[1] * key[2];
  if (by === 'context' || !query) return 2 * heads * width * keys;
  const queries = query[0] * query[1] * query[2];
  if (by === 'linear') return 2 * heads * depth * (width + 1) * (keys + queries);
  return (2 * heads * (depth + width) * queries * key[1] * key[2]) / (patch[0] * patch[1]);
}
