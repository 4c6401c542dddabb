import { expectArgument, expectFields } from '../arguments/expect.js';
import { aNumber, type Kind, someBytes } from '../arguments/kinds.js';
import { tagOf } from '../arguments/said.js';
import { FoveaError } from '../errors.js';
import type { Masker } from './mask.js';

/** A region of the image: a grid over the whole picture, 1 inside. */
export interface ImageRegion {
  readonly rows: number;
  readonly columns: number;
  /** `rows · columns` values, the same for every image, or `batch · rows · columns`. */
  readonly cells: Uint8Array;
}

const cellsOfBlocks: Kind = {
  accepted: 'a list or a Map of Uint8Arrays, one for each block,',
  holds: (value) =>
    (Array.isArray(value) || tagOf(value) === 'Map') &&
    [...(value as ReadonlyMap<number, unknown> | readonly unknown[]).values()].every(
      (cells) => cells === undefined || someBytes.holds(cells),
    ),
};

/**
 * Keeps exactly the given cells of each block's own grid.
 * @param cells by block index: `rows · columns` values (used for every image) or `batch · rows · columns`;
 *   its decision throws FoveaError `bad-shape` when the length fits neither, or the block has none
 *
 * @example
 * ```ts
 * import { blocksOf, builtNetwork, fixedMasker, run, Tensor } from '@fovea/engine';
 *
 * // At S = 16 every block of this image is one cell: skip every second block.
 * const network = builtNetwork('resnet18');
 * const masker = fixedMasker(blocksOf(network).map(({ index }) => Uint8Array.of(index % 2)));
 * const { masks } = await run(network, Tensor.zeros([1, 64, 64, 3]), { masker, granularity: 16 });
 * console.log(masks.map(({ cells }) => cells[0])); // 0, 1, 0, 1, 0, 1, 0, 1
 * ```
 */
export function fixedMasker(
  cells: ReadonlyMap<number, Uint8Array> | readonly (Uint8Array | undefined)[],
): Masker {
  expectArgument(cells, cellsOfBlocks, 'fixedMasker: cells');
  return {
    kind: 'fixed',
    description: 'fixed',
    needsPool: false,
    decide({ block, batch, rows, columns }) {
      const given = 'get' in cells ? cells.get(block.index) : cells[block.index];
      const wanted = rows * columns;
      if (!given || (given.length !== wanted && given.length !== batch * wanted)) {
        throw new FoveaError(
          'bad-shape',
          `fixed mask of block ${block.index} (${block.name}) has ${given?.length ?? 0} cells; ` +
            `${wanted} (${rows} x ${columns}) or ${batch} times that are accepted`,
        );
      }
      if (given.some((cell) => cell > 1)) {
        throw new FoveaError('bad-argument', `fixed mask of block ${block.index}: cells must be 0 or 1`);
      }
      return { cells: given.length === batch * wanted ? given.slice() : repeat(given, batch) };
    },
  };
}

/**
 * Keeps the cells that a region of the image touches, whatever the block's grid: what a person painted.
 * @throws FoveaError `bad-shape` when the region's cells do not match its rows and columns
 *
 * @example
 * ```ts
 * import { builtNetwork, regionMasker, run, Tensor } from '@fovea/engine';
 *
 * const leftHalf = regionMasker({ rows: 1, columns: 2, cells: Uint8Array.from([1, 0]) });
 * const { masks } = await run(builtNetwork('resnet18'), Tensor.zeros([1, 64, 64, 3]), { masker: leftHalf });
 * console.log(masks[0]!.cells);
 * ```
 */
export function regionMasker(region: ImageRegion): Masker {
  expectFields(region, { rows: aNumber, columns: aNumber }, 'regionMasker: region');
  expectArgument(region.cells, someBytes, 'regionMasker: cells');
  const plane = region.rows * region.columns;
  const isGrid = [region.rows, region.columns].every((extent) => Number.isInteger(extent) && extent > 0);
  if (!isGrid || region.cells.length % plane !== 0 || region.cells.length === 0) {
    throw new FoveaError(
      'bad-shape',
      `region of ${region.rows} x ${region.columns} has ${region.cells.length} cells; a multiple of ${plane} is accepted`,
    );
  }
  return {
    kind: 'fixed',
    description: 'fixed (region)',
    needsPool: false,
    decide({ batch, rows, columns }) {
      const images = region.cells.length / plane;
      if (images !== 1 && images !== batch) {
        throw new FoveaError('bad-shape', `region for ${images} images given to a batch of ${batch}`);
      }
      const cells = new Uint8Array(batch * rows * columns);
      for (let n = 0; n < batch; n++) {
        const image = (images === 1 ? 0 : n) * plane;
        for (let row = 0; row < rows; row++) {
          const top = Math.floor((row * region.rows) / rows);
          const bottom = Math.ceil(((row + 1) * region.rows) / rows);
          for (let column = 0; column < columns; column++) {
            const left = Math.floor((column * region.columns) / columns);
            const right = Math.ceil(((column + 1) * region.columns) / columns);
            let touched = 0;
            for (let y = top; y < bottom && !touched; y++) {
              for (let x = left; x < right && !touched; x++)
                touched = region.cells[image + y * region.columns + x]!;
            }
            cells[(n * rows + row) * columns + column] = touched ? 1 : 0;
          }
        }
      }
      return { cells };
    },
  };
}

function repeat(cells: Uint8Array, times: number): Uint8Array {
  const repeated = new Uint8Array(cells.length * times);
  for (let i = 0; i < times; i++) repeated.set(cells, i * cells.length);
  return repeated;
}
