import type { Material } from './material.js';
import type { IdentifiedPoint, PointKind, PointRecord, Where } from './point.js';
import type { SweepSpace } from './space/space.js';
import type { References } from './storage/references.js';

/** Events of a sweep for those who watch it. */
export type SweepEvent =
  | { readonly type: 'started'; readonly id: string; readonly worker: string }
  | { readonly type: 'progress'; readonly id: string; readonly fraction: number }
  /** A point has ended; the same record may come more than once. */
  | { readonly type: 'record'; readonly record: PointRecord }
  /** A point was cut off with its worker and waits again. */
  | { readonly type: 'returned'; readonly id: string }
  /** Points that no worker may take now: none has the labels, or those that have them run another engine. */
  | { readonly type: 'unroutable'; readonly where: Where; readonly points: number; readonly reason: string }
  | { readonly type: 'trouble'; readonly message: string }
  | { readonly type: 'paused' | 'resumed' | 'cancelled' };

/** What is handed in at once. */
export interface Submission {
  readonly sweep: string;
  readonly points: readonly IdentifiedPoint[];
  /** Networks and manifests that the points name by content hash. */
  readonly materials: readonly Material[];
  /** The space they come from, kept so that the sweep can be opened again by its name. */
  readonly space: SweepSpace;
  /** Forget the records of failed points, so that they run again. */
  readonly retryFailed?: boolean;
}

/** State of a sweep, for lists. */
export interface SweepSummary {
  readonly name: string;
  readonly kind: PointKind;
  /** `waiting`: no worker computes a point of it now; `stopped`: points are missing and none of them waits. */
  readonly state: 'running' | 'waiting' | 'paused' | 'completed' | 'stopped';
  /** How many points the space has that was submitted last. */
  readonly points: number;
  readonly completed: number;
  readonly failed: number;
}

/** A file, or several, that a place hands to workers. */
export interface StoreItem {
  readonly sha256: string;
  /** Name of the first file. */
  readonly name: string;
  readonly bytes: number;
}

/** What a place has removed of what it stores itself, and what it keeps. */
export interface StorePruned {
  readonly removed: readonly StoreItem[];
  readonly kept: readonly StoreItem[];
}

/** Where the points of sweeps are kept and handed to workers. */
export interface SweepBackend {
  /** The queue, as `host:port/database`; undefined for this machine. */
  readonly queue?: string;
  /**
   * Adds points. Those that are there already, waiting, running or ended, stay as they are. A cancelled or paused
   * sweep goes on.
   * @throws FoveaError when they cannot be kept; none is lost then
   */
  submit(submission: Submission): Promise<void>;
  /** What happens from now on, until `signal` aborts. */
  events(sweep: string, signal: AbortSignal): AsyncIterable<SweepEvent>;
  /** Records of all points that have ended: the truth, whatever events were missed. */
  records(sweep: string): AsyncIterable<PointRecord>;
  /**
   * Fetches a network that a point of the sweep has made to this machine, where its hash names it.
   * @throws FoveaError `io` when it cannot be fetched
   */
  fetchNetwork(sweep: string, sha256: string): Promise<void>;
  /** The space that was submitted last under that name. */
  space(sweep: string): Promise<SweepSpace | undefined>;
  /** Starts no further point until `resume`; those that run end. */
  pause(sweep: string): Promise<void>;
  resume(sweep: string): Promise<void>;
  /** Drops what waits and stops what runs, also when another process has started it; records stay. */
  cancel(sweep: string): Promise<void>;
  /** All sweeps that are known here, by name. */
  list(): Promise<SweepSummary[]>;
  /**
   * Forgets a sweep and its records; does nothing for one that is not known.
   * @throws FoveaError `bad-argument` while points of it wait or run
   */
  remove(sweep: string): Promise<void>;
  /** The networks and manifests that a sweep refers to by their content. */
  referencesOf(sweep: string): Promise<References>;
  /**
   * Removes what is stored here for workers and no sweep refers to.
   * @param options `dryRun`: removes nothing; `among`: whether something may be removed at all
   */
  pruneStore(options: {
    readonly dryRun: boolean;
    readonly among?: (item: StoreItem) => boolean;
  }): Promise<StorePruned>;
  /** Closes files and connections. */
  close(): Promise<void>;
}
