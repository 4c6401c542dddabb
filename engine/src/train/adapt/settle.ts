import type { LearnedMasker } from '../../network/network.js';
import type { Tensor } from '../../tensor.js';
import { deviationOf } from '../deviation.js';
import type { LearnedValues } from './learned-values.js';
import type { AdaptGraph } from './network-graph.js';

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
    const deviation = (total: number, squares: number) =>
      deviationOf(squares / count - (total / count) ** 2, squares / count);
    const mean = sum.map((total) => total / count);
    // A feature that never changes says nothing; any deviation will do for it.
    const deviations = sum.map((total, c) => deviation(total, square[c]!) || 1);
    learned.startFrom(
      block.index,
      maskers.get(block.index)!,
      { mean, deviation: deviations },
      deviation(margin, marginSquare),
    );
  });
}
