import type { Kernel } from '../kernel.js';
import { bringCode, placesOf, unrolled } from './product.js';
import {
  convolutionBindings,
  convolutionParameters,
  type Epilogue,
  nameOf,
  placeCode,
  sumCode,
} from './rows.js';

/** The matrices that the subgroups of an adapter multiply: M x K by K x N, of half precision, summed in float32. */
export interface MatrixUnit {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** Invocations of a subgroup. */
  readonly subgroup: number;
  /** True where the adapter has subgroups of other sizes too, so that a kernel has to ask for this one. */
  readonly isAskedFor?: boolean;
}

/** The sizes of its matrices, as kernels and choices are kept by. */
export const nameOfUnit = ({ M, N, K }: MatrixUnit) => `${M}x${N}x${K}`;

/** Sizes of the tile that a workgroup computes with matrices of subgroups. */
export interface MatrixTile {
  readonly family: `matrices ${'128x64' | '64x64' | '32x32'}`;
  /** Output pixels and output channels. */
  readonly rows: number;
  readonly channels: number;
  /** Input vectors (four channels of one tap) that are in workgroup memory at a time. */
  readonly depth: number;
}

/** Tiles to choose from, the largest first. */
const MATRIX_TILES: readonly MatrixTile[] = [
  { family: 'matrices 128x64', rows: 128, channels: 64, depth: 4 },
  { family: 'matrices 64x64', rows: 64, channels: 64, depth: 8 },
  { family: 'matrices 32x32', rows: 32, channels: 32, depth: 8 },
];

/** Between rows in workgroup memory, so that they begin in different banks; 16 bytes keep every matrix aligned. */
const GAP = 8;
/** What WebGPU promises a workgroup. */
const MOST_INVOCATIONS = 256;
const MOST_BYTES = 16_384;

/** Invocations that a workgroup should have about. */
const INVOCATIONS = 128;

/** Subgroups of a workgroup along the rows of its tile, and along its channels: the more, the smaller they are. */
const alongOf = ({ subgroup }: MatrixUnit) =>
  Math.max(2, 2 ** Math.floor(Math.log2(INVOCATIONS / subgroup) / 2));

const strides = ({ channels, depth }: MatrixTile) => ({ source: 4 * depth + GAP, slice: channels + GAP });

function bytesOf(tile: MatrixTile, unit: MatrixUnit): number {
  const { source, slice } = strides(tile);
  const sums = alongOf(unit) ** 2 * unit.M * unit.N;
  return 16 * tile.rows + 2 * (tile.rows * source + 4 * tile.depth * slice) + 4 * sums;
}

/** The tiles that are made of whole matrices of this size. */
export function matrixTiles(unit: MatrixUnit): readonly MatrixTile[] {
  const { M, N, K, subgroup } = unit;
  const along = alongOf(unit);
  const invocations = along ** 2 * subgroup;
  return MATRIX_TILES.filter((tile) => {
    const { rows, channels, depth } = tile;
    return (
      rows % (along * M) === 0 &&
      channels % (along * N) === 0 &&
      (4 * depth) % K === 0 &&
      N % 4 === 0 &&
      // Each invocation brings as much as any other.
      invocations % depth === 0 &&
      (rows * depth) % invocations === 0 &&
      (depth * channels) % invocations === 0 &&
      invocations <= MOST_INVOCATIONS &&
      bytesOf(tile, unit) <= MOST_BYTES
    );
  });
}

/**
 * The convolution of `gemmKernel` with matrices of subgroups: each subgroup of a workgroup sums an equal part of its
 * tile. What they multiply comes from workgroup memory, where gathered rows lie as half precision; sums are float32
 * and go through workgroup memory, matrix by matrix, to the same epilogue.
 */
export function matrixKernel(tile: MatrixTile, unit: MatrixUnit, epilogue: Epilogue): Kernel {
  const { family, rows, channels, depth } = tile;
  const { M, N, K, subgroup, isAskedFor } = unit;
  const stride = strides(tile);
  const along = alongOf(unit);
  const invocations = along ** 2 * subgroup;
  const bring = bringCode(tile, invocations, 'Value', { weights: 'weights', width: 'p.outVectors' });
  const [down, across] = [rows / along / M, channels / along / N];
  const load = (type: string, memory: string, at: string, of: number) =>
    `subgroupMatrixLoad<subgroup_matrix_${type}, row_major>(&${memory}, ${at}, ${of}u)`;
  const left = (row: number) =>
    load(
      `left<f16, ${K}, ${M}>`,
      'sources',
      `ownSource + step * ${K}u + ${row * M * stride.source}u`,
      stride.source,
    );
  const right = (column: number) =>
    load(
      `right<f16, ${N}, ${K}>`,
      'slice',
      `ownSlice + step * ${K * stride.slice}u + ${column * N}u`,
      stride.slice,
    );
  const sums = Array.from({ length: down * across }, (_, i) => ({
    name: `sum${i}`,
    row: Math.floor(i / across),
    column: i % across,
  }));
  return {
    name: `${family} of ${nameOfUnit(unit)} ${nameOf(epilogue)}`,
    parameters: convolutionParameters(epilogue),
    bindings: convolutionBindings(epilogue),
    enables: [
      ...['subgroups', 'chromium_experimental_subgroup_matrix'],
      ...(isAskedFor ? ['subgroup_size_control'] : []),
    ],
    code: `${placeCode}
${sumCode(epilogue)}
var<workgroup> places: array<vec4i, ${rows}>;
var<workgroup> sources: array<f16, ${rows * stride.source}>;
var<workgroup> slice: array<f16, ${4 * depth * stride.slice}>;
var<workgroup> sums: array<f32, ${along ** 2 * M * N}>;

// Finishes one matrix of every subgroup, the first of which begins at a row and a vector of the tile.
fn finishMatrices(local: u32, firstRow: u32, count: u32, firstVector: u32, row: u32, vector: u32) {
  for (var item = local; item < ${(along ** 2 * M * N) / 4}u; item += ${invocations}u) {
    let owner = item / ${(M * N) / 4}u;
    let within = item % ${(M * N) / 4}u;
    let ownRow = row + owner / ${along}u * ${rows / along}u + within / ${N / 4}u;
    let ownVector = firstVector + vector + owner % ${along}u * ${channels / 4 / along}u + within % ${N / 4}u;
    if (ownVector < p.outVectors && firstRow + ownRow < count) {
      let at = item * 4u;
      let sum = vec4f(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
      finish(firstRow + ownRow, u32(places[ownRow].w), ownVector, sum);
    }
  }
}

@compute @workgroup_size(${invocations})${isAskedFor ? ` @subgroup_size(${subgroup})` : ''}
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32, @builtin(subgroup_id) own: u32) {
${placesOf(tile, invocations)}
  let firstVector = group.y * ${channels / 4}u;
  let ownSource = own / ${along}u * ${(rows / along) * stride.source}u;
  let ownSlice = own % ${along}u * ${channels / along}u;
  let depth = p.kernelHeight * p.kernelWidth * p.inVectors;
${bring.declare}
${sums.map(({ name }) => `  var ${name} = subgroup_matrix_result<f32, ${N}, ${M}>();`).join('\n')}
  for (var first = 0u; first < depth + ${depth}u; first += ${depth}u) {
    if (first > 0u) {
${unrolled(bring.sources, (i) => storeHalves('sources', `nextSource${i}`, `local + ${i * invocations}u`, depth, stride.source))}
${unrolled(bring.weights, (i) => storeHalves('slice', `nextWeight${i}`, `local + ${i * invocations}u`, channels / 4, stride.slice))}
    }
    workgroupBarrier();
    if (first < depth) {
${bring.fetch}
    }
    if (first > 0u) {
      for (var step = 0u; step < ${(4 * depth) / K}u; step++) {
${unrolled(down, (row) => `        let left${row} = ${left(row)};`)}
${unrolled(across, (column) => `        let right${column} = ${right(column)};`)}
${sums
  .map(
    ({ name, row, column }) =>
      `        ${name} = subgroupMatrixMultiplyAccumulate(left${row}, right${column}, ${name});`,
  )
  .join('\n')}
      }
    }
    workgroupBarrier();
  }
${sums
  .map(
    ({ name, row, column }) => `  subgroupMatrixStore<row_major>(&sums, own * ${M * N}u, ${name}, ${N}u);
  workgroupBarrier();
  finishMatrices(local, firstRow, count, firstVector, ${row * M}u, ${(column * N) / 4}u);
  workgroupBarrier();`,
  )
  .join('\n')}
}`,
  };
}

/** Puts a vector, the `item`th of rows of so many, into an array of single halves. */
function storeHalves(memory: string, vector: string, item: string, each: number, stride: number): string {
  return `      {
        let at = (${item}) / ${each}u * ${stride}u + (${item}) % ${each}u * 4u;
${unrolled(4, (i) => `        ${memory}[at + ${i}u] = ${vector}.${'xyzw'[i]};`)}
      }`;
}
