import { LRUCache } from 'lru-cache';
import type { Device } from '../../plan/device.js';
import { setOrder } from './set-order.js';

/**
 * The published simulator's machine, as its formulas see it. All its quantities are in seconds and in
 * float32 values (not bytes); the constants that no preset changes are fields here so that they are named.
 */
export interface Machine {
  readonly engines: number;
  readonly lanes: number;
  readonly frequency: number;
  /** Off-chip bandwidth, floats/s. */
  readonly memory: number;
  /** On-chip bandwidth, floats/s. */
  readonly cache: number;
  readonly batch: number;
  /** Lanes times pipeline depth: what one engine must be given at once to be full. */
  readonly fill: number;
  /** Floats in one memory sector. */
  readonly sector: number;
  /** Seconds added once an operator. */
  readonly launch: number;
  /** Results of tile searches, by operator and shape: the search is most of the model's running time. */
  readonly searched: LRUCache<string, object | number>;
}

/** Answers kept of a machine: a large network at a dozen rates asks for some hundreds. */
const KEPT_ANSWERS = 4096;
/** Batches kept of a device. */
const KEPT_BATCHES = 16;
/** Extents whose candidates are kept. */
const KEPT_EXTENTS = 1024;

const pipelineDepth = 4;
const sectorFloats = 8;

const machines = new WeakMap<Device, LRUCache<number, Machine>>();

/** `device` as the published formulas see it, at `batch` images; the same object for the same question. */
export function machineOf(device: Device, batch: number): Machine {
  let ofDevice = machines.get(device);
  if (!ofDevice) {
    ofDevice = new LRUCache({ max: KEPT_BATCHES });
    machines.set(device, ofDevice);
  }
  let machine = ofDevice.get(batch);
  if (!machine) {
    machine = makeMachine(device, batch);
    ofDevice.set(batch, machine);
  }
  return machine;
}

/** `search()`, or what it answered the last time that `key` was asked of this machine. */
export function once<T extends object | number>(machine: Machine, key: string, search: () => T): T {
  let answer = machine.searched.get(key) as T | undefined;
  if (answer === undefined) {
    answer = search();
    machine.searched.set(key, answer);
  }
  return answer;
}

function makeMachine(device: Device, batch: number): Machine {
  const memory = device.memoryBandwidth / 4;
  return {
    engines: device.processingEngines,
    lanes: device.lanes,
    frequency: device.frequencyHz,
    memory,
    cache: memory * device.cacheBandwidthRatio,
    batch,
    fill: device.lanes * pipelineDepth,
    sector: sectorFloats,
    launch: device.launchMs / 1e3,
    searched: new LRUCache({ max: KEPT_ANSWERS }),
  };
}

/** A tile's extents; `patches` (processed together) only in operators that work on patches. */
export interface Tile {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly patches?: number;
  readonly count: number;
}

/** An operator's predicted time, seconds for the whole batch. The split is null where the original has none. */
export interface Cost {
  readonly latency: number;
  readonly compute: number | null;
  readonly memory: number | null;
  readonly tile?: Tile;
}

/** Times of operators run one after another; a split survives only where every part has one. */
export function sum(...costs: readonly Cost[]): Cost {
  return {
    latency: costs.reduce((total, cost) => total + cost.latency, 0),
    compute: costs.reduce<number | null>((total, { compute }) => plus(total, compute), 0),
    memory: costs.reduce<number | null>((total, { memory }) => plus(total, memory), 0),
  };
}

const plus = (total: number | null, part: number | null) =>
  total === null || part === null ? null : total + part;

/** Share of `x` in `x` rounded up to a multiple of `p`. */
export function ceilEfficiency(x: number, p: number): number {
  return x / (Math.ceil(x / p) * p);
}

/** Share of useful floats in the sectors touched by runs of `n` floats that lie `gap` floats apart. */
export function sectorEfficiency(n: number, gap: number, sector: number): number {
  const apart = Math.max(gap, 0);
  if (n > sector) return ceilEfficiency(n, sector);
  if (n + apart > sector) return n / sector;
  return n / (n + apart);
}

const tileLists = new LRUCache<number, readonly number[]>({ max: KEPT_EXTENTS });

/**
 * Candidate tile extents along an axis of `n`: powers of two up to 128 and 2n, the axis cut into up to
 * seven, and the small numbers. The first of equally good tiles wins and equal at the mean patch count is
 * not equal at the actual one, so the order is part of the model (see `setOrder`).
 */
export function tiles(n: number): readonly number[] {
  let list = tileLists.get(n);
  if (!list) {
    const candidates: number[] = [];
    for (let k = 0; k < 8 && 2 ** k <= 2 * n; k++) candidates.push(2 ** k);
    for (let i = 1; i < Math.min(n, 8); i++) candidates.push(Math.ceil(n / i));
    for (let i = 2; i < Math.min(n, 8); i++) candidates.push(i);
    list = setOrder(candidates);
    tileLists.set(n, list);
  }
  return list;
}
