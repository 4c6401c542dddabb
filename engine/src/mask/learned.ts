import { FoveaError } from '../errors.js';
import type { Block } from '../network/network.js';
import type { Masker } from './mask.js';

/**
 * The masker that the network was trained with: pooled input · weight + bias, active where ≥ 0.
 * Its decision throws FoveaError `unsupported` on a block that has no learned masker.
 *
 * @example
 * ```ts
 * import { learnedMasker, loadShippedModel, run, Tensor } from '@fovea/engine';
 *
 * const network = await loadShippedModel('quick-look');
 * const { masks } = await run(network, Tensor.zeros([1, 128, 128, 3]), { masker: learnedMasker() });
 * console.log(masks.map(({ block, cells }) => [block, cells.length]));
 * ```
 */
export function learnedMasker(): Masker {
  const made: Masker = {
    kind: 'learned',
    description: 'learned',
    needsPool: true,
    decide({ block, pooled, batch, rows, columns }) {
      const { masker } = block;
      if (!masker) {
        throw new FoveaError(
          'unsupported',
          `block ${block.index} (${block.name}) has no learned masker; choose saliency, random or fixed, or fit maskers first`,
        );
      }
      const C = masker.weight.length;
      const margins = new Float32Array(batch * rows * columns);
      const cells = new Uint8Array(margins.length);
      for (let cell = 0; cell < cells.length; cell++) {
        let margin = masker.bias;
        // What overflows in single precision does so here too: all backends decide alike.
        for (let c = 0; c < C; c++) margin += Math.fround(masker.weight[c]! * pooled[cell * C + c]!);
        margins[cell] = margin;
        cells[cell] = margin >= 0 ? 1 : 0;
      }
      return { cells, margins };
    },
  };
  learned.add(made);
  return made;
}

/** What makes a block with a shortcut run at every pixel among blocks with masks: one cell, decided beforehand. */
export function alwaysActive({ branch }: Block): Required<Pick<Block, 'masker' | 'granularity'>> {
  return {
    masker: { weight: new Float32Array(branch[0]!.inChannels), bias: 1 },
    granularity: wholeMap,
  };
}

/** A granularity beyond any map's side: a single cell. */
const wholeMap = 2 ** 20;

/** The maskers made here: a custom masker may also be named learned and decide differently. */
const learned = new WeakSet<Masker>();

/** True of what `learnedMasker` returns. */
export function isLearned(masker: Masker): boolean {
  return learned.has(masker);
}
