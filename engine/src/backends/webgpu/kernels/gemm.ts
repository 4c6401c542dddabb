import type { Kernel } from '../kernel.js';
import { convolutionBindings, convolutionParameters, type Epilogue, nameOf, placeCode } from './rows.js';

/** Sizes of a workgroup's tile: output pixels, output channels, and what of both one invocation sums. */
export interface Tile {
  /** Kernels of this tile. */
  readonly family: `gemm ${'128x128' | '128x64' | '64x64' | '32x32'}`;
  readonly rows: number;
  readonly channels: number;
  readonly rowsEach: number;
  /** Vectors of output channels, as far from each other as the tile is wide. */
  readonly vectorsEach: number;
  /** Input vectors (four channels of one tap) that are in workgroup memory at a time. */
  readonly depth: number;
}

/** Slices that a workgroup multiplies, one after the other, for `depth` input vectors of all taps. */
export function gemmSteps(depth: number, tile: Tile): number {
  return Math.ceil(depth / tile.depth);
}

/** Tiles to choose from, the largest first. Each takes less than the 16 KiB of workgroup memory that WebGPU promises. */
export const TILES: readonly Tile[] = [
  { family: 'gemm 128x128', rows: 128, channels: 128, rowsEach: 8, vectorsEach: 2, depth: 2 },
  { family: 'gemm 128x64', rows: 128, channels: 64, rowsEach: 8, vectorsEach: 1, depth: 4 },
  { family: 'gemm 64x64', rows: 64, channels: 64, rowsEach: 4, vectorsEach: 1, depth: 4 },
  { family: 'gemm 32x32', rows: 32, channels: 32, rowsEach: 4, vectorsEach: 1, depth: 4 },
];

const unrolled = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

/**
 * Convolution of one group as an implicit matrix product: rows are output pixels, dense or listed, columns output
 * channels, and what is summed are taps times input channels. Each invocation holds `rowsEach` pixels of
 * `vectorsEach` times four channels in registers; while a slice is multiplied out of workgroup memory, the next one is on its way to registers.
 */
export function gemmKernel(tile: Tile, epilogue: Epilogue): Kernel {
  const { family, rows, channels, rowsEach, vectorsEach, depth: DEPTH } = tile;
  const columns = channels / 4;
  const lanes = columns / vectorsEach;
  const invocations = (rows / rowsEach) * lanes;
  const sourceLoads = (rows * DEPTH) / invocations;
  const weightLoads = (4 * DEPTH * columns) / invocations;
  return {
    name: `${family} ${nameOf(epilogue)}`,
    parameters: convolutionParameters(epilogue),
    bindings: convolutionBindings(epilogue),
    code: `${placeCode(epilogue)}
var<workgroup> places: array<vec4i, ${rows}>;
var<workgroup> sources: array<vec4f, ${rows * DEPTH}>;
var<workgroup> slice: array<vec4f, ${4 * DEPTH * columns}>;

@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let count = rowCount();
  let firstRow = groupNumber(group, groups) * ${rows}u;
  if (firstRow >= count) { return; }
  for (var r = local; r < ${rows}u; r += ${invocations}u) {
    // Beyond the last row every tap lies outside.
    var place = vec4i(0, -0x40000000, 0, 0);
    if (firstRow + r < count) { place = placeOf(firstRow + r); }
    places[r] = place;
  }
  workgroupBarrier();
  let firstVector = group.y * ${columns}u;
  let column = local % ${lanes}u;
  let firstOwn = local / ${lanes}u * ${rowsEach}u;
  let depth = p.kernelHeight * p.kernelWidth * p.inVectors;
  // The input vector that this invocation brings, and its tap.
  var vector = local % ${DEPTH}u;
  var tapX = 0u;
  var tapY = 0u;
${unrolled(rowsEach * vectorsEach, (i) => `  var sum${i} = vec4f(0);`)}
${unrolled(sourceLoads, (i) => `  var nextSource${i} = vec4f(0);`)}
${unrolled(weightLoads, (i) => `  var nextWeight${i} = vec4f(0);`)}
  for (var first = 0u; first < depth + ${DEPTH}u; first += ${DEPTH}u) {
    if (first > 0u) {
${unrolled(sourceLoads, (i) => `      sources[local + ${i * invocations}u] = nextSource${i};`)}
${unrolled(weightLoads, (i) => `      slice[local + ${i * invocations}u] = nextWeight${i};`)}
    }
    workgroupBarrier();
    if (first < depth) {
      while (vector >= p.inVectors) {
        vector -= p.inVectors;
        tapX++;
        if (tapX == p.kernelWidth) { tapX = 0u; tapY++; }
      }
${unrolled(
  sourceLoads,
  (i) => `      {
        nextSource${i} = vec4f(0);
        let at = sourceAt(places[(local + ${i * invocations}u) / ${DEPTH}u], tapY, tapX);
        if (at != NONE && tapY < p.kernelHeight) { nextSource${i} = vec4f(source[at * p.inVectors + vector]); }
      }`,
)}
${unrolled(
  weightLoads,
  (i) => `      {
        nextWeight${i} = vec4f(0);
        let deep = first * 4u + (local + ${i * invocations}u) / ${columns}u;
        let wide = firstVector + (local + ${i * invocations}u) % ${columns}u;
        if (deep < depth * 4u && wide < p.outVectors) { nextWeight${i} = vec4f(weights[deep * p.outVectors + wide]); }
      }`,
)}
      vector += ${DEPTH}u;
    }
    if (first > 0u) {
      for (var k = 0u; k < ${DEPTH}u; k++) {
${unrolled(
  4 * vectorsEach,
  (i) =>
    `        let w${i} = slice[(k * 4u + ${i % 4}u) * ${columns}u + column + ${Math.floor(i / 4) * lanes}u];`,
)}
${unrolled(
  rowsEach,
  (row) => `        {
          let s = sources[(firstOwn + ${row}u) * ${DEPTH}u + k];
${unrolled(4 * vectorsEach, (i) => {
  const sum = `sum${row * vectorsEach + Math.floor(i / 4)}`;
  return `          ${sum} = fma(vec4f(s.${'xyzw'[i % 4]}), w${i}, ${sum});`;
})}
        }`,
)}
      }
    }
    workgroupBarrier();
  }
${unrolled(rowsEach * vectorsEach, (i) => {
  const row = `firstOwn + ${Math.floor(i / vectorsEach)}u`;
  const vector = `firstVector + column + ${(i % vectorsEach) * lanes}u`;
  return `  if (${vector} < p.outVectors && firstRow + ${row} < count) { finish(firstRow + ${row}, u32(places[${row}].w), ${vector}, sum${i}); }`;
})}
}`,
  };
}
