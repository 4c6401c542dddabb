import type { Network } from '../../network/network.js';
import type { NetworkRunOptions } from '../../run/options.js';
import { run } from '../../run/run.js';
import { releaseNetwork } from '../../run/sessions.js';
import { topClasses } from '../../run/top-classes.js';
import { Tensor } from '../../tensor.js';
import type { LearnedValues } from './learned-values.js';
import type { AdaptGraph } from './network-graph.js';
import { meetFlops } from './settle.js';
import type { AdaptState } from './state.js';

/** What states are judged with. */
export interface JudgeOptions {
  readonly network: Network;
  readonly learned: LearnedValues;
  /** Decided masks of `learned`, to set FLOPs by. */
  readonly decided: AdaptGraph;
  /** S per block. */
  readonly granularity: readonly number[];
  /** Images that no step learns from. */
  readonly images: Tensor;
  /** Images that run at once. */
  readonly batch: number;
  readonly flops: number;
  readonly threads: number;
  readonly signal?: AbortSignal;
}

/**
 * Compares what a run has learned so far with what it had before, on images that no step learns from, at the FLOPs
 * asked for: a short run can leave maskers worse than it found them, and a long one can forget.
 */
export class Judge {
  #dense: readonly Tensor[] | undefined;

  constructor(private readonly options: JudgeOptions) {}

  /** Keeps a state in `state.best` if it is better than the best so far. */
  async consider(state: AdaptState): Promise<void> {
    const found = await this.#divergence();
    const divergence = Number.isNaN(found) ? Number.MAX_VALUE : found;
    const { best, step, learned } = state;
    if (best && divergence >= best.divergence) return;
    state.best = { step, divergence, fitted: best?.fitted ?? divergence, values: learned.values.slice() };
  }

  /** Mean divergence of the network's answers, as learned by now, from the dense network's. */
  async #divergence(): Promise<number> {
    const { network, learned, decided, granularity, images, flops, threads } = this.options;
    this.#dense ??= await this.#answers({ ...network }, { masker: 'random', rate: 1, strategy: 'dense' });
    const values = learned.values.slice();
    await meetFlops(learned, decided, images, flops, threads);
    const candidate = learned.applyTo(network, granularity);
    learned.values.set(values);
    const answers = await this.#answers(candidate, { masker: 'learned' });
    return (
      answers.reduce((sum, each, i) => sum + outputDivergence(each, this.#dense![i]!), 0) / images.shape[0]
    );
  }

  /** Outputs of a network that is not used again, a batch of the images at a time. */
  async #answers(network: Network, masks: NetworkRunOptions): Promise<Tensor[]> {
    const { images, batch, threads, signal } = this.options;
    const [count, H, W, C] = images.shape;
    const plane = H * W * C;
    const outputs: Tensor[] = [];
    try {
      for (let first = 0; first < count; first += batch) {
        const size = Math.min(batch, count - first);
        const part = new Tensor([size, H, W, C], images.data.subarray(first * plane, (first + size) * plane));
        outputs.push((await run(network, part, { ...masks, threads, ...(signal ? { signal } : {}) })).output);
      }
      return outputs;
    } finally {
      await releaseNetwork(network);
    }
  }
}

/**
 * How far outputs are from the dense network's of the same images, summed over the images: the relative squared
 * distance, and the Kullback-Leibler divergence as well where they are classes.
 */
export function outputDivergence(output: Tensor, dense: Tensor): number {
  const [count, , , classes] = dense.shape;
  const size = dense.data.length / count;
  let total = 0;
  for (let n = 0; n < count; n++) {
    const found = new Map(topClasses(output, n, classes).map((each) => [each.class, each.probability]));
    for (const { class: index, probability } of topClasses(dense, n, classes)) {
      if (probability > 0) total += probability * Math.log(probability / Math.max(1e-12, found.get(index)!));
    }
    let [difference, square] = [0, 1e-30];
    for (let i = n * size; i < (n + 1) * size; i++) {
      difference += (output.data[i]! - dense.data[i]!) ** 2;
      square += dense.data[i]! ** 2;
    }
    total += difference / square;
  }
  return total;
}
