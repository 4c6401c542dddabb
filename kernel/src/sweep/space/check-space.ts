import { FoveaError, strategyNames } from '@fovea/engine';
import { backendNames } from '@fovea/engine/backend';
import { didYouMean } from '@fovea/engine/files';
import {
  checkGranularity,
  checkRate,
  maskerNames,
  mostThreads,
  shippedBackendNames,
  shippedStrategyNames,
} from '@fovea/engine/internal';
import { isJsonObject } from '../../json-object.js';
import { canonicalJson, type PointKind, pointKinds, sha256Of } from '../point.js';
import { axes, type SpaceData, type SweepSpace } from './space.js';

/** A space whose fields have been checked; it has a name and a kind. */
export type CheckedSpace = SweepSpace & { readonly name: string; readonly kind: PointKind };

const fields = ['name', 'kind', ...axes, 'modules', 'repeats', 'data', 'runs', 'steps', 'seconds'] as const;
const dataFields = ['folder', 'images', 'seed', 'shard'] as const satisfies readonly (keyof SpaceData)[];

/** Axes and settings that only some kinds of point have a use for. */
const usedBy: Partial<Record<(typeof fields)[number], readonly PointKind[]>> = {
  networks: ['measure', 'evaluate', 'fit', 'adapt'],
  granularities: ['measure', 'evaluate', 'fit', 'adapt'],
  strategies: ['measure', 'evaluate'],
  modules: ['measure', 'evaluate'],
  rates: ['measure', 'evaluate', 'fit'],
  flops: ['fit', 'adapt'],
  maskers: ['measure', 'evaluate'],
  backends: ['measure', 'evaluate', 'fit'],
  threads: ['measure', 'evaluate', 'fit', 'adapt'],
  data: ['measure', 'evaluate', 'fit', 'adapt'],
  runs: ['measure'],
  steps: ['adapt'],
  seconds: ['calibrate'],
};

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Whether something can name a sweep. */
export const isSweepName = (name: unknown): name is string =>
  typeof name === 'string' && namePattern.test(name);

/** @throws FoveaError `bad-argument` for anything that cannot name a sweep */
export function checkSweepName(name: unknown): string {
  if (isSweepName(name)) return name;
  throw new FoveaError(
    'bad-argument',
    `sweep name ${JSON.stringify(name)}: letters, digits, ".", "_" and "-", at most 64, are accepted`,
  );
}

/**
 * Checks a space written by a user.
 * @throws FoveaError `bad-argument` or `unknown-name` naming the field, its value and what is accepted
 */
export function checkSpace(value: unknown): CheckedSpace {
  if (!isJsonObject(value))
    throw refused('a sweep', value, 'an object with networks, granularities, rates, …');
  for (const key of Object.keys(value)) {
    if (!(fields as readonly string[]).includes(key))
      throw new FoveaError(
        'unknown-name',
        `field "${key}" of a sweep: ${fields.join(', ')} are accepted${didYouMean(key, fields)}`,
      );
  }
  const { kind = 'measure' } = value;
  if (!isOneOf(pointKinds, kind)) throw unknownName('kind', kind, pointKinds);
  for (const [field, kinds] of Object.entries(usedBy)) {
    if (value[field] !== undefined && !kinds.includes(kind))
      throw new FoveaError('bad-argument', `${field}: points of kind ${kind} have no use for it`);
  }
  checkModules(value.modules);
  checkLists(value);
  checkData(value.data, kind);
  for (const field of ['repeats', 'runs', 'steps'] as const) checkInteger(field, value[field], 1);
  const { seconds } = value;
  if (seconds !== undefined && !(typeof seconds === 'number' && seconds > 0 && seconds <= 3600))
    throw refused('seconds', seconds, 'a number above 0, at most 3600,');
  if (value.rates !== undefined && value.flops !== undefined)
    throw new FoveaError('bad-argument', 'flops: replaces rates; one of the two is accepted');
  if (kind !== 'calibrate' && value.networks === undefined)
    throw new FoveaError('bad-argument', 'networks: a sweep needs a list of them');
  const name =
    value.name === undefined
      ? `sweep-${sha256Of(canonicalJson(value)).slice(0, 8)}`
      : checkSweepName(value.name);
  // Spelled out, so that a later change of the default changes no sweep under way.
  return { ...(value as SweepSpace), name, kind };
}

function checkModules(modules: unknown): void {
  if (modules === undefined) return;
  if (!Array.isArray(modules) || modules.length === 0) throw refused('modules', modules, 'a list of paths');
  modules.forEach((item, index) => {
    if (typeof item !== 'string' || item === '') throw refused(`modules[${index}]`, item, 'a path');
  });
}

/**
 * Checks the strategies of a space with modules.
 * @param known names that a process has which imported the modules
 * @throws FoveaError `unknown-name` naming the place, the value and what is accepted
 */
export function checkStrategies({ strategies = [] }: SweepSpace, known: readonly string[]): void {
  strategies.forEach((item, index) => {
    checkName(`strategies[${index}]`, item, known);
  });
}

function checkLists(space: Readonly<Record<string, unknown>>): void {
  for (const axis of axes) {
    const list = space[axis];
    if (list === undefined) continue;
    if (!Array.isArray(list)) throw refused(axis, list, 'a list');
    // What modules register is known when they have been imported, in a process of their own.
    if (axis === 'strategies' && space.modules !== undefined) continue;
    for (const [index, item] of list.entries()) checkItem(axis, `${axis}[${index}]`, item);
  }
}

function checkItem(axis: (typeof axes)[number], place: string, item: unknown): void {
  switch (axis) {
    case 'networks':
      if (typeof item !== 'string' || item === '') throw refused(place, item, 'a name or a path');
      break;
    case 'granularities':
      checkPlainGranularity(place, item);
      break;
    case 'strategies':
      checkShipped(place, item, strategies(), 'your own where modules names the file that registers it');
      break;
    case 'maskers':
      checkName(place, item, maskerNames);
      break;
    case 'backends':
      checkShipped(place, item, backends(), 'a loop over measureAccuracy or run takes your own');
      break;
    case 'rates':
      if (typeof item !== 'number') throw refused(place, item, 'a number from 0 to 1');
      checkRate(item);
      break;
    case 'flops':
      if (typeof item !== 'number' || !(item > 0 && item <= 1))
        throw refused(place, item, 'a number above 0, at most 1,');
      break;
    case 'threads':
      checkInteger(place, item, 1, mostThreads);
      break;
    case 'where':
      if (
        !isJsonObject(item) ||
        !Object.values(item).every((label) => typeof label === 'string' && label !== '')
      )
        throw refused(place, item, 'an object of labels such as {"host": "a"}, or {} for any machine,');
      break;
  }
}

function checkPlainGranularity(place: string, item: unknown): void {
  const values: readonly unknown[] = Array.isArray(item) ? item : [item];
  if (values.length === 0) throw refused(place, item, 'S, or a list of S per stage or per block,');
  for (const S of values) {
    if (S === 'whole') continue;
    if (typeof S !== 'number') throw refused(place, S, 'an integer of at least 1, or "whole",');
    checkGranularity(S, place);
  }
}

function checkData(data: unknown, kind: PointKind): void {
  if (data === undefined) return;
  if (!isJsonObject(data)) throw refused('data', data, 'an object with folder, images, seed or shard');
  for (const key of Object.keys(data)) {
    if (!(dataFields as readonly string[]).includes(key))
      throw new FoveaError(
        'unknown-name',
        `field "data.${key}": ${dataFields.join(', ')} are accepted${didYouMean(key, dataFields)}`,
      );
  }
  const { folder, seed, shard } = data;
  if (folder !== undefined && (typeof folder !== 'string' || folder === ''))
    throw refused('data.folder', folder, 'the path of a folder');
  if (folder !== undefined && seed !== undefined)
    throw new FoveaError('bad-argument', 'data.seed: is for drawn images, not for those of data.folder');
  checkInteger('data.images', data.images, 1);
  checkInteger('data.seed', seed, 0);
  checkInteger('data.shard', shard, 1);
  if (shard !== undefined && kind !== 'evaluate')
    throw new FoveaError('bad-argument', `data.shard: points of kind ${kind} look at all images at once`);
}

function checkInteger(place: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): void {
  if (value === undefined) return;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw refused(place, value, `an integer ${range}`);
}

function checkName(place: string, value: unknown, names: readonly string[]): void {
  if (typeof value === 'string' && names.includes(value)) return;
  throw unknownName(place, value, names);
}

function unknownName(place: string, value: unknown, names: readonly string[]): FoveaError {
  return new FoveaError(
    'unknown-name',
    `${place} ${JSON.stringify(value)}: ${names.join(', ')} is accepted${didYouMean(value, names)}`,
  );
}

/** What can be registered under a name. */
interface Registry {
  readonly noun: string;
  /** Names that every process has. */
  readonly shipped: readonly string[];
  /** Names that this one has. */
  readonly known: readonly string[];
}

const strategies = (): Registry => ({
  noun: 'strategy',
  shipped: shippedStrategyNames(),
  known: strategyNames(),
});
const backends = (): Registry => ({
  noun: 'backend',
  shipped: shippedBackendNames(),
  known: backendNames(),
});

/** Points run in processes of their own, here or on other machines: what was registered in this one is not there. */
function checkShipped(
  place: string,
  value: unknown,
  { noun, shipped, known }: Registry,
  advice: string,
): void {
  const isOwn = typeof value === 'string' && known.includes(value) && !shipped.includes(value);
  if (!isOwn) {
    checkName(place, value, shipped);
    return;
  }
  throw new FoveaError(
    'unsupported',
    `${place} "${value}": this ${noun} was registered in this process, and points run in others, which do not have it; ${shipped.join(', ')} is accepted, and ${advice}`,
  );
}

const isOneOf = <T extends string>(names: readonly T[], value: unknown): value is T =>
  (names as readonly unknown[]).includes(value);

function refused(place: string, value: unknown, accepted: string): FoveaError {
  return new FoveaError('bad-argument', `${place} ${JSON.stringify(value)}: ${accepted} is accepted`);
}
