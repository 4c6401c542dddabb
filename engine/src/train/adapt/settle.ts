import type { LearnedMasker } from '../../network/network.js';
import type { Tensor } from '../../tensor.js';
import type { LearnedValues } from './learned-values.js';
import { type AdaptGraph, flopsLeft } from './network-graph.js';

/** Runs a graph of decided masks over images, a batch at a time; the last batch begins with the last images. */
async function eachBatch(
  graph: AdaptGraph,
  { shape, data }: Tensor,
  threads: number,
  visit: (images: number) => void,
): Promise<void> {
  const plane = shape[1] * shape[2] * shape[3];
  const batch = graph.images.length / plane;
  const stop = new Int32Array(1);
  for (let first = 0; first < shape[0]; first += batch) {
    for (let n = 0; n < batch; n++) {
      const from = ((first + n) % shape[0]) * plane;
      graph.images.set(data.subarray(from, from + plane), n * plane);
    }
    await graph.program.run(threads, stop);
    visit(batch);
  }
}

/** What masks leave on images: multiply-adds relative to the dense network's, and the active share of cells per block. */
export async function measureFlops(
  graph: AdaptGraph,
  images: Tensor,
  threads: number,
): Promise<{ readonly flops: number; readonly rates: readonly number[] }> {
  let [flops, count] = [0, 0];
  const rates = graph.blocks.map(() => 0);
  await eachBatch(graph, images, threads, (batch) => {
    flops += batch * flopsLeft(graph);
    graph.blocks.forEach(({ active }, i) => {
      rates[i]! += batch * active[0]!;
    });
    count += batch;
  });
  return { flops: flops / count, rates: rates.map((sum) => sum / count) };
}

/**
 * Learns what standardises every masker's features, and starts the maskers from given ones. Where no masker has been
 * learned yet, every cell is active.
 */
export async function standardise(
  learned: LearnedValues,
  graph: AdaptGraph,
  images: Tensor,
  threads: number,
  maskers: ReadonlyMap<number, LearnedMasker>,
): Promise<void> {
  const moments = graph.blocks.map(({ block }) => {
    const C = block.branch[0]!.inChannels;
    return { sum: new Float64Array(C), square: new Float64Array(C), count: 0, margin: 0, marginSquare: 0 };
  });
  await eachBatch(graph, images, threads, (batch) => {
    graph.blocks.forEach(({ block, pooled, rows, columns }, i) => {
      const total = moments[i]!;
      const C = total.sum.length;
      const { weight } = maskers.get(block.index)!;
      for (let cell = 0; cell < batch * rows * columns; cell++) {
        let margin = 0;
        for (let c = 0; c < C; c++) {
          const value = pooled[cell * C + c]!;
          total.sum[c]! += value;
          total.square[c]! += value * value;
          margin += weight[c]! * value;
        }
        total.margin += margin;
        total.marginSquare += margin * margin;
      }
      total.count += batch * rows * columns;
    });
  });
  graph.blocks.forEach(({ block }, i) => {
    const { sum, square, count, margin, marginSquare } = moments[i]!;
    const deviationOf = (total: number, squares: number) =>
      Math.sqrt(Math.max(0, squares / count - (total / count) ** 2));
    const mean = sum.map((total) => total / count);
    // A feature that never changes says nothing; any deviation will do for it.
    const deviation = sum.map((total, c) => deviationOf(total, square[c]!) || 1);
    learned.startFrom(
      block.index,
      maskers.get(block.index)!,
      { mean, deviation },
      deviationOf(margin, marginSquare),
    );
  });
}

/** Shifts all margins alike until decided masks leave the FLOPs asked for, to within a thousandth where cells allow. */
export async function meetFlops(
  learned: LearnedValues,
  graph: AdaptGraph,
  images: Tensor,
  target: number,
  threads: number,
): Promise<void> {
  const biases = graph.blocks.map(({ block }) => learned.masker(block.index)!.bias);
  const start = biases.map((bias) => bias[0]!);
  const shiftTo = (shift: number) =>
    biases.forEach((bias, i) => {
      bias[0] = start[i]! + shift;
    });
  let best = { shift: 0, miss: Number.POSITIVE_INFINITY };
  /** FLOPs above the target. */
  const at = async (shift: number) => {
    shiftTo(shift);
    const excess = (await measureFlops(graph, images, threads)).flops - target;
    if (Math.abs(excess) < best.miss) best = { shift, miss: Math.abs(excess) };
    return { shift, excess };
  };
  let here = await at(0);
  // Steps that double until the target lies between two, as wide as any margin that learning leaves; then halving.
  let other = here;
  for (let step = 0.25; step <= 16 && best.miss > closeEnough && here.excess * other.excess >= 0; step *= 2) {
    here = other;
    other = await at(here.excess > 0 ? -step : step);
  }
  for (let i = 0; i < 8 && best.miss > closeEnough; i++) {
    const middle = await at((here.shift + other.shift) / 2);
    if (middle.excess * here.excess > 0) here = middle;
    else other = middle;
  }
  shiftTo(best.shift);
}

const closeEnough = 1e-3;
