import type { Mask, Network } from '@fovea/engine';
import { cellOf, spreadCells } from '@fovea/engine/backend';

/** Tokens before those of the image: for the class, for distillation, registers. */
const mostOthers = 8;

/**
 * A mask of tokens as one of the parts of the image that they stand for. Transformers with tokens that are no pixels have
 * maps of one row, `[N, 1, T, C]`; the last tokens are the image's, row by row, in as many rows and columns as its sides
 * are to each other.
 * @returns the mask itself where its map is no such row
 */
export function onImage(mask: Mask, network: Pick<Network, 'nodes' | 'inputShape'>): Mask {
  const { batch, height, width, cells, margins } = mask;
  // What puts tokens in a row runs in onnxruntime.
  if (height !== 1 || !network.nodes.some(({ kind }) => kind === 'foreign')) return mask;
  const grid = gridOf(width, network.inputShape);
  if (!grid) return mask;
  const first = width - grid.rows * grid.columns;
  const cut = <Of extends Uint8Array | Float32Array>(values: Of): Of => {
    const kept = Array.from({ length: batch }, (_, n) => [
      ...values.subarray(n * width + first, (n + 1) * width),
    ]);
    return (
      values instanceof Uint8Array ? Uint8Array.from(kept.flat()) : Float32Array.from(kept.flat())
    ) as Of;
  };
  return {
    ...mask,
    ...grid,
    ...{ height: grid.rows, width: grid.columns },
    cells: cut(spreadCells(cells, mask, batch, 1, width)),
    ...(margins ? { margins: cut(spreadMargins(margins, mask)) } : {}),
  };
}

/** Rows and columns of an image's tokens, of which `tokens` are there and some more before them. */
function gridOf(
  tokens: number,
  image: Network['inputShape'],
): { readonly rows: number; readonly columns: number } | undefined {
  for (let count = tokens; count >= Math.max(4, tokens - mostOthers); count--) {
    const rows = Math.round(Math.sqrt((count * image.height) / image.width));
    const columns = count / rows;
    if (rows > 1 && Number.isInteger(columns) && rows * image.width === columns * image.height)
      return { rows, columns };
  }
  return undefined;
}

/** The margin of each token's cell. */
function spreadMargins(margins: Float32Array, { batch, columns, width }: Mask): Float32Array {
  return Float32Array.from({ length: batch * width }, (_, i) => {
    const [n, x] = [Math.floor(i / width), i % width];
    return margins[n * columns + cellOf(x, width, columns)]!;
  });
}
