import { aFlag, anObject, expectArgument, expectOptions, type Kind } from '@fovea/engine/files';
import { median } from '@fovea/engine/internal';
import { csvText, numberText } from '../presentation/index.js';
import { keptBy, shortName } from './kept-networks.js';
import type { Point, PointRecord, PointResult } from './point.js';
import { designOf, questionOf } from './space/expand.js';

/** A figure of a result, by its path; undefined where the result lacks it. */
function figure(result: PointResult, ...path: readonly string[]): number | undefined {
  let value: unknown = result;
  for (const key of path) value = (value as Readonly<Record<string, unknown>> | null | undefined)?.[key];
  return typeof value === 'number' ? value : undefined;
}

/** What is read off a result: one table for every kind of point. */
const figures = {
  denseMs: ['latencyMs', 'dense'],
  adaptiveMs: ['latencyMs', 'adaptive'],
  speedup: ['speedup'],
  accuracy: ['accuracy', 'adaptive'],
  denseAccuracy: ['accuracy', 'dense'],
  agreement: ['agreement', 'top1'],
  cosine: ['agreement', 'cosine'],
  flops: ['flops'],
  activeRate: ['rate'],
  explained: ['explained'],
  images: ['images'],
} as const;
type Figure = keyof typeof figures;

/** Least and most of a figure. */
export type Range = readonly [least: number, most: number];

/** What one question of a sweep came to, shards put together. */
interface AnswerRow {
  readonly label: string;
  /** Of the point, as text. */
  readonly setting: Readonly<Record<string, string>>;
  readonly figures: Readonly<Partial<Record<Figure, number>>>;
  /** Name of the network that the point has made; empty for most kinds. */
  readonly model: string;
  readonly worker: string;
  readonly error?: string;
}

/** What one design of a sweep came to: medians over its repetitions. */
export interface SweepRow {
  readonly label: string;
  /** Of its points, as text. */
  readonly setting: Readonly<Record<string, string>>;
  /** How many repetitions the figures are medians of. */
  readonly repeats: number;
  readonly figures: Readonly<Partial<Record<Figure, number>>>;
  /** Of the repetitions, where there are several. */
  readonly ranges: Readonly<Partial<Record<Figure, Range>>>;
  /** Names of the networks that its points have made, separated by spaces. */
  readonly model: string;
  readonly worker: string;
  readonly error?: string;
}

const granularityText = ({ granularity }: Point): string =>
  granularity === undefined ? '' : [granularity].flat().join(',');

/** A point in a few words. */
export function pointLabel(point: Point): string {
  const { kind, network, strategy, masker, rate, flops } = point;
  const S = granularityText(point);
  const parts = [
    network ?? kind,
    S && `S=${S}`,
    strategy,
    rate === undefined ? masker : `r=${numberText(rate)}`,
    flops && `FLOPs=${numberText(flops)}`,
  ];
  return parts.filter(Boolean).join(' ');
}

/** A record as a person reads it. */
function rowOf(record: PointRecord): AnswerRow {
  const { point, result, worker, error } = record;
  const { network = '', strategy, masker, rate, flops, backend, threads, where, repeat } = point;
  const setting = {
    ...{
      kind: point.kind,
      network,
      granularity: granularityText(point),
      strategy: strategy ?? '',
      masker: masker ?? '',
    },
    rate: rate === undefined ? '' : numberText(rate),
    flopsTarget: flops === undefined ? '' : numberText(flops),
    ...{ backend: backend ?? '', threads: threads === undefined ? '' : String(threads) },
    where: Object.entries(where)
      .map(([key, value]) => `${key}=${value}`)
      .join(' '),
    repeat: String(repeat),
  };
  const made = result ? keptBy(result) : undefined;
  const found = Object.entries(figures).flatMap(([name, path]) => {
    const value = figure(result ?? {}, ...path);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    label: pointLabel(point),
    setting,
    figures: Object.fromEntries(found),
    model: made === undefined ? '' : shortName(made),
    worker,
    ...(error === undefined ? {} : { error }),
  };
}

/** Shares of images, which shards have their parts of. */
const means: ReadonlySet<string> = new Set<Figure>([
  'accuracy',
  'denseAccuracy',
  'agreement',
  'cosine',
  'flops',
  'activeRate',
]);

/**
 * The records as rows, one for each design: shards of one question are put together, weighted by their images, and of
 * repetitions the medians are taken.
 */
export function sweepRows(records: readonly PointRecord[]): SweepRow[] {
  return grouped(records, ({ point }) => designOf(point)).map((design) =>
    medianRow(grouped(design, ({ point }) => questionOf(point)).map((shards) => merged(shards.map(rowOf)))),
  );
}

function grouped<T>(values: readonly T[], keyOf: (value: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group) group.push(value);
    else groups.set(key, [value]);
  }
  return [...groups.values()];
}

const distinct = (names: readonly string[]): string => [...new Set(names)].join(' ');

/** Repetitions that failed have no part in the medians, but their error is shown. */
function medianRow(rows: readonly AnswerRow[]): SweepRow {
  const { repeat: _, ...setting } = rows[0]!.setting;
  const failed = rows.find(({ error }) => error !== undefined);
  const answers = rows.filter(({ error }) => error === undefined);
  const found = (Object.keys(figures) as Figure[]).flatMap((name) => {
    const values = answers.flatMap((row) => row.figures[name] ?? []);
    return values.length === 0 ? [] : [{ name, values }];
  });
  return {
    ...{ label: rows[0]!.label, setting, repeats: answers.length },
    figures: Object.fromEntries(found.map(({ name, values }) => [name, median(values)])),
    ranges: Object.fromEntries(
      found.flatMap(({ name, values }) =>
        values.length > 1 ? [[name, [Math.min(...values), Math.max(...values)] satisfies Range]] : [],
      ),
    ),
    model: distinct(answers.map(({ model }) => model)),
    worker: distinct(rows.map(({ worker }) => worker)),
    ...(failed ? { error: failed.error! } : {}),
  };
}

function merged(rows: readonly AnswerRow[]): AnswerRow {
  const failed = rows.find(({ error }) => error !== undefined);
  const first = failed ?? rows[0]!;
  // Part of the images would be another answer.
  if (rows.length === 1 || failed) return failed ? { ...first, figures: {} } : first;
  const images = rows.reduce((sum, row) => sum + (row.figures.images ?? 0), 0);
  const together = Object.keys(first.figures).map((name) => {
    if (name === 'images') return [name, images] as const;
    if (!means.has(name)) return [name, first.figures[name as Figure]] as const;
    const weighted = rows.map((row) => (row.figures[name as Figure] ?? 0) * (row.figures.images ?? 0));
    return [name, weighted.reduce((sum, value) => sum + value, 0) / images] as const;
  });
  return {
    ...first,
    figures: Object.fromEntries(together),
    worker: distinct(rows.map(({ worker }) => worker)),
  };
}

/** Figures that tables show with their range, where repetitions differ. */
const ranged: ReadonlySet<Figure> = new Set<Figure>(['adaptiveMs', 'accuracy', 'agreement']);

function rangeText(range: Range | undefined): string {
  return range ? range.map((value) => Number(value.toPrecision(4))).join('–') : '';
}

/** The columns that have anything in them, and the rows' cells in their order. */
export function sweepTable(rows: readonly SweepRow[]): {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
} {
  const settings = Object.keys(rows[0]?.setting ?? {}).filter((name) => {
    const values = new Set(rows.map(({ setting }) => setting[name]));
    return values.size > 1 || (name === 'network' && !values.has(''));
  });
  const found = (Object.keys(figures) as Figure[]).filter((name) =>
    rows.some((row) => row.figures[name] !== undefined),
  );
  const failed = rows.some(({ error }) => error !== undefined);
  const made = rows.some(({ model }) => model !== '');
  const repeated = rows.some(({ repeats }) => repeats > 1);
  const differs = (name: Figure) =>
    ranged.has(name) && rows.some(({ ranges: { [name]: range } }) => range && range[0] < range[1]);
  const withRange = new Set(found.filter(differs));
  return {
    columns: [
      ...settings,
      ...(repeated ? ['repeats'] : []),
      ...found.flatMap((name) => (withRange.has(name) ? [name, `${name} range`] : [name])),
      ...(made ? ['model'] : []),
      'worker',
      ...(failed ? ['error'] : []),
    ],
    rows: rows.map((row) => [
      ...settings.map((name) => row.setting[name]!),
      ...(repeated ? [row.repeats] : []),
      ...found.flatMap((name) => {
        const figure = row.figures[name] ?? '';
        return withRange.has(name) ? [figure, rangeText(row.ranges[name])] : [figure];
      }),
      ...(made ? [row.model] : []),
      row.worker,
      ...(failed ? [row.error ?? ''] : []),
    ]),
  };
}

/** A point of the plot of quality against time. */
export interface ParetoRow {
  readonly label: string;
  readonly ms: number;
  readonly score: number;
  /** Of repetitions, where there are several. */
  readonly msRange?: Range;
  readonly scoreRange?: Range;
}

/** Quality against latency of the rows that have both: accuracy where it is known, else agreement with dense. */
export function paretoOf(
  rows: readonly SweepRow[],
): { readonly yLabel: string; readonly points: readonly ParetoRow[] } | undefined {
  const quality = rows.some(({ figures: { accuracy } }) => accuracy !== undefined) ? 'accuracy' : 'agreement';
  const points = rows.flatMap(({ label, ranges, figures: { adaptiveMs: ms, [quality]: score } }) => {
    const { adaptiveMs: msRange, [quality]: scoreRange } = ranges;
    return ms === undefined || score === undefined
      ? []
      : [{ label, ms, score, ...(msRange && scoreRange ? { msRange, scoreRange } : {}) }];
  });
  if (points.length === 0) return undefined;
  return { yLabel: quality === 'accuracy' ? 'accuracy' : 'agreement with dense', points };
}

const someRecords: Kind = {
  accepted: 'a list of records, as sweep returns,',
  holds: (value) =>
    Array.isArray(value) &&
    value.every((record) => anObject.holds(record) && anObject.holds((record as PointRecord).point)),
};

/**
 * Records as a spreadsheet reads them: one line each, every setting and figure a column.
 * @param options `medians`: one line for each design in their place, with the median, least and most of every figure over
 *   its repetitions, shards put together
 */
export function recordsCsv(
  records: readonly PointRecord[],
  options: { readonly medians?: boolean } = {},
): string {
  expectArgument(records, someRecords, 'recordsCsv: records');
  const { medians = false } = expectOptions(options, { medians: aFlag }, 'recordsCsv');
  const lines = medians ? designLines(sweepRows(records)) : recordLines(records);
  return csvText(lines, '\n');
}

type Line = readonly (string | number)[];

function designLines(rows: readonly SweepRow[]): Line[] {
  const settings = Object.keys(rows[0]?.setting ?? {});
  const found = Object.keys(figures) as Figure[];
  return [
    [
      ...settings,
      'repeats',
      ...found.flatMap((name) => [name, `${name}Least`, `${name}Most`]),
      ...['model', 'worker', 'error'],
    ],
    ...rows.map((row) => [
      ...settings.map((name) => row.setting[name]!),
      row.repeats,
      ...found.flatMap((name) => {
        const value = row.figures[name] ?? '';
        return [value, ...(row.ranges[name] ?? [value, value])];
      }),
      ...[row.model, row.worker, row.error ?? ''],
    ]),
  ];
}

function recordLines(records: readonly PointRecord[]): Line[] {
  const rows = records.map((record) => ({ record, row: rowOf(record) }));
  const settings = Object.keys(rows[0]?.row.setting ?? {});
  const found = Object.keys(figures) as Figure[];
  const columns = ['id', 'status', ...settings, ...found, 'model', 'worker', 'startedAt', 'endedAt', 'error'];
  const lines = rows.map(({ record, row }) => [
    ...[record.id, record.status],
    ...settings.map((name) => row.setting[name]!),
    ...found.map((name) => row.figures[name] ?? ''),
    ...[row.model, record.worker, record.startedAt, record.endedAt, record.error ?? ''],
  ]);
  return [columns, ...lines];
}

/** Records as JSON Lines. */
export function recordsJsonLines(records: readonly PointRecord[]): string {
  expectArgument(records, someRecords, 'recordsJsonLines: records');
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}
