import { blocksOf, run } from '@fovea/engine';
import { adaptMaskers, canTrain, fitMaskers } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { brightSpots } from '../support/bright-spots.js';
import { convNext } from '../support/convnext.js';

const spots = (count: number, side: number) => brightSpots(count, side, 60);

const network = convNext({ channels: [12, 20], sides: [48, 48], learned: false });
const images = spots(8, 48);

describe('maskers of a network of ConvNeXt’s form', () => {
  it('are fitted', async () => {
    const { network: fitted } = await fitMaskers(network, images, { rate: 0.5, granularity: 2 });
    expect(blocksOf(fitted).every(({ masker }) => masker !== undefined)).toBe(true);
    const { profile } = await run(fitted, images, { masker: 'learned' });
    expect(profile.flopsAvoided).toBeGreaterThan(0.2 * profile.flops);
  });

  it.skipIf(!canTrain()).each(['maskers', 'norms'] as const)('are adapted, learning %s', async (tune) => {
    const { network: adapted } = await adaptMaskers(network, images, {
      ...{ flops: 0.7, steps: 30, batch: 4, granularity: 2, tune },
    });
    const { profile, output } = await run(adapted, images, { masker: 'learned' });
    expect(output.data.every(Number.isFinite)).toBe(true);
    expect(profile.flopsAvoided).toBeGreaterThan(0.1 * profile.flops);
    const scales = (of: typeof network) =>
      blocksOf(of).flatMap(({ branch }) => [...branch[0]!.normalisation!.scale]);
    const changed = scales(adapted).some((scale, i) => scale !== scales(network)[i]);
    expect(changed).toBe(tune === 'norms');
  });
});
