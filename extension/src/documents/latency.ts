import {
  type Fields,
  fail,
  list,
  number,
  object,
  oneOf,
  optionalNumber,
  optionalText,
  text,
  version,
  whole,
} from './check-fields';
import type { LatencyDocument, Origin } from './types';

export const ORIGINS: readonly Origin[] = ['predicted', 'measured', 'published'];
const KINDS = ['compare', 'breakdown', 'ratio', 'fusion', 'strategies', 'pareto'] as const;

function times(fields: Fields, path: string): void {
  for (const name of ['totalMs', 'computeMs', 'dataMs', 'overheadMs']) {
    number(fields[name], `${path}.${name}`, 0);
  }
}

function op(value: unknown, path: string): void {
  const fields = object(value, path);
  text(fields.name, `${path}.name`);
  whole(fields.block, `${path}.block`, -1);
  list(fields.primitives, `${path}.primitives`, text);
  times(fields, path);
}

function block(value: unknown, path: string): void {
  const fields = object(value, path);
  whole(fields.block, `${path}.block`, -1);
  text(fields.name, `${path}.name`);
  whole(fields.stage, `${path}.stage`, 0);
  whole(fields.granularity, `${path}.granularity`, 1);
  number(fields.rate, `${path}.rate`, 0, 1);
  times(fields, path);
}

/** Checks one profile; the live panel receives them on their own. @throws MalformedDocument */
export function checkProfile(value: unknown, path: string): void {
  const fields = object(value, path);
  text(fields.label, `${path}.label`);
  oneOf(fields.origin, `${path}.origin`, ORIGINS);
  text(fields.device, `${path}.device`);
  text(fields.strategy, `${path}.strategy`);
  whole(fields.batch, `${path}.batch`, 1);
  whole(fields.threads, `${path}.threads`, 1);
  number(fields.totalMs, `${path}.totalMs`, 0);
  list(fields.blocks, `${path}.blocks`, block);
  list(fields.ops, `${path}.ops`, op);
}

function series(value: unknown, path: string): void {
  const fields = object(value, path);
  text(fields.label, `${path}.label`);
  text(fields.device, `${path}.device`);
  whole(fields.stage, `${path}.stage`, 0);
  whole(fields.granularity, `${path}.granularity`, 1);
  oneOf(fields.origin, `${path}.origin`, ORIGINS);
  list(fields.points, `${path}.points`, (each, at) => {
    const point = object(each, at);
    number(point.rate, `${at}.rate`, 0, 1);
    number(point.ratio, `${at}.ratio`, 0);
  });
  optionalNumber(fields.breakEven, `${path}.breakEven`, 0, 1);
}

function bar(value: unknown, path: string): void {
  const fields = object(value, path);
  text(fields.label, `${path}.label`);
  oneOf(fields.origin, `${path}.origin`, ORIGINS);
  number(fields.totalMs, `${path}.totalMs`, 0);
  for (const name of ['computeMs', 'dataMs', 'overheadMs'])
    optionalNumber(fields[name], `${path}.${name}`, 0);
}

/** Least and most of what a figure is the median of. */
function optionalRange(value: unknown, path: string): void {
  if (value === undefined) return;
  const [least, most] = list(value, path, number, 2) as readonly number[];
  if ((value as readonly number[]).length > 2 || least! > most!)
    fail(path, value, 'the least, then the most');
}

function paretoPoint(value: unknown, path: string): void {
  const fields = object(value, path);
  text(fields.label, `${path}.label`);
  number(fields.ms, `${path}.ms`, 0);
  number(fields.score, `${path}.score`);
  for (const name of ['msRange', 'scoreRange']) optionalRange(fields[name], `${path}.${name}`);
  if (typeof fields.onFront !== 'boolean') fail(`${path}.onFront`, fields.onFront, 'true or false');
  oneOf(fields.origin, `${path}.origin`, ORIGINS);
}

function view(value: unknown, path: string): void {
  const fields = object(value, path);
  optionalText(fields.title, `${path}.title`);
  switch (oneOf(fields.kind, `${path}.kind`, KINDS)) {
    case 'compare':
      list(fields.profiles, `${path}.profiles`, checkProfile, 1);
      break;
    case 'breakdown':
      checkProfile(fields.profile, `${path}.profile`);
      break;
    case 'ratio':
      list(fields.series, `${path}.series`, series);
      break;
    case 'fusion':
    case 'strategies':
      list(fields.bars, `${path}.bars`, bar);
      optionalNumber(fields.baselineMs, `${path}.baselineMs`, 0);
      break;
    case 'pareto':
      text(fields.yLabel, `${path}.yLabel`);
      list(fields.points, `${path}.points`, paretoPoint);
      break;
  }
}

/**
 * Reads a document of `application/vnd.fovea.latency.v1+json`; unknown fields are left alone.
 *
 * @returns the same object, now known to be sound.
 * @throws MalformedDocument naming the first field that is not.
 */
export function readLatency(value: unknown): LatencyDocument {
  const fields = object(value, '');
  version(fields.version);
  optionalText(fields.title, 'title');
  list(fields.views, 'views', view, 1);
  return value as LatencyDocument;
}
