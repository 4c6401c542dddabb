import type { MapShape } from './movement.js';
import type { Cost, Machine, Tile } from './tiles.js';
import { ceilEfficiency, once, sectorEfficiency, tiles } from './tiles.js';

/**
 * Fully connected layer. The original multiplies by the product of the tile's extents where it means the
 * number of tiles; kept, because its published figures contain it.
 */
export function fullyConnected(machine: Machine, inputs: number, outputs: number): Cost {
  return once(machine, `fc ${inputs},${outputs}`, () => searchFullyConnected(machine, inputs, outputs));
}

function searchFullyConnected(machine: Machine, inputs: number, outputs: number): Cost {
  const { batch: b, lanes, frequency, fill, engines, memory, cache, sector, launch } = machine;
  let best: Cost | undefined;
  for (const ct of tiles(outputs)) {
    for (const it of tiles(inputs)) {
      const count = ct * it;
      const offChip = (inputs * outputs + inputs + outputs) * b;
      const onChip = ((count + it + ct) * count * b) / sectorEfficiency(it, inputs, sector);
      const moving = offChip / memory + onChip / cache;
      const computing =
        ((count * b) / frequency / lanes / ceilEfficiency(count * b, fill)) * Math.ceil(count / engines);
      const latency = computing + moving + launch;
      if (best && latency >= best.latency) continue;
      best = { latency, compute: computing, memory: moving };
    }
  }
  return best!;
}

/** Tree reduction of `n` vectors of `c` floats. */
function reduce(machine: Machine, c: number, n: number): number {
  const { lanes, fill, frequency, batch } = machine;
  let seconds = 0;
  for (let k = Math.ceil(n / 2); k > 1; k = Math.ceil(k / 2)) {
    seconds += Math.ceil((k * c) / lanes) / ceilEfficiency(k * c, fill) / frequency;
  }
  return seconds * batch;
}

/** Global pool of a dense map; without its launch. */
function globalPool(machine: Machine, { channels: c, height: h, width: w }: MapShape): number {
  const { batch: b, lanes, frequency, fill, engines, memory, cache } = machine;
  let best = Number.POSITIVE_INFINITY;
  for (let k = 0; k < 8 && 2 ** k <= 2 * c; k++) {
    const ct = 2 ** k;
    const across = Math.ceil(c / ct);
    const count = across * h * w;
    const moving = ((ct / memory + ct / cache) * count + ((ct * h * w + ct) / cache) * across) * b;
    const computing =
      (ct / frequency / lanes / ceilEfficiency(ct, fill)) * Math.ceil(count / engines) +
      reduce(machine, ct, h * w);
    best = Math.min(best, moving + computing);
  }
  return best;
}

/** A dense map times one factor a channel; without its launch. */
function broadcastMultiply(
  machine: Machine,
  { channels: c, height: h, width: w }: MapShape,
): { seconds: number; tile: Tile } {
  const { batch: b, lanes, frequency, fill, engines, memory, cache, sector } = machine;
  let best = Number.POSITIVE_INFINITY;
  let tile: Tile | undefined;
  for (const ct of tiles(c)) {
    for (const ht of tiles(h)) {
      for (const wt of tiles(w)) {
        const T = ct * ht * wt;
        const count = Math.ceil(c / ct) * Math.ceil(h / ht) * Math.ceil(w / wt);
        const seconds =
          ((2 * c * h * w + c) / memory +
            ((2 * T + ct) * count) / cache / sectorEfficiency(wt, w - wt, sector) +
            (T / frequency / lanes / ceilEfficiency(T, fill)) * Math.ceil(count / engines)) *
          b;
        if (seconds >= best) continue;
        best = seconds;
        tile = { channels: ct, height: ht, width: wt, count };
      }
    }
  }
  return { seconds: best, tile: tile! };
}

function multiplyOnce(machine: Machine, map: MapShape): { seconds: number; tile: Tile } {
  return once(machine, `multiply ${map.channels},${map.height},${map.width}`, () =>
    broadcastMultiply(machine, map),
  );
}

/** Squeeze-and-excitation over a dense map. */
export function excitation(machine: Machine, map: MapShape, squeeze: number): Cost {
  return afterPool(machine, map, squeeze, globalPool(machine, map));
}

/** Squeeze-and-excitation that pools active patches only and scales the dense map. */
export function patchExcitation(
  machine: Machine,
  map: MapShape,
  squeeze: number,
  patches: { granularity: number; rate: number },
): Cost {
  return afterPool(machine, map, squeeze, patchPool(machine, map, patches));
}

/** Squeeze-and-excitation whose pool takes `poolSeconds`, its launch not counted. */
function afterPool(machine: Machine, map: MapShape, squeeze: number, poolSeconds: number): Cost {
  const multiply = multiplyOnce(machine, map);
  return {
    latency:
      poolSeconds +
      multiply.seconds +
      2 * machine.launch +
      fullyConnected(machine, map.channels, squeeze).latency +
      fullyConnected(machine, squeeze, map.channels).latency,
    compute: null,
    memory: null,
    tile: multiply.tile,
  };
}

/** Global pool of active patches; without its launch. */
function patchPool(
  machine: Machine,
  { channels: c, height: h, width: w }: MapShape,
  { granularity: S, rate }: { granularity: number; rate: number },
): number {
  const { batch: b, lanes, frequency, fill, engines, memory, cache, sector } = machine;
  const total = Math.ceil(h / S) * Math.ceil(w / S);
  const evaluate = (pp: number, ct: number, ht: number, wt: number, n: number, parts: number) => {
    const T = ct * ht * wt;
    const count = Math.ceil(c / ct) * Math.ceil(S / ht) * Math.ceil(S / wt);
    const onChip = (T * n + ct) * count + ct * Math.ceil(h / ht) * Math.ceil(w / wt) + ct;
    const moving =
      ((n * c * S ** 2 + c * h * w) / memory + onChip / cache / sectorEfficiency(wt, S - wt, sector)) * b;
    const computing =
      (((T * pp) / frequency / lanes / ceilEfficiency(ct * pp, fill)) * Math.ceil(n / pp) +
        (ct * pp) / frequency / lanes / ceilEfficiency(ct, fill)) *
        b *
        Math.ceil(count / engines) +
      reduce(machine, ct, parts);
    return moving + computing;
  };
  const search = () => {
    let best = Number.POSITIVE_INFINITY;
    let chosen: readonly [number, number, number, number] = [1, 1, 1, 1];
    for (const pp of tiles(total)) {
      for (const ct of tiles(c)) {
        for (const ht of tiles(S)) {
          for (const wt of tiles(S)) {
            const parts = Math.ceil(S / ht) * Math.ceil(S / wt);
            const seconds = evaluate(pp, ct, ht, wt, (total + 1) / 2, parts);
            if (seconds >= best) continue;
            best = seconds;
            chosen = [pp, ct, ht, wt];
          }
        }
      }
    }
    return chosen;
  };
  const [pp, ct, ht, wt] = once(machine, `patch pool ${c},${h},${w},${S}`, search);
  const n = Math.ceil(rate * total);
  return evaluate(pp, ct, ht, wt, n, Math.ceil(h / ht) * Math.ceil(w / wt));
}
