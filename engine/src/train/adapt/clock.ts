import { type AdaptGraph, flopsLeft } from './network-graph.js';

/** How far an adaptation is. */
export interface AdaptProgress {
  readonly phase: 'fit' | 'adapt';
  /** Steps done, of `steps`. */
  readonly step: number;
  readonly steps: number;
  /** Means over the steps since the last report. */
  readonly divergence: number;
  readonly distance: number;
  /** Share of the images whose most probable class is the dense network's, noise and all. */
  readonly sameClass: number;
  /** Multiply-adds relative to the dense network. */
  readonly flops: number;
  /** Expected time until the last step is done, ms. */
  readonly leftMs: number;
}

/** Means between reports, and the time left from the pace so far. */
export class Clock {
  readonly #begin = performance.now();
  #reported = performance.now();
  #sums = { divergence: 0, distance: 0, sameClass: 0, flops: 0 };
  #count = 0;

  /** @param first steps done before */
  constructor(
    private readonly first: number,
    private readonly steps: number,
    private readonly batch: number,
  ) {}

  /** Counts a step; a report once a second and after the last. */
  tick(step: number, graph: AdaptGraph): AdaptProgress | undefined {
    const now = performance.now();
    const { divergence, distances } = graph;
    const sums = this.#sums;
    sums.divergence += divergence[0]!;
    sums.sameClass += divergence[1]! / this.batch;
    sums.distance += distances.reduce((sum, each) => sum + each[0]!, 0) / Math.max(1, distances.length);
    sums.flops += flopsLeft(graph);
    this.#count++;
    if (now - this.#reported < 1000 && step < this.steps) return undefined;
    const mean = (sum: number) => sum / this.#count;
    const progress: AdaptProgress = {
      phase: 'adapt',
      step,
      steps: this.steps,
      divergence: mean(sums.divergence),
      distance: mean(sums.distance),
      sameClass: mean(sums.sameClass),
      flops: mean(sums.flops),
      leftMs: ((now - this.#begin) / (step - this.first)) * (this.steps - step),
    };
    this.#reported = now;
    this.#sums = { divergence: 0, distance: 0, sameClass: 0, flops: 0 };
    this.#count = 0;
    return progress;
  }
}
