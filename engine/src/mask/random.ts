import { Random } from '../random.js';
import type { Masker } from './mask.js';
import { checkRate } from './rate.js';

/**
 * Keeps `round(rate · cells)` cells of every image, at places drawn from the seed: for benchmarks, where the
 * amount of work must be exact and the place must not matter.
 * @throws FoveaError `bad-argument` when the rate is outside 0…1
 */
export function randomMasker(rate: number, seed = 1): Masker {
  checkRate(rate);
  return {
    kind: 'random',
    description: `random at ${rate}, seed ${seed}`,
    needsPool: false,
    decide({ block, batch, rows, columns }) {
      const plane = rows * columns;
      const cells = new Uint8Array(batch * plane);
      const kept = Math.round(rate * plane);
      for (let n = 0; n < batch; n++) {
        const order = Uint32Array.from({ length: plane }, (_, cell) => cell);
        new Random(seed, block.index * 65_537 + n).shuffle(order);
        for (let i = 0; i < kept; i++) cells[n * plane + order[i]!] = 1;
      }
      return { cells };
    },
  };
}
