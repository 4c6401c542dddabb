import type { Cost, Machine, Tile } from './tiles.js';
import { ceilEfficiency, once, sectorEfficiency, tiles } from './tiles.js';

/** A map of `channels` planes. */
export interface MapShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** An operator that computes nothing: floats over each level's bandwidth. */
function moved(machine: Machine, offChip: number, onChip: number): Cost {
  const memory = (offChip / machine.memory + onChip / machine.cache) * machine.batch;
  return { latency: memory + machine.launch, compute: 0, memory };
}

const area = ({ channels, height, width }: MapShape) => channels * height * width;

function patchCount({ height, width }: MapShape, S: number): number {
  return Math.ceil(height / S) * Math.ceil(width / S);
}

/** Active patches with a ring of `halo` pixels copied to a packed buffer. */
export function gather(
  machine: Machine,
  map: MapShape,
  { granularity: S, rate, halo }: { granularity: number; rate: number; halo: number },
): Cost {
  const n = Math.ceil(rate * patchCount(map, S));
  const side = S + 2 * halo;
  const packed = map.channels * n * side ** 2;
  const read = 1 / sectorEfficiency(side, map.width - side, machine.sector);
  return moved(machine, area(map) + packed, packed * (read + 1));
}

/** Packed patches written back to a dense map. */
export function scatter(
  machine: Machine,
  map: MapShape,
  { granularity: S, rate }: { granularity: number; rate: number },
): Cost {
  const n = Math.ceil(rate * patchCount(map, S));
  const packed = map.channels * n * S ** 2;
  const written = 1 / sectorEfficiency(S, map.width - S, machine.sector);
  return moved(machine, packed + area(map), packed * (written + 1));
}

/** Scatter and residual add in one pass. */
export function scatterAdd(
  machine: Machine,
  map: MapShape,
  { granularity: S, rate }: { granularity: number; rate: number },
): Cost {
  const { batch: b, lanes, frequency, fill, engines, memory, cache, sector, launch } = machine;
  const { channels: c } = map;
  const total = patchCount(map, S);
  const evaluate = (pp: number, ct: number, ht: number, wt: number, n: number) => {
    const T = ct * ht * wt;
    const count = Math.ceil(c / ct) * Math.ceil(S / ht) * Math.ceil(S / wt);
    const offChip = (n * c * S ** 2 + 2 * area(map)) * b;
    const onChip = (3 * T * n * count * b) / sectorEfficiency(wt, S - wt, sector);
    const computing =
      ((T * pp) / lanes / frequency / ceilEfficiency(T * pp * b, fill)) *
      Math.ceil(n / pp) *
      b *
      Math.ceil(count / engines);
    return { computing, moving: offChip / memory + onChip / cache, count };
  };
  const search = () => {
    let best = Number.POSITIVE_INFINITY;
    let chosen: Tile | undefined;
    for (const pp of tiles(total)) {
      for (const ct of tiles(c)) {
        for (const ht of tiles(S)) {
          for (const wt of tiles(S)) {
            const { computing, moving, count } = evaluate(pp, ct, ht, wt, (total + 1) / 2);
            if (computing + moving >= best) continue;
            best = computing + moving;
            chosen = { patches: pp, channels: ct, height: ht, width: wt, count };
          }
        }
      }
    }
    return chosen!;
  };
  const tile = once(machine, `scatter-add ${c},${map.height},${map.width},${S}`, search);
  const { patches, channels, height, width } = tile;
  const n = Math.ceil(rate * total);
  const { computing, moving } = evaluate(patches!, channels, height, width, n);
  return { latency: computing + moving + launch, compute: computing, memory: moving, tile };
}

/** Element-wise addition of two dense maps. */
export function add(machine: Machine, map: MapShape): Cost {
  return once(machine, `add ${map.channels},${map.height},${map.width}`, () => searchAdd(machine, map));
}

function searchAdd(machine: Machine, map: MapShape): Cost {
  const { batch: b, lanes, frequency, fill, engines, memory, launch } = machine;
  let best: Cost | undefined;
  for (const ct of tiles(map.channels)) {
    for (const ht of tiles(map.height)) {
      for (const wt of tiles(map.width)) {
        const T = ct * ht * wt;
        const count = Math.ceil(map.channels / ct) * Math.ceil(map.height / ht) * Math.ceil(map.width / wt);
        const moving = ((3 * T * count) / memory) * b;
        const computing = (T / frequency / lanes / ceilEfficiency(T, fill)) * Math.ceil(count / engines) * b;
        const latency = computing + moving + launch;
        if (best && latency >= best.latency) continue;
        const tile = { channels: ct, height: ht, width: wt, count };
        best = { latency, compute: computing, memory: moving, tile };
      }
    }
  }
  return best!;
}

/** Average pool to `outHeight` x `outWidth`. */
export function averagePool(machine: Machine, map: MapShape, outHeight: number, outWidth: number): Cost {
  const floats = area(map) + map.channels * outHeight * outWidth;
  return moved(machine, floats, floats);
}
