import { normalisationCount } from '../../network/flops.js';
import type { Convolution } from '../../network/network.js';
import type { Device } from '../../plan/device.js';
import type { Operation, Owner, ProgramMap, ProgramRegion } from '../../program/program.js';
import { type Term, workOf } from '../../program/work.js';
import type { CostedPart } from './costed-part.js';
import type { CostedProgram, RegionCounts } from './costed-program.js';
import type { PassCosts } from './pass-times.js';

/**
 * Assumptions about devices of which only the data sheet is known.
 */
const assumed = {
  /** Share of peak arithmetic that a well-written kernel attains on full tiles. */
  attainable: 0.85,
  /** Share of off-chip bandwidth that a single core can draw. */
  oneCoreShare: 0.5,
  /** Bytes fetched at once. */
  sectorBytes: { gpu: 32, cpu: 64 },
  /** Output tiles that one engine computes at a time: rows x columns. */
  tiles: {
    gpu: [16, 32, 64, 128].flatMap((rows) => [16, 32, 64, 128].map((columns) => ({ rows, columns }))),
    cpu: [{ rows: 6, columns: 16 }],
  },
} as const;

/** Rates of a device in units of milliseconds. */
interface Rates {
  readonly kind: 'gpu' | 'cpu';
  readonly engines: number;
  /** Multiply-adds a millisecond on one engine. */
  readonly engineRate: number;
  readonly memory: number;
  readonly cache: number;
  readonly cacheBytes: number;
  readonly launchMs: number;
}

function ratesOf(device: Device, threads: number): Rates {
  const cpu = device.kind === 'cpu';
  const engines = cpu ? Math.min(threads, device.processingEngines) : device.processingEngines;
  const memory = device.memoryBandwidth / 1e3;
  return {
    kind: device.kind,
    engines,
    engineRate: (device.lanes * device.frequencyHz * assumed.attainable) / 1e3,
    memory: cpu ? memory * Math.min(1, engines * assumed.oneCoreShare) : memory,
    cache: memory * device.cacheBandwidthRatio * (cpu ? engines / device.processingEngines : 1),
    cacheBytes: device.cacheBytes,
    launchMs: device.launchMs,
  };
}

/** Time to compute a convolution at `pixels` output pixels, and to feed it from the on-chip level, at the best tile. */
function convolutionTime(convolution: Convolution, pixels: number, rates: Rates): number {
  if (pixels <= 0) return 0;
  const { kernel, inChannels, outChannels, groups } = convolution;
  const inner = (kernel[0] * kernel[1] * inChannels) / groups;
  let best = Number.POSITIVE_INFINITY;
  for (const tile of assumed.tiles[rates.kind]) {
    const across = Math.ceil(outChannels / groups / tile.columns) * groups;
    const down = Math.ceil(pixels / tile.rows);
    const waves =
      rates.kind === 'gpu' ? Math.ceil((across * down) / rates.engines) : (across * down) / rates.engines;
    const computing = (waves * tile.rows * tile.columns * inner) / rates.engineRate;
    const feeding =
      rates.kind === 'gpu' ? (across * down * (tile.rows + tile.columns) * inner * 4) / rates.cache : 0;
    best = Math.min(best, Math.max(computing, feeding));
  }
  return best + (pixels * normalisationCount(convolution)) / (rates.engineRate * rates.engines);
}

/** Bytes of a map that one operation moves, in proportion to pixels. */
interface MapBytes {
  readonly map: ProgramMap;
  readonly terms: readonly Term[];
}

/** What a roofline has to know of one operation. */
interface Item {
  readonly convolution?: Convolution;
  readonly destination?: ProgramMap;
  /** Where a convolution is computed; everywhere when left out. */
  readonly region?: ProgramRegion;
  /** Pixels of the whole map that it computes. */
  readonly whole: number;
  readonly maps: readonly MapBytes[];
  readonly weightBytes: number;
  /** Arithmetic and element-wise work of what is no convolution. */
  readonly others: readonly Term[];
}

/** The items of what belongs to one owner: they are of one pass. */
interface OwnedItems {
  readonly owner: Owner;
  readonly items: Item[];
}

const itemsKnown = new WeakMap<CostedPart, readonly OwnedItems[]>();

/** The items of a part, by owner. */
function itemsOf(part: CostedPart): readonly OwnedItems[] {
  const known = itemsKnown.get(part);
  if (known) return known;
  const found = new Map<string, OwnedItems>();
  for (const { owner, operations } of part.steps) {
    const key = `${owner.node}.${owner.group}`;
    const owned = found.get(key) ?? { owner, items: [] };
    found.set(key, owned);
    for (const operation of operations) addItem(owned.items, operation);
  }
  const items = [...found.values()];
  itemsKnown.set(part, items);
  return items;
}

/**
 * A convolution of what lies outside a region follows one of what lies inside: together they compute the whole map, as
 * one pass does. Whatever is activated outside is the rest of a map that is written inside, and counts as all of it.
 */
function addItem(items: Item[], operation: Operation): void {
  if (operation.kind === 'foreign' || operation.kind === 'ask') return;
  if (operation.kind === 'convolve') {
    const { convolution, destination, region, others } = operation;
    if (others) {
      const inside = items.findLastIndex(
        (item) => item.destination === destination && item.region === region,
      );
      if (inside >= 0) items.splice(inside, 1);
    }
    const work = others ? workOf(everywhere(operation)) : workOf(operation);
    items.push({
      ...{ convolution, destination },
      ...(region && !others ? { region } : {}),
      whole: region?.pixels ?? destination.shape[0] * destination.shape[1] * destination.shape[2],
      ...split(work),
      others: [],
    });
    return;
  }
  const work = workOf(operation);
  const counted = operation.kind === 'activate-others' ? work.filter(({ per }) => per === 'once') : work;
  items.push({ whole: 0, ...split(counted), others: counted });
}

function everywhere(operation: Extract<Operation, { kind: 'convolve' }>): Operation {
  const { region, ...rest } = operation;
  return { ...rest, others: false };
}

function split(work: readonly Term[]): Pick<Item, 'maps' | 'weightBytes'> {
  const maps = new Map<ProgramMap, Term[]>();
  let weightBytes = 0;
  for (const term of work) {
    if (term.of === 'weights') weightBytes += term.bytes;
    else if (term.of) maps.set(term.of, [...(maps.get(term.of) ?? []), term]);
  }
  return { maps: [...maps].map(([map, terms]) => ({ map, terms })), weightBytes };
}

/** How often a term counts. */
function timesOf(term: Term, pixels: Float64Array): number {
  if (term.per === 'once') return 1;
  const count = pixels[term.region.id]!;
  if (term.per === 'pixels') return count;
  return (term.per === 'any' ? count > 0 : count < term.region.pixels) ? 1 : 0;
}

function bytesOf(terms: readonly Term[], pixels: Float64Array): number {
  let bytes = 0;
  for (const term of terms) bytes += term.bytes * timesOf(term, pixels);
  return bytes;
}

/**
 * Costs a program's passes on a device known by its data sheet: computation overlaps data movement, so the longer of the
 * two counts; each map comes from the level that holds it, once a pass; starting a pass costs a launch.
 */
export function rooflineCosts(
  program: CostedProgram,
  counts: RegionCounts,
  device: Device,
  threads: number,
): PassCosts {
  const rates = ratesOf(device, threads);
  const { order, placed } = program;
  const costs: PassCosts = {
    computeMs: new Float64Array(order.count),
    dataMs: new Float64Array(order.count),
    overheadMs: new Float64Array(order.count),
  };
  for (const { part, at, node: first } of placed.parts) {
    const pixels = counts.pixels.subarray(at.firstRegion);
    for (const { owner, items } of itemsOf(part)) {
      if (items.length === 0) continue;
      const pass = order.of({ node: first + owner.node, group: owner.group });
      const { compute, data } = timeOfItems(items, pixels, rates);
      costs.computeMs[pass] = compute;
      costs.dataMs[pass] = Math.max(0, data - compute);
      costs.overheadMs[pass] = rates.launchMs;
    }
  }
  return costs;
}

/**
 * Computation and data movement of a pass, ms.
 * @param counts pixels of the part's regions, by its own ids
 */
function timeOfItems(
  items: readonly Item[],
  counts: Float64Array,
  rates: Rates,
): { readonly compute: number; readonly data: number } {
  let compute = 0;
  let data = 0;
  /** By map: the most that one operation moves of it, and what the others move beside. */
  const moved = new Map<ProgramMap, { most: number; sum: number }>();
  for (const { convolution, region, whole, maps, weightBytes, others } of items) {
    const pixels = region ? counts[region.id]! : whole;
    if (convolution) compute += convolutionTime(convolution, pixels, rates);
    for (const term of others) {
      const operations = term.flops / 2 + (term.of === 'weights' ? 0 : term.bytes / valueBytes / 2);
      compute += (operations * timesOf(term, counts)) / (rates.engineRate * rates.engines);
    }
    if (!convolution || pixels > 0)
      data += weightBytes / (weightBytes <= rates.cacheBytes ? rates.cache : rates.memory);
    for (const { map, terms } of maps) {
      const bytes = fetched(bytesOf(terms, counts), map, rates);
      const known = moved.get(map) ?? { most: 0, sum: 0 };
      moved.set(map, { most: Math.max(known.most, bytes), sum: known.sum + bytes });
    }
  }
  for (const { most, sum } of moved.values()) {
    data += most / (most <= rates.cacheBytes ? rates.cache : rates.memory) + (sum - most) / rates.cache;
  }
  return { compute, data };
}

const valueBytes = 4;

/** Bytes rounded up to whole sectors, as a pixel's channels are contiguous. */
function fetched(bytes: number, { shape }: ProgramMap, { kind }: Rates): number {
  const run = shape[3] * valueBytes;
  const sector = assumed.sectorBytes[kind];
  return bytes * ((Math.ceil(run / sector) * sector) / run);
}
