import type { Masker } from './mask.js';
import { checkRate } from './rate.js';

/** A saliency masker, with the rate it keeps. */
export interface SaliencyMasker extends Masker {
  readonly kind: 'saliency';
  readonly rate: number;
}

/**
 * Keeps the `round(rate · cells)` cells of every image whose pooled input has most energy (sum of squares over
 * channels); of equals, the earlier one. Needs no training: activations of a trained network are largest on
 * what it responds to.
 * @throws FoveaError `bad-argument` when the rate is outside 0…1
 *
 * @example
 * ```ts
 * import { builtNetwork, run, saliencyMasker, Tensor } from '@fovea/engine';
 *
 * const masker = saliencyMasker(0.5);
 * const { profile } = await run(builtNetwork('resnet18'), Tensor.zeros([1, 64, 64, 3]), { masker, granularity: 2 });
 * console.log(profile.blocks.map(({ name, rate }) => `${name}: ${rate}`));
 * ```
 */
export function saliencyMasker(rate: number): SaliencyMasker {
  checkRate(rate);
  const made: SaliencyMasker = {
    kind: 'saliency',
    description: `saliency at ${rate}`,
    needsPool: true,
    rate,
    decide({ shape, pooled, batch, rows, columns }) {
      const C = shape.inChannels;
      const plane = rows * columns;
      const cells = new Uint8Array(batch * plane);
      const energies = new Float32Array(batch * plane);
      for (let cell = 0; cell < energies.length; cell++) {
        let energy = 0;
        for (let c = 0; c < C; c++) energy += pooled[cell * C + c]! ** 2;
        energies[cell] = energy;
      }
      const margins = new Float32Array(batch * plane);
      const kept = Math.round(rate * plane);
      for (let n = 0; n < batch; n++) {
        const image = energies.subarray(n * plane, (n + 1) * plane);
        const order = Array.from(image.keys()).sort((a, b) => image[b]! - image[a]! || a - b);
        for (const cell of order.slice(0, kept)) cells[n * plane + cell] = 1;
        const threshold = kept > 0 ? image[order[kept - 1]!]! : Number.POSITIVE_INFINITY;
        for (let cell = 0; cell < plane; cell++) {
          margins[n * plane + cell] = kept > 0 ? image[cell]! - threshold : -image[cell]!;
        }
      }
      return { cells, margins };
    },
  };
  rates.set(made, rate);
  return made;
}

/** Of the maskers made here: a custom masker may have the same name and decide differently. */
const rates = new WeakMap<Masker, number>();

/** The rate of a masker that keeps the cells of most energy; undefined for any other. */
export function salientRate(masker: Masker): number | undefined {
  return rates.get(masker);
}
