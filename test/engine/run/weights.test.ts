import { blocksOf, type Network, run } from '@fovea/engine';
import { fitMaskers, measureAgreement } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { convolutionsOf } from '../../../engine/src/network/convolutions.js';
import { randomImages, smallNetwork } from '../support/small-network.js';

/** A network with one value of a convolution's weights replaced. */
function damaged(value: number): { network: Network; layer: string } {
  const network = structuredClone(smallNetwork());
  const convolution = convolutionsOf(network).at(3)!;
  convolution.weight[5] = value;
  return { network, layer: convolution.name };
}

describe('weights that are no numbers', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'of %f are refused wherever a network runs',
    async (value) => {
      const { network, layer } = damaged(value);
      const images = randomImages(network);
      const refusal = {
        code: 'bad-argument',
        message: expect.stringContaining(`${layer} weight 5 is ${value};`),
      };
      await expect(run(network, images, { masker: 'random' })).rejects.toMatchObject(refusal);
      await expect(run(network, images, { masker: 'random' })).rejects.toMatchObject(refusal);
      await expect(fitMaskers(network, images)).rejects.toMatchObject(refusal);
      await expect(measureAgreement(network, images)).rejects.toMatchObject(refusal);
    },
  );

  it('are refused of a masker, which would keep no cell', async () => {
    const network = structuredClone(smallNetwork());
    const block = blocksOf(network).find(({ masker }) => masker)!;
    block.masker!.weight[0] = Number.NaN;
    await expect(run(network, randomImages(network))).rejects.toThrow(
      `masker of ${block.name} weight 0 is NaN`,
    );
  });
});
