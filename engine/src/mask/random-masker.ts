import { expectArgument } from '../arguments/expect.js';
import { anInteger } from '../arguments/kinds.js';
import { Random } from '../random.js';
import type { Masker } from './mask.js';
import { checkRate } from './rate.js';

/**
 * Keeps `round(rate · cells)` cells of every image, at places drawn from the seed: for benchmarks, where the
 * amount of work must be exact and the place must not matter.
 * @throws FoveaError `bad-argument` when the rate is outside 0…1
 *
 * @example
 * ```ts
 * import { activeFraction, builtNetwork, randomMasker, run, Tensor } from '@fovea/engine';
 *
 * const masker = randomMasker(0.25, 7);
 * const { masks } = await run(builtNetwork('resnet18'), Tensor.zeros([1, 64, 64, 3]), { masker, granularity: 2 });
 * console.log(activeFraction(masks[0]!.cells)); // 0.25
 * ```
 */
export function randomMasker(rate: number, seed = 1): Masker {
  checkRate(rate);
  expectArgument(seed, anInteger, 'randomMasker: seed');
  // Drawn once for every block, because a benchmark uses the same masks many times.
  const drawn = new Map<number, { batch: number; rows: number; columns: number; cells: Uint8Array }>();
  return {
    kind: 'random',
    description: `random at ${rate}, seed ${seed}`,
    needsPool: false,
    rate,
    decide({ block, batch, rows, columns }) {
      const known = drawn.get(block.index);
      if (known && known.batch === batch && known.rows === rows && known.columns === columns) return known;
      const cells = draw(rate, seed, block.index, batch, rows * columns);
      const decision = { batch, rows, columns, cells };
      drawn.set(block.index, decision);
      return decision;
    },
  };
}

function draw(rate: number, seed: number, block: number, batch: number, plane: number): Uint8Array {
  const cells = new Uint8Array(batch * plane);
  const kept = Math.round(rate * plane);
  const order = new Uint32Array(plane);
  for (let n = 0; n < batch; n++) {
    for (let cell = 0; cell < plane; cell++) order[cell] = cell;
    new Random(seed, block * 65_537 + n).shuffle(order);
    for (let i = 0; i < kept; i++) cells[n * plane + order[i]!] = 1;
  }
  return cells;
}
