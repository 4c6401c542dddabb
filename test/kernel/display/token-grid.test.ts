import type { Mask, Network } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { onImage } from '../../../kernel/src/display/documents/token-grid.js';

const foreign = { kind: 'foreign' } as Network['nodes'][number];
const network = (height: number, width: number, nodes: Network['nodes'] = [foreign]) => ({
  nodes,
  inputShape: { channels: 3, height, width },
});
const mask = (tokens: number, active: (token: number) => boolean, granularity = 1): Mask => {
  const columns = Math.max(1, Math.floor(tokens / granularity));
  const cells = Uint8Array.from({ length: columns }, (_, i) => Number(active(i)));
  return { block: 3, granularity, batch: 1, rows: 1, columns, height: 1, width: tokens, cells };
};

describe('masks of tokens', () => {
  it('lie on the parts of the image, without the class token', () => {
    const first = mask(197, (token) => token === 0 || token === 2 || token === 15);
    const drawn = onImage(
      { ...first, margins: Float32Array.from({ length: 197 }, (_, i) => i) },
      network(224, 224),
    );
    expect(drawn).toMatchObject({ block: 3, granularity: 1, rows: 14, columns: 14, height: 14, width: 14 });
    // Token 1 is the first part of the first row, token 15 that of the second.
    expect([...drawn.cells].flatMap((cell, i) => (cell ? [i] : []))).toEqual([1, 14]);
    expect([...drawn.margins!.slice(0, 2), drawn.margins![195]]).toEqual([1, 2, 196]);
  });

  it('are those of each image, in cells of several tokens and in the proportions of the image', () => {
    const one = mask(33, (cell) => cell === 1, 4);
    const both = {
      ...one,
      batch: 2,
      cells: Uint8Array.from([...one.cells, ...one.cells.map((cell) => 1 - cell)]),
    };
    const drawn = onImage(both, network(64, 128));
    expect(drawn).toMatchObject({ rows: 4, columns: 8 });
    // Eight cells of 33 tokens: the second has the tokens 5 to 8.
    expect([...drawn.cells.slice(0, 10)]).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 0, 0]);
    expect([...drawn.cells.slice(32, 42)]).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 1, 1]);
  });

  it.each<[string, Mask, Parameters<typeof onImage>[1]]>([
    [
      'of a map of pixels',
      { ...mask(16, () => true), rows: 4, columns: 4, height: 4, width: 4 },
      network(64, 64),
    ],
    ['of a network without tokens', mask(16, () => true), network(64, 64, [])],
    ['of no grid of the image', mask(35, () => true), network(64, 64)],
  ])('stay as they are %s', (_, given, of) => {
    expect(onImage(given, of)).toBe(given);
  });
});
