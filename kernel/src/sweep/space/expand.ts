import { FoveaError } from '@fovea/engine';
import type { SkippedFile } from '@fovea/engine/internal';
import type { Material } from '../material.js';
import { canonicalJson, type IdentifiedPoint, type Point, type PointImages, pointId } from '../point.js';
import { Runner } from '../runner/runner.js';
import { moduleMaterial } from '../strategy-module.js';
import { type CheckedSpace, checkStrategies } from './check-space.js';
import { keepManifest, listImages } from './manifest.js';
import { type SpaceNetwork, spaceNetwork } from './networks.js';
import type { SweepSpace } from './space.js';

/** Images that are drawn by default. */
const DRAWN = { measure: 8, evaluate: 256, fit: 8, adapt: 64 } as const;
/** Default seed of drawn images; no shipped recipe trains on it. */
const SEED = 77_000_001;
const SHARD = 256;

/** How long importing the modules of a space may take. */
const modulesMs = 60_000;

/** More points than this need a confirmation: so many are usually a mistake. */
const MOST_UNASKED_POINTS = 20_000;

/** A space made concrete. */
export interface Expansion {
  readonly points: readonly IdentifiedPoint[];
  readonly materials: readonly Material[];
  /** What of the folder of images is not used, and why. */
  readonly skipped: readonly SkippedFile[];
}

/**
 * How many points a space has at most, before anything is opened; shards of images are not counted.
 */
export function countPoints(space: SweepSpace): number {
  const { networks, granularities, strategies, rates, flops, maskers, backends, threads, where } = space;
  const lists = [networks, granularities, strategies, rates, flops, maskers, backends, threads, where];
  return lists.reduce((product, list) => product * (list?.length ?? 1), space.repeats ?? 1);
}

/**
 * What should be asked before a space is run: one that has no points, or very many.
 * @returns undefined when there is nothing to ask
 */
export function questionAbout(space: SweepSpace, count = countPoints(space)): string | undefined {
  if (count === 0) {
    const empty = Object.entries(space).find(([, list]) => Array.isArray(list) && list.length === 0)![0];
    return `sweep ${space.name ?? ''} has no points, because ${empty} is an empty list`;
  }
  if (count > MOST_UNASKED_POINTS)
    return `sweep ${space.name ?? ''} has ${count.toLocaleString('en-US')} points`;
  return undefined;
}

/**
 * All points of a space with their ids. Networks are opened and images listed, so that what is wrong with them is found
 * here.
 *
 * @param engine version of the engine, which is a part of every id
 * @throws FoveaError naming what cannot be read or does not fit
 */
export async function expandSpace(space: CheckedSpace, engine: string): Promise<Expansion> {
  const networks: (SpaceNetwork | undefined)[] = [];
  for (const model of space.networks ?? []) networks.push(await spaceNetwork(model, space));
  const modules = await modulesOf(space);
  const { images, material, skipped = [] } = await imagesOf(space);
  const points = new Map<string, Point>();
  const one = [undefined];
  for (const network of space.networks ? networks : one)
    for (const backend of space.backends ?? one)
      for (const threads of space.threads ?? one)
        for (const granularity of space.granularities ?? one)
          for (const strategy of space.strategies ?? one)
            for (const masker of space.maskers ?? defaultMaskers(space))
              for (const rate of masker === 'learned' ? one : (space.rates ?? one))
                for (const [flops, where] of pairs(space.flops ?? one, space.where ?? [{}]))
                  for (const data of images)
                    for (let repeat = 0; repeat < (space.repeats ?? 1); repeat++) {
                      const point = withoutUndefined<Point>({
                        kind: space.kind,
                        network: network?.name,
                        sha256: network?.material?.sha256,
                        ...{ granularity, rate, flops, strategy, masker, backend, threads, data },
                        modules: modules?.map(({ sha256 }) => sha256),
                        runs: space.runs,
                        steps: space.steps,
                        seconds: space.seconds,
                        where,
                        repeat,
                      });
                      points.set(pointId(point, space.name, engine), point);
                    }
  const materials = new Map<string, Material>();
  for (const each of [...networks.map((network) => network?.material), ...(modules ?? []), material])
    if (each) materials.set(each.sha256, each);
  return {
    points: [...points].map(([id, point]) => ({ id, point })),
    materials: [...materials.values()],
    skipped,
  };
}

/**
 * The modules of a space, imported once in a process of their own, so that one that fails and strategies that none
 * registers are found before anything is queued.
 */
async function modulesOf(space: CheckedSpace): Promise<readonly Material[] | undefined> {
  const { modules } = space;
  if (modules === undefined) return undefined;
  const materials: Material[] = [];
  for (const path of modules) materials.push(await moduleMaterial(path));
  checkStrategies(space, await strategiesOf(modules));
  return materials;
}

async function strategiesOf(modules: readonly string[]): Promise<readonly string[]> {
  const runner = new Runner();
  const signal = AbortSignal.timeout(modulesMs);
  try {
    return await runner.strategies(modules, signal);
  } catch (error) {
    const why = signal.aborted
      ? `importing them took longer than ${modulesMs / 1000} s`
      : (error as Error).message;
    throw new FoveaError('bad-file', `modules: ${why}`);
  } finally {
    runner.stop();
  }
}

function pairs<A, B>(first: readonly A[], second: readonly B[]): (readonly [A, B])[] {
  return first.flatMap((a) => second.map((b) => [a, b] as const));
}

/** Where rates are given, masks are meant that take one. */
function defaultMaskers({ kind, rates }: CheckedSpace): readonly (string | undefined)[] {
  return rates && kind !== 'fit' ? ['saliency'] : [undefined];
}

/** The images of each shard; one that is undefined for points without images. */
async function imagesOf({ kind, data = {} }: CheckedSpace): Promise<{
  readonly images: readonly (PointImages | undefined)[];
  readonly material?: Material;
  readonly skipped?: readonly SkippedFile[];
}> {
  if (kind === 'calibrate') return { images: [undefined] };
  const shard = kind === 'evaluate' ? (data.shard ?? SHARD) : Number.POSITIVE_INFINITY;
  if (data.folder === undefined) {
    const { images = DRAWN[kind], seed = SEED } = data;
    // Every shard has its own seed, so that a worker draws only its own images.
    return { images: ranges(images, shard).map(([from, to], i) => ({ seed: seed + i, images: to - from })) };
  }
  const { manifest, skipped } = await listImages(data.folder, data.images);
  const material = await keepManifest(manifest);
  return {
    images: ranges(manifest.files.length, shard).map(([from, to]) => ({
      manifest: material.sha256,
      from,
      to,
    })),
    ...{ material, skipped },
  };
}

function ranges(count: number, size: number): (readonly [from: number, to: number])[] {
  const step = Math.min(size, count);
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => [
    i * step,
    Math.min(count, (i + 1) * step),
  ]);
}

function withoutUndefined<T extends object>(value: { [Key in keyof T]: T[Key] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
}

/** What distinguishes the shards of one evaluation: points that differ in nothing else are shown as one. */
export function questionOf({ data: _, ...rest }: Point): string {
  return canonicalJson(rest);
}

/** What distinguishes the repetitions of one design: points that differ in nothing else are shown by their medians. */
export function designOf({ data: _, repeat: __, ...rest }: Point): string {
  return canonicalJson(rest);
}

/** @throws FoveaError `bad-argument` asking for confirmation where it was not given */
export function checkConfirmed(question: string | undefined, confirmed: boolean, how: string): void {
  if (question === undefined || confirmed) return;
  throw new FoveaError('bad-argument', `${question}: ${how}`);
}
