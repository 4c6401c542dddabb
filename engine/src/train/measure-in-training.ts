import { FoveaError } from '../errors.js';
import { costsOf } from './architecture.js';
import { fillBatch } from './data/batches.js';
import type { Dataset } from './data/dataset.js';
import { CoverageCounter, type StageCoverage } from './object-coverage.js';
import type { Parameters } from './parameters.js';
import { newSettings } from './step-settings.js';
import { buildGraph } from './training-graph.js';

/** How a network in training does on a dataset, with the noise off. */
export interface Measurement {
  readonly images: number;
  /** Fraction of images whose class is right. */
  readonly accuracy: number;
  /** Multiply-adds relative to the dense network; 1 without masks. */
  readonly flops: number;
  /** Per block, when masked. */
  readonly blocks: readonly BlockMeasurement[];
  /** Per stage, when masked and the objects' regions are known. */
  readonly stages: readonly StageCoverage[];
}

/** Activation of one block, mean over a data set. */
export interface BlockMeasurement {
  readonly name: string;
  readonly stage: number;
  /** Active fraction of the output map. */
  readonly rate: number;
  /** Active fraction of the map that the dilated mask covers. */
  readonly dilatedRate: number;
}

export interface MeasureOptions {
  readonly masked: boolean;
  readonly threads: number;
  readonly batch?: number;
  readonly signal?: AbortSignal;
}

/**
 * Runs a network over a dataset with running batch-norm statistics and decided masks.
 * @throws FoveaError `aborted`
 */
export async function measureInTraining(
  parameters: Parameters,
  dataset: Dataset,
  options: MeasureOptions,
): Promise<Measurement> {
  const { masked, threads, batch = Math.min(32, dataset.count), signal } = options;
  const { blocks, architecture } = parameters.layout;
  const graphOf = (images: number) =>
    buildGraph(parameters, { batch: images, mode: 'evaluate', masked, settings: newSettings() });
  const whole = graphOf(batch);
  const stop = new Int32Array(1);
  const sums = new Float64Array(whole.rates.length);
  const coverage = new CoverageCounter();
  let correct = 0;
  let runs = 0;
  for (let first = 0; first < dataset.count; first += batch) {
    if (signal?.aborted) throw new FoveaError('aborted', `measuring was aborted after ${first} images`);
    const valid = Math.min(batch, dataset.count - first);
    // Its own for the last images: rates are means over a graph's batch.
    const graph = valid === batch ? whole : graphOf(valid);
    const order = Array.from({ length: valid }, (_, i) => first + i);
    fillBatch(dataset, order, graph.images, graph.labels);
    await graph.program.run(threads, stop);
    for (let n = 0; n < valid; n++) {
      const logits = graph.logits.subarray(n * architecture.classes, (n + 1) * architecture.classes);
      if (logits.indexOf(Math.max(...logits)) === dataset.targets[first + n]) correct++;
    }
    graph.rates.forEach((rate, i) => {
      sums[i]! += rate * valid;
    });
    runs += valid;
    if (masked && dataset.regions) {
      const plane = dataset.height * dataset.width;
      for (let n = 0; n < valid; n++) {
        const region = dataset.regions.subarray((first + n) * plane, (first + n + 1) * plane);
        blocks.forEach(({ stage, cells }, b) => {
          const mask = graph.masks[b]!.subarray(n * cells * cells, (n + 1) * cells * cells);
          coverage.add(stage, mask, { rows: cells, columns: cells }, region, dataset);
        });
      }
    }
  }
  const rates = sums.map((sum) => sum / runs);
  const costs = costsOf(parameters.layout);
  let [used, full] = [costs.rest, costs.rest];
  costs.blocks.forEach(({ fixed, dilated, active }, b) => {
    used += fixed + dilated * rates[2 * b + 1]! + active * rates[2 * b]!;
    full += fixed + dilated + active;
  });
  return {
    images: dataset.count,
    accuracy: correct / dataset.count,
    flops: masked ? used / full : 1,
    blocks: masked
      ? blocks.map(({ name, stage }, b) => ({
          name,
          stage,
          rate: rates[2 * b]!,
          dilatedRate: rates[2 * b + 1]!,
        }))
      : [],
    stages: coverage.result(),
  };
}
