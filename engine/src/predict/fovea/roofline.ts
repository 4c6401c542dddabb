import type { Device } from '../../plan/device.js';
import type { Access, MatrixWork, PassWork } from './work.js';

/** Predicted time of one pass. The three parts add up to its time. */
export interface PassCost {
  readonly computeMs: number;
  /** Data movement that computation does not hide. */
  readonly dataMs: number;
  readonly overheadMs: number;
}

/** Under what circumstances a pass runs. */
export interface Circumstances {
  readonly threads: number;
}

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

/** Time to compute a matrix product, and to feed it from the on-chip level, at the best output tile. */
function matrixTime({ rows, inner, columns, groups }: MatrixWork, rates: Rates): number {
  if (rows <= 0) return 0;
  let best = Number.POSITIVE_INFINITY;
  for (const tile of assumed.tiles[rates.kind]) {
    const across = Math.ceil(columns / tile.columns) * groups;
    const down = Math.ceil(rows / tile.rows);
    const waves =
      rates.kind === 'gpu' ? Math.ceil((across * down) / rates.engines) : (across * down) / rates.engines;
    const computing = (waves * tile.rows * tile.columns * inner) / rates.engineRate;
    const feeding =
      rates.kind === 'gpu' ? (across * down * (tile.rows + tile.columns) * inner * 4) / rates.cache : 0;
    best = Math.min(best, Math.max(computing, feeding));
  }
  return best;
}

/**
 * Costs a pass on a device known by its data sheet: computation overlaps data movement, so the longer of the
 * two counts; each tensor comes from the level that holds it, once a pass; starting the pass costs a launch.
 */
export function rooflineCost(pass: PassWork, device: Device, { threads }: Circumstances): PassCost {
  const rates = ratesOf(device, threads);
  const seen = new Set<string>();
  let compute = 0;
  let data = 0;
  for (const { matrix, elements, reads, writes, weightBytes, flops } of pass.parts) {
    compute += matrix
      ? matrixTime(matrix, rates)
      : (elements + flops / 2) / (rates.engineRate * rates.engines);
    const started = !matrix || matrix.rows > 0;
    if (started) data += weightBytes / (weightBytes <= rates.cacheBytes ? rates.cache : rates.memory);
    for (const access of [...reads, ...writes]) {
      data += accessTime(access, seen.has(access.tensor), rates);
      seen.add(access.tensor);
    }
  }
  return { computeMs: compute, dataMs: Math.max(0, data - compute), overheadMs: rates.launchMs };
}

/** Bytes rounded up to whole sectors, from the nearest level that can hold them. */
function accessTime({ bytes, run }: Access, inPass: boolean, rates: Rates): number {
  const sector = assumed.sectorBytes[rates.kind];
  const fetched = bytes * ((Math.ceil(run / sector) * sector) / run);
  return fetched / (inPass || fetched <= rates.cacheBytes ? rates.cache : rates.memory);
}
