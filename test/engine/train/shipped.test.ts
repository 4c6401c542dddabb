import { statSync } from 'node:fs';
import { blocksOf, loadShippedModel, run, shippedModelNames } from '@fovea/engine';
import { generateDataset, imagesOf, measureAccuracy, objectLabels, readRecipe } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { layoutOf } from '../../../engine/src/train/architecture.js';
import { shippedModelPath } from '../../../engine/src/train/shipped.js';

describe('the shipped model', () => {
  it('is small, and beside it lies the recipe that makes it', async () => {
    for (const name of shippedModelNames) {
      const path = shippedModelPath(name);
      expect(statSync(path).size).toBeLessThan(10e6);
      const recipe = await readRecipe(path.replace(/safetensors$/, 'recipe.json'));
      const network = await loadShippedModel(name);
      expect(network.labels).toEqual(objectLabels);
      const layout = layoutOf(recipe.architecture);
      expect(blocksOf(network).map((block) => [block.name, block.granularity])).toEqual(
        layout.blocks.map((block) => [block.name, block.granularity]),
      );
      expect(recipe.adaptive!.target).toBe(0.5);
    }
  });

  it('is right on at least 95 % of unseen images, with masks within a point of dense, looking at the objects', async () => {
    const network = await loadShippedModel();
    const unseen = await generateDataset({ seed: 90_210, count: 300, size: 128 });
    const { accuracy, flops, coverage, blocks } = await measureAccuracy(network, unseen, { repeats: 1 });
    expect(accuracy!.dense).toBeGreaterThanOrEqual(0.95);
    expect(accuracy!.adaptive).toBeGreaterThanOrEqual(accuracy!.dense - 0.01);
    expect(flops).toBeLessThanOrEqual(0.52);
    for (const stage of [1, 2]) expect(coverage[stage]!.ratio).toBeGreaterThanOrEqual(2);
    expect(blocks).toHaveLength(blocksOf(network).length);
    for (const { name, rate } of blocks) expect(rate, name).toBeGreaterThan(0.1);
  });

  it('sees the same in an image alone as in a batch, by every strategy', async () => {
    const network = await loadShippedModel();
    const scenes = await generateDataset({ seed: 11, count: 3, size: 192 });
    const together = imagesOf(scenes, 3);
    const whole = await run(network, together, { strategy: 'unfused', threads: 1 });
    for (let n = 0; n < 3; n++) {
      const alone = imagesOf(scenes, [n]);
      for (const strategy of ['unfused', 'lasnet', 'streamed']) {
        for (const threads of [1, 2]) {
          const { masks, output } = await run(network, alone, { strategy, threads });
          masks.forEach((mask, i) => {
            const plane = mask.rows * mask.columns;
            expect([...mask.cells]).toEqual([...whole.masks[i]!.cells.slice(n * plane, (n + 1) * plane)]);
          });
          const classes = output.data.length;
          output.data.forEach((value, k) => {
            expect(value).toBeCloseTo(whole.output.data[n * classes + k]!, 3);
          });
        }
      }
    }
  });

  it('is named when another is asked for', () => {
    expect(() => shippedModelPath('slow-look')).toThrow(/quick-look/);
  });
});
