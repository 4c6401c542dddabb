import type { Network } from '../../network/network.js';
import { usingNetwork } from '../../run/sessions.js';
import { topClasses } from '../../run/top-classes.js';
import type { Tensor } from '../../tensor.js';
import type { LearnedValues } from './learned-values.js';
import { type BatchOptions, meetFlops, runBatches } from './meet-flops.js';
import type { AdaptState } from './state.js';

/** What states are judged with. */
export interface JudgeOptions extends BatchOptions {
  readonly network: Network;
  readonly learned: LearnedValues;
  /** S per block. */
  readonly granularity: readonly number[];
  /** Images that no step learns from. */
  readonly images: Tensor;
  readonly flops: number;
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
    const { network, learned, granularity, images, flops } = this.options;
    this.#dense ??= await usingNetwork({ ...network }, async (copy) => {
      const everywhere = { masker: 'random', rate: 1, strategy: 'dense' } as const;
      return (await runBatches(copy, images, everywhere, this.options)).outputs;
    });
    const answers = await usingNetwork(learned.applyTo(network, granularity), async (candidate) => {
      const isLearned = (block: number) => learned.masker(block) !== undefined;
      return (await meetFlops(candidate, isLearned, images, flops, this.options)).outputs;
    });
    const total = answers.reduce((sum, each, i) => sum + outputDivergence(each, this.#dense![i]!), 0);
    return total / images.shape[0];
  }
}

/**
 * How far outputs are from the dense network's of the same images, summed over the images: the relative squared
 * distance, and the Kullback-Leibler divergence as well where they are classes.
 */
function outputDivergence(output: Tensor, dense: Tensor): number {
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
