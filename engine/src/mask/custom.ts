import { FoveaError } from '../errors.js';
import type { Masker, MaskerContext } from './mask.js';

/**
 * A masker of the user's own: a function from a block's pooled input to its cells.
 *
 * @param decide returns one value per cell, `batch · rows · columns` in that order: booleans; a `Uint8Array` of cells, 1
 *   for active; or numbers that are active when ≥ 0 and then also serve as margins
 * @param options `description` for tables; `needsPool: false` when the function does not read `pooled`
 *
 * @example
 * ```ts
 * import { customMasker } from '@fovea/engine';
 *
 * const centre = customMasker(({ batch, rows, columns }) =>
 *   Array.from({ length: batch * rows * columns }, (_, i) => {
 *     const [row, column] = [Math.floor(i / columns) % rows, i % columns];
 *     return Math.hypot(row - rows / 2, column - columns / 2) < rows / 4;
 *   }),
 * );
 * ```
 */
export function customMasker(
  decide: (context: MaskerContext) => ArrayLike<number | boolean> | Promise<ArrayLike<number | boolean>>,
  { description = 'custom', needsPool = true }: { description?: string; needsPool?: boolean } = {},
): Masker {
  return {
    kind: 'custom',
    description,
    needsPool,
    async decide(context) {
      const values = await decide(context);
      const wanted = context.batch * context.rows * context.columns;
      if (values?.length !== wanted) {
        throw new FoveaError(
          'bad-shape',
          `the masker returned ${values?.length ?? 'no'} values for block ${context.block.index}; ` +
            `${wanted} (${context.batch} x ${context.rows} x ${context.columns}) are needed`,
        );
      }
      // Bytes are never below 0: as margins they would make every cell active.
      if (isBytes(values)) return { cells: Uint8Array.from(values) };
      const cells = new Uint8Array(wanted);
      if (typeof values[0] === 'boolean') {
        for (let i = 0; i < wanted; i++) cells[i] = values[i] ? 1 : 0;
        return { cells };
      }
      const margins = Float32Array.from(values as ArrayLike<number>);
      for (let i = 0; i < wanted; i++) {
        if (Number.isNaN(margins[i])) {
          throw new FoveaError(
            'bad-argument',
            `the masker returned NaN for cell ${i} of block ${context.block.index}`,
          );
        }
        cells[i] = margins[i]! >= 0 ? 1 : 0;
      }
      return { cells, margins };
    },
  };
}

/** True of unsigned bytes, also of those that another realm's code made. */
function isBytes(values: ArrayLike<number | boolean>): values is Uint8Array {
  const kind = Object.prototype.toString.call(values);
  return kind === '[object Uint8Array]' || kind === '[object Uint8ClampedArray]';
}
