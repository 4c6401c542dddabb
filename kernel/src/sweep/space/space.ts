import type { BuiltNetworkName, ShippedModelName, StrategyName } from '@fovea/engine';
import type { BackendName } from '@fovea/engine/backend';
import type { PlainGranularity, PointKind, Where } from '../point.js';

/** Images that points look at. */
export interface SpaceData {
  /** One folder of images per class; left out, images are drawn. Every worker must reach it by this path. */
  readonly folder?: string;
  /** How many: to draw, or at most to take of the folder. */
  readonly images?: number;
  /** Seed of drawn images. */
  readonly seed?: number;
  /** Images per point of `evaluate`; 256 when left out. */
  readonly shard?: number;
}

/**
 * What a sweep covers: the product of the lists, as plain data. A list that is left out has one value: whatever the
 * engine's default is.
 */
export interface SweepSpace {
  /** Under which it is resumed; left out, a name is made from the rest. */
  readonly name?: string;
  /** `measure` when left out. */
  readonly kind?: PointKind;
  /** Names of trained and built-in networks, or paths of files. */
  readonly networks?: readonly (BuiltNetworkName | ShippedModelName)[];
  readonly granularities?: readonly PlainGranularity[];
  readonly strategies?: readonly StrategyName[];
  /**
   * Paths of modules, in JavaScript or TypeScript, that register strategies (`registerStrategy`): every process that runs
   * points imports them. Not for a sweep on a queue, whose workers run no code but their own.
   */
  readonly modules?: readonly string[];
  /** Learned masks have their own rates: they make one point, whatever rates there are. */
  readonly rates?: readonly number[];
  /** Fractions of the dense FLOPs that `fit` (in the place of rates) and `adapt` aim at; 0.6 for `adapt` when left out. */
  readonly flops?: readonly number[];
  /** Left out: `saliency` where rates are given, else as trained, or saliency. */
  readonly maskers?: readonly ('learned' | 'saliency' | 'random')[];
  readonly backends?: readonly BackendName[];
  readonly threads?: readonly number[];
  /** Labels of the machines to run on: one selector makes each point once. */
  readonly where?: readonly Where[];
  /** How often each point is run; 1 when left out. */
  readonly repeats?: number;
  readonly data?: SpaceData;
  /** Timed runs of `measure`; 15 when left out. */
  readonly runs?: number;
  /** Steps of the optimiser of `adapt`; 400 when left out. */
  readonly steps?: number;
  /** Measuring time of `calibrate`. */
  readonly seconds?: number;
}

/** The axes of a space, outermost first: neighbouring points share a network, so that it stays loaded. */
export const axes = [
  'networks',
  'backends',
  'threads',
  'granularities',
  'strategies',
  'maskers',
  'rates',
  'flops',
  'where',
] as const;
