import { expectArgument, expectOptions } from '../arguments/expect.js';
import { aFlag, aFunction, aText } from '../arguments/kinds.js';
import { said, tagOf } from '../arguments/said.js';
import { FoveaError } from '../errors.js';
import type { Masker, MaskerContext } from './mask.js';

/**
 * A masker of the user's own: a function from a block's pooled input to its cells.
 *
 * @param decide returns one value per cell, `batch · rows · columns` in that order: booleans; a `Uint8Array` of cells, 1
 *   for active; or numbers that are active when ≥ 0 and then also serve as margins. A list of the numbers 0 and 1, both and no others, is
 *   refused, because it could be either; as margins they are accepted in a `Float32Array`
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
  options: { description?: string; needsPool?: boolean } = {},
): Masker {
  expectArgument(decide, aFunction, 'customMasker: decide');
  const kinds = { description: aText, needsPool: aFlag };
  const { description = 'custom', needsPool = true } = expectOptions(options, kinds, 'customMasker');
  return {
    kind: 'custom',
    description,
    needsPool,
    async decide(context) {
      const { block, batch, rows, columns } = context;
      const values = await decide(context);
      const wanted = batch * rows * columns;
      if (values?.length !== wanted) {
        throw new FoveaError(
          'bad-shape',
          `the masker returned ${values?.length ?? 'no'} values for block ${block.index}; ` +
            `${wanted} (${batch} x ${rows} x ${columns}) are needed`,
        );
      }
      // Bytes are never below 0: as margins they would make every cell active.
      if (isA(values, ['Uint8Array', 'Uint8ClampedArray']))
        return { cells: Uint8Array.from(values as ArrayLike<number>) };
      const kind = typeof values[0] === 'boolean' ? 'boolean' : 'number';
      const cells = new Uint8Array(wanted);
      const margins = new Float32Array(wanted);
      let [others, ones] = [0, 0];
      for (let i = 0; i < wanted; i++) {
        // Of somebody else's function: it may hold anything.
        const value: unknown = values[i];
        if (typeof value !== kind || Number.isNaN(value)) {
          const accepted =
            kind === 'boolean'
              ? 'true or false, as for the first'
              : 'true or false for every cell, or a number for every one';
          throw new FoveaError(
            'bad-argument',
            `the masker returned ${said(value)} for cell ${i} of block ${block.index}; ${accepted}, is accepted`,
          );
        }
        const margin = Number(value);
        margins[i] = margin;
        cells[i] = (kind === 'boolean' ? value : margin >= 0) ? 1 : 0;
        if (margin === 1) ones++;
        else if (margin !== 0) others++;
      }
      if (kind === 'boolean') return { cells };
      if (others === 0 && ones > 0 && ones < wanted && !isA(values, ['Float32Array', 'Float64Array'])) {
        throw new FoveaError(
          'bad-argument',
          `the masker returned only the numbers 0 and 1 for block ${block.index}, which as margins would all be active; ` +
            'true and false or a Uint8Array is accepted, or margins in a Float32Array',
        );
      }
      return { cells, margins };
    },
  };
}

/** Whether values are a typed array of one of these kinds, also of one that another realm's code made. */
function isA(values: object, kinds: readonly string[]): boolean {
  return kinds.includes(tagOf(values));
}
