import { createHash } from 'node:crypto';

/** Kinds of work that a point can be. */
export const pointKinds = ['measure', 'evaluate', 'fit', 'adapt', 'calibrate'] as const;
export type PointKind = (typeof pointKinds)[number];

/** Kinds whose points make a network, which is kept. */
export const makesNetwork: ReadonlySet<PointKind> = new Set(['fit', 'adapt']);

/** Labels that a machine must have: `{}` is any, `{ host: 'tx2-1' }` one. */
export type Where = Readonly<Record<string, string>>;

/** S as plain data: one for all blocks, or a list per stage or per block; `whole` is the whole map. */
export type PlainGranularity = number | 'whole' | readonly (number | 'whole')[];

/** The images of a point: drawn from a seed, or a range of a manifest's files. */
export type PointImages =
  | { readonly seed: number; readonly images: number }
  | { readonly manifest: string; readonly from: number; readonly to: number };

/** One unit of work of a sweep: plain data, from which its id follows. */
export interface Point {
  readonly kind: PointKind;
  /** Name of the network; absent for `calibrate`. */
  readonly network?: string;
  /** Content hash of a network that comes from a file; absent for those that every engine has. */
  readonly sha256?: string;
  readonly granularity?: PlainGranularity;
  readonly rate?: number;
  /** Ratio of multiply-adds to the dense network's that `fit` and `adapt` aim at. */
  readonly flops?: number;
  readonly strategy?: string;
  /** Content hashes of the modules that register strategies. */
  readonly modules?: readonly string[];
  readonly masker?: string;
  readonly backend?: string;
  readonly threads?: number;
  readonly data?: PointImages;
  /** Timed runs of `measure`. */
  readonly runs?: number;
  /** Steps of the optimiser of `adapt`. */
  readonly steps?: number;
  /** Measuring time of `calibrate`. */
  readonly seconds?: number;
  readonly where: Where;
  /** Number of the repetition, from 0. */
  readonly repeat: number;
}

export interface IdentifiedPoint {
  readonly id: string;
  readonly point: Point;
}

/** What a point found; every kind has its own fields, latencies are in `latencyMs`. */
export type PointResult = Readonly<Record<string, unknown>>;

/** What is kept of a point that has ended. */
export interface PointRecord {
  readonly id: string;
  readonly point: Point;
  readonly status: 'completed' | 'failed';
  /** Null for a failed point. */
  readonly result: PointResult | null;
  /** Why it failed. */
  readonly error?: string;
  /** How often it was started. */
  readonly attempts: number;
  /** Name of the worker that ended it. */
  readonly worker: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly endedAt: string;
}

/** How often a point is tried before it counts as failed. */
export const MOST_ATTEMPTS = 3;

/** JSON with the keys of every object in order: equal data gives equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

export const sha256Of = (content: string | Uint8Array): string =>
  createHash('sha256').update(content).digest('hex');

/** Id of a point: the same for the same point of the same sweep under the same engine. */
export function pointId(point: Point, sweep: string, engine: string): string {
  return `p${sha256Of(canonicalJson({ point, sweep, engine })).slice(0, 24)}`;
}

/** Content hashes of the files that a point needs. */
export function hashesIn({ sha256, data }: Point): string[] {
  return [sha256, data && 'manifest' in data ? data.manifest : undefined].filter(
    (hash) => hash !== undefined,
  );
}

/** Whether a point counts time, which other measurements on the machine would lengthen. Calibrations see to it themselves. */
export const measures = ({ kind }: Point): boolean => kind === 'measure';

/** Whether a machine with these labels may take a point. */
export function serves(labels: Where, where: Where): boolean {
  return Object.entries(where).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
}

/** A selector for messages: `host=a, arch=arm64`. */
export function describeWhere(where: Where): string {
  const pairs = Object.entries(where).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.map(([key, value]) => `${key}=${value}`).join(', ') || 'any machine';
}
