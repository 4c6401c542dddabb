import type { Kernel } from '../kernel.js';
import { placesOf, productCode, sumsOf, type TileSize, unrolled } from './product.js';
import {
  convolutionBindings,
  convolutionParameters,
  type Epilogue,
  nameOf,
  placeCode,
  sumCode,
} from './rows.js';

/** Sizes of the tile that a workgroup of a convolution of one group computes. */
export interface Tile extends TileSize {
  /** Kernels of this tile. */
  readonly family: `gemm ${'128x128' | '128x64' | '64x64' | '32x32'}`;
}

/** Tiles to choose from, the largest first. Each takes less than the 16 KiB of workgroup memory that WebGPU promises. */
export const TILES: readonly Tile[] = [
  { family: 'gemm 128x128', rows: 128, channels: 128, rowsEach: 8, vectorsEach: 2, depth: 2 },
  { family: 'gemm 128x64', rows: 128, channels: 64, rowsEach: 8, vectorsEach: 1, depth: 4 },
  { family: 'gemm 64x64', rows: 64, channels: 64, rowsEach: 4, vectorsEach: 1, depth: 4 },
  { family: 'gemm 32x32', rows: 32, channels: 32, rowsEach: 4, vectorsEach: 1, depth: 4 },
];

/**
 * Convolution of one group as an implicit matrix product: rows are output pixels, dense or listed, columns output
 * channels, and what is summed are taps times input channels. Each invocation holds `rowsEach` pixels of
 * `vectorsEach` times four channels in registers; while a slice is multiplied out of workgroup memory, the next one is on its way to registers.
 */
export function gemmKernel(tile: Tile, epilogue: Epilogue): Kernel {
  const { family, rows, channels, rowsEach, vectorsEach, depth } = tile;
  const columns = channels / 4;
  const lanes = columns / vectorsEach;
  const invocations = (rows / rowsEach) * lanes;
  return {
    name: `${family} ${nameOf(epilogue)}`,
    parameters: convolutionParameters(epilogue),
    bindings: convolutionBindings(epilogue),
    code: `${placeCode}
${sumCode(epilogue)}
var<workgroup> places: array<vec4i, ${rows}>;
var<workgroup> sources: array<vec4f, ${rows * depth}>;
var<workgroup> slice: array<vec4f, ${4 * depth * columns}>;

@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
${placesOf(tile, invocations)}
  let firstVector = group.y * ${columns}u;
  let column = local % ${lanes}u;
  let firstOwn = local / ${lanes}u * ${rowsEach}u;
${sumsOf(tile)}
${productCode(tile, { weights: 'weights', width: 'p.outVectors', source: 'gathered' })}
${unrolled(rowsEach * vectorsEach, (i) => {
  const row = `firstOwn + ${Math.floor(i / vectorsEach)}u`;
  const vector = `firstVector + column + ${(i % vectorsEach) * lanes}u`;
  return `  if (${vector} < p.outVectors && firstRow + ${row} < count) { finish(firstRow + ${row}, u32(places[${row}].w), ${vector}, sum${i}); }`;
})}
}`,
  };
}
