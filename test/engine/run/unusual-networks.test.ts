import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blocksOf, getDevice, loadNetwork, type Network, predict } from '@fovea/engine';
import { nativeBackend } from '@fovea/engine/backend';
import { benchmark, searchGranularity, validatePredictions } from '@fovea/engine/predict';
import { generateDataset, measureAccuracy } from '@fovea/engine/train';
import { afterAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../engine/src/network/onnx/builder.js';
import { conv, model } from '../support/onnx-graphs.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-unusual-'));
afterAll(() => rmSync(folder, { recursive: true }));

const sides = [16, 16] as const;
const device = getDevice('cpu-avx2');

function load(name: string, bytes: Uint8Array): Promise<Network> {
  const path = join(folder, `${name}.onnx`);
  writeFileSync(path, bytes);
  return loadNetwork(path);
}

/** A basic block of eight channels. */
function block(graph: GraphBuilder, x: string): string {
  const inner = graph.node('Relu', [conv(graph, x, 8, 8)]);
  return graph.node('Relu', [graph.node('Add', [conv(graph, inner, 8, 8), x])]);
}

/** A block, and a pool of it beside a second block: both are outputs. */
function twoOutputs(): Uint8Array {
  const graph = new GraphBuilder({}, 17);
  const first = block(graph, conv(graph, graph.input('x', ['batch', 3, ...sides]), 3, 8));
  const outputs = [block(graph, first), graph.node('GlobalAveragePool', [first])];
  return graph.finish(
    'test',
    outputs.map((name) => ({ name })),
  ).model;
}

const networks: [string, number, () => Uint8Array][] = [
  ['no block', 0, () => model((g, x) => g.node('Relu', [conv(g, x, 3, 8)]), 17, sides)],
  ['one block', 1, () => model((g, x) => block(g, conv(g, x, 3, 8)), 17, sides)],
  ['two outputs', 2, twoOutputs],
  ['foreign nodes alone', 0, () => model((g, x) => g.node('Atan', [x]), 17, sides)],
  [
    'foreign nodes between and behind blocks',
    2,
    () =>
      model((g, x) => g.node('Atan', [block(g, g.node('Atan', [block(g, conv(g, x, 3, 8))]))]), 17, sides),
  ],
];

describe.skipIf(nativeBackend.unavailable !== undefined)(
  'a network with (skipped where no addon was built)',
  () => {
    it.each(networks)('%s is predicted, timed and evaluated in numbers', async (name, blocks, bytes) => {
      const network = await load(name, bytes());
      expect(blocksOf(network)).toHaveLength(blocks);
      const [height, width] = sides;

      const predicted = predict(network, { device, rate: 0.5 });
      expect(predicted.blocks).toHaveLength(blocks);
      expect(predicted.totalMs).toBeGreaterThanOrEqual(0);
      const found = searchGranularity(network, device, { rate: 0.5, scores: { 1: 3, 2: 2 } });
      expect(found.totalMs).toBeLessThanOrEqual(found.denseMs);
      for (const { score } of found.pareto!) expect(score).toBeGreaterThanOrEqual(0);

      const { rows } = await benchmark(network, { masker: 'saliency', rates: [0.5], runs: 1 });
      expect(rows[0]!.flopsFraction).toBeGreaterThan(0);
      expect(rows[0]!.realisedOverIdeal).toBeGreaterThan(0);

      const images = await generateDataset({ seed: 1, count: 2, size: { height, width } });
      const { flops, agreement } = await measureAccuracy(network, images, { repeats: 1, masker: 'saliency' });
      expect(flops).toBeGreaterThan(0);
      expect(agreement.top1).toBeLessThanOrEqual(1);

      const { summary } = await validatePredictions(network, {
        ...{ device, runs: 1, strategies: ['dense', 'streamed'], granularities: [2], rates: [0.5] },
      });
      expect(summary.plans).toBe(2);
      expect(summary.blocks).toBe(2 * blocks);
      for (const figure of [summary.medianBlockError, summary.medianPlanError, summary.bias])
        expect(Number.isFinite(figure)).toBe(true);
    });

    it.each(['strategies', 'granularities', 'rates', 'threads'])(
      'one block is not validated without %s',
      async (list) => {
        const network = await load('one', networks[1]![2]());
        await expect(validatePredictions(network, { device, [list]: [] })).rejects.toMatchObject({
          code: 'bad-argument',
          message: expect.stringContaining(`no ${list}`),
        });
      },
    );
  },
);
