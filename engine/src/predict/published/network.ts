import { FoveaError } from '../../errors.js';
import type { PublishedBlock } from './block.js';
import { channelBlock, layerBlock, spatialBlock, staticBlock } from './block.js';
import { publishedStages } from './networks.js';
import type { Machine } from './tiles.js';

/**
 * Seconds for all bottleneck blocks of a published network, whole batch, by the name of the figure:
 * `static…`, `spatial_S8-4-7-1_r0.5…`, `layer_r0.5…` or `channel_G2-2-2-2_c0.5…`.
 * @throws FoveaError `unknown-name` for another name, `bad-argument` for a rate outside 0…1
 */
export function networkCost(machine: Machine, name: string, figure: string): number {
  const stages = publishedStages(name);
  const blockCost = blockCostOf(figure);
  const memo = new Map<string, number>();
  let seconds = 0;
  stages.forEach(({ first, rest, depth }, stage) => {
    for (let position = 0; position < depth; position++) {
      const block = position === 0 ? first : rest;
      const key = `${stage},${JSON.stringify(block)}`;
      let cost = memo.get(key);
      if (cost === undefined) {
        cost = blockCost(machine, block, stage);
        memo.set(key, cost);
      }
      seconds += cost;
    }
  });
  return seconds;
}

function blockCostOf(figure: string): (machine: Machine, block: PublishedBlock, stage: number) => number {
  if (figure.startsWith('static')) return (machine, block) => staticBlock(machine, block).latency;
  const layer = /^layer_r([\d.]+)/.exec(figure);
  if (layer) {
    const rate = fraction(figure, layer[1]!);
    return (machine, block) => layerBlock(machine, block, rate).latency;
  }
  const spatial = /^spatial_S([\d-]+)_r([\d.]+)/.exec(figure);
  if (spatial) {
    const granularities = perStage(figure, spatial[1]!);
    const rate = fraction(figure, spatial[2]!);
    return (machine, block, stage) =>
      spatialBlock(machine, block, { granularity: granularities[stage]!, rate }).latency;
  }
  const channel = /^channel_G([\d-]+)_c([\d.]+)/.exec(figure);
  if (channel) {
    const granularities = perStage(figure, channel[1]!);
    const rate = fraction(figure, channel[2]!);
    return (machine, block, stage) =>
      channelBlock(machine, block, { granularity: granularities[stage]!, rate }).latency;
  }
  throw new FoveaError(
    'unknown-name',
    `figure '${figure}': expected static…, spatial_S4-4-2-1_r0.5…, layer_r0.5… or channel_G2-2-2-2_c0.5…`,
  );
}

function fraction(figure: string, text: string): number {
  const rate = Number(text);
  if (!(rate >= 0 && rate <= 1)) {
    throw new FoveaError('bad-argument', `figure '${figure}': rate ${text}, expected 0…1`);
  }
  return rate;
}

function perStage(figure: string, text: string): number[] {
  const values = text.split('-').map(Number);
  if (values.length !== 4 || values.some((value) => !Number.isInteger(value) || value < 1)) {
    throw new FoveaError('bad-argument', `figure '${figure}': expected four granularities of at least 1`);
  }
  return values;
}
