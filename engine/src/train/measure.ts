import { FoveaError } from '../errors.js';
import { costsOf } from './architecture.js';
import { fillBatch } from './data/batches.js';
import type { Dataset } from './data/dataset.js';
import { buildGraph, newSettings } from './graph.js';
import type { Parameters } from './parameters.js';

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
  readonly stages: readonly StageMeasurement[];
}

export interface BlockMeasurement {
  readonly name: string;
  readonly stage: number;
  /** Active fraction of the output map. */
  readonly rate: number;
  /** Active fraction of the map that the dilated mask covers. */
  readonly dilatedRate: number;
}

/** How much more a stage computes on the objects than beside them. */
export interface StageMeasurement {
  readonly stage: number;
  /** Probability that a pixel on the object lies in an active cell. */
  readonly onObject: number;
  /** The same beside the object. */
  readonly offObject: number;
  /** `onObject / offObject`. */
  readonly ratio: number;
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
export async function measure(
  parameters: Parameters,
  dataset: Dataset,
  options: MeasureOptions,
): Promise<Measurement> {
  const { masked, threads, batch = Math.min(32, dataset.count), signal } = options;
  const { blocks, architecture } = parameters.layout;
  const graph = buildGraph(parameters, { batch, mode: 'evaluate', masked, settings: newSettings() });
  const stop = new Int32Array(1);
  const sums = new Float64Array(graph.rates.length);
  const regions = blocks.map(() => ({ on: 0, off: 0, onActive: 0, offActive: 0 }));
  let correct = 0;
  let runs = 0;
  for (let first = 0; first < dataset.count; first += batch) {
    if (signal?.aborted) throw new FoveaError('aborted', `measuring was aborted after ${first} images`);
    const valid = Math.min(batch, dataset.count - first);
    // The last batch is filled up with its own last image; what that gives is not counted.
    const order = Array.from({ length: batch }, (_, i) => first + Math.min(i, valid - 1));
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
      blocks.forEach((block, b) => {
        countRegions(dataset, first, valid, graph.masks[b]!, block.cells, regions[b]!);
      });
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
    stages: masked && dataset.regions ? byStage(blocks, regions) : [],
  };
}

interface RegionCount {
  on: number;
  off: number;
  onActive: number;
  offActive: number;
}

function countRegions(
  dataset: Dataset,
  first: number,
  count: number,
  mask: Float32Array,
  cells: number,
  into: RegionCount,
) {
  const { size, regions } = dataset;
  for (let n = 0; n < count; n++) {
    for (let y = 0; y < size; y++) {
      const row = (n * cells + Math.floor((y * cells) / size)) * cells;
      const line = ((first + n) * size + y) * size;
      for (let x = 0; x < size; x++) {
        const active = mask[row + Math.floor((x * cells) / size)]!;
        if (regions![line + x]! === 1) {
          into.on++;
          into.onActive += active;
        } else {
          into.off++;
          into.offActive += active;
        }
      }
    }
  }
}

function byStage(
  blocks: readonly { readonly stage: number }[],
  counts: readonly RegionCount[],
): StageMeasurement[] {
  const stages = blocks[blocks.length - 1]!.stage + 1;
  return Array.from({ length: stages }, (_, stage) => {
    const sum = { on: 0, off: 0, onActive: 0, offActive: 0 };
    counts.forEach((count, b) => {
      if (blocks[b]!.stage !== stage) return;
      for (const key of ['on', 'off', 'onActive', 'offActive'] as const) sum[key] += count[key];
    });
    const onObject = sum.onActive / Math.max(1, sum.on);
    const offObject = sum.offActive / Math.max(1, sum.off);
    return { stage, onObject, offObject, ratio: onObject / Math.max(1e-9, offObject) };
  });
}
