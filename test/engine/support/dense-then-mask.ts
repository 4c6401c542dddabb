import { blocksOf, type Masker, type Network, type Tensor } from '@fovea/engine';
import { placedBy } from '../differential/maskers.js';
import { oracle } from '../differential/oracle.js';

/** The oracle's answer with one S for all blocks, and cells that a masker places without a look at the image. */
export async function denseThenMask(network: Network, images: Tensor, masker: Masker, granularity: number) {
  const { output, masks } = await oracle(network, images, {
    granularity: blocksOf(network).map(() => granularity),
    decide: placedBy(masker),
  });
  return { logits: output.data, cells: masks.map(({ cells }) => cells) };
}
