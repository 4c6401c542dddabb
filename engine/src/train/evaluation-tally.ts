import type { RunResult } from '../backends/backend.js';
import { blocksOf, type Network } from '../network/network.js';
import { flopsLeft } from '../profile.js';
import { topClasses } from '../run/top-classes.js';
import type { Dataset } from './data/dataset.js';
import type { BlockRates, Evaluation } from './evaluation.js';
import { compareOutputs } from './fit/agreement.js';
import { CoverageCounter } from './object-coverage.js';

/** What follows from the sums. */
type Tallied = Omit<Evaluation, 'model' | 'images' | 'latency'>;

/** Adds up, batch by batch, what runs of a dataset give. */
export class EvaluationTally {
  /** The network's class for each of the dataset's; undefined where accuracy means nothing. */
  #classes: readonly number[] | undefined;
  readonly #stages: ReadonlyMap<number, number>;
  readonly #coverage = new CoverageCounter();
  readonly #rates = new Map<number, BlockRates>();
  readonly #right = { dense: 0, adaptive: 0 };
  readonly #agreeing = { top1: 0, cosine: 0 };
  readonly #flops = { dense: 0, adaptive: 0 };

  constructor(
    network: Network,
    private readonly dataset: Dataset,
  ) {
    this.#classes = classIndices(network, dataset);
    this.#stages = new Map(blocksOf(network).map((block) => [block.index, block.stage]));
  }

  /** @param order positions in the dataset of the images that ran */
  add(order: readonly number[], dense: RunResult, adaptive: RunResult): void {
    // A map has no single class to compare.
    if (topClasses(adaptive.output, 0, 1).length === 0) this.#classes = undefined;
    const { top1, cosine } = compareOutputs(adaptive.output, dense.output);
    this.#agreeing.top1 += top1 * order.length;
    this.#agreeing.cosine += cosine * order.length;
    this.#flops.dense += dense.profile.flops;
    this.#flops.adaptive += adaptive.profile.flops;
    this.#addClasses(order, dense, adaptive);
    this.#addCoverage(order, adaptive);
    this.#addRates(order.length, adaptive);
  }

  result(): Tallied {
    const { count } = this.dataset;
    const { dense, adaptive } = this.#flops;
    return {
      ...(this.#classes
        ? { accuracy: { dense: this.#right.dense / count, adaptive: this.#right.adaptive / count } }
        : {}),
      agreement: { top1: this.#agreeing.top1 / count, cosine: this.#agreeing.cosine / count },
      blocks: [...this.#rates.values()],
      coverage: this.#coverage.result(),
      flops: flopsLeft({ flops: adaptive, flopsAvoided: dense - adaptive }),
    };
  }

  #addClasses(order: readonly number[], dense: RunResult, adaptive: RunResult): void {
    for (const [n, position] of order.entries()) {
      const label = this.#classes?.[this.dataset.targets[position]!];
      if (label === undefined) continue;
      if (label === topClasses(adaptive.output, n, 1)[0]?.class) this.#right.adaptive++;
      if (label === topClasses(dense.output, n, 1)[0]?.class) this.#right.dense++;
    }
  }

  #addCoverage(order: readonly number[], { masks }: RunResult): void {
    const { dataset } = this;
    if (!dataset.regions) return;
    const plane = dataset.height * dataset.width;
    for (const [n, position] of order.entries()) {
      const region = dataset.regions.subarray(position * plane, (position + 1) * plane);
      for (const mask of masks) {
        const cells = mask.rows * mask.columns;
        const own = mask.cells.subarray(n * cells, (n + 1) * cells);
        this.#coverage.add(this.#stages.get(mask.block)!, own, mask, region, dataset);
      }
    }
  }

  #addRates(images: number, { profile }: RunResult): void {
    const share = images / this.dataset.count;
    for (const { block, name, stage, granularity, rate, dilatedRate, mode } of profile.blocks) {
      if (mode !== 'adaptive') continue;
      const sum = this.#rates.get(block) ?? { block, name, stage, granularity, rate: 0, dilatedRate: 0 };
      this.#rates.set(block, {
        ...sum,
        rate: sum.rate + share * rate,
        dilatedRate: sum.dilatedRate + share * dilatedRate,
      });
    }
  }
}

/** The network's class for each of the dataset's; undefined when one has no counterpart, or there are none. */
export function classIndices({ labels }: Network, dataset: Pick<Dataset, 'labels'>): number[] | undefined {
  if (dataset.labels.length === 0) return undefined;
  const found = dataset.labels.map((label) => labels?.indexOf(label) ?? -1);
  return found.includes(-1) ? undefined : found;
}
