import { type Binding, type Kernel, type Precision, vectorBytes } from '../kernel.js';
import { type ActivationKind, activationParameters } from './activation.js';
import { placesOf, productCode, sumsOf, type TileSize } from './product.js';
import { convolutionBindings, convolutionParameters, type Epilogue, nameOf, placeCode } from './rows.js';

/** Sizes of a workgroup's tile of a pair: it has all channels between the two convolutions. */
export interface PairTile extends TileSize {
  readonly family: `pair ${64 | 32 | 16}`;
}

/** Tiles to choose from, the largest first. */
export const PAIR_TILES: readonly PairTile[] = [
  { family: 'pair 64', rows: 64, channels: 64, rowsEach: 4, vectorsEach: 1, depth: 4 },
  { family: 'pair 32', rows: 32, channels: 64, rowsEach: 4, vectorsEach: 1, depth: 4 },
  { family: 'pair 16', rows: 16, channels: 64, rowsEach: 4, vectorsEach: 1, depth: 4 },
];

/** Bytes of workgroup memory that a tile takes with so many vectors of channels between the convolutions. */
export function pairBytes(
  { rows, channels, depth }: TileSize,
  between: number,
  precision: Precision,
): number {
  return 16 * (rows + rows * depth + depth * channels) + vectorBytes[precision] * rows * between;
}

/** What a pair does, besides the epilogue of the second convolution. */
export interface PairKind {
  /** Vectors of channels between the convolutions. */
  readonly between: number;
  /** The first convolution's activation. */
  readonly activation: ActivationKind;
}

const functionsOf = ({ activation }: PairKind) => ({ firstActivated: activation });

/**
 * Two convolutions of one group in one dispatch, the second one 1x1 over the same pixels: a workgroup computes all
 * channels of the first for its rows into workgroup memory, and multiplies the second out of that. Nothing is computed
 * twice, and what lies between them never reaches the GPU's memory.
 */
export function pairKernel(tile: PairTile, kind: PairKind, epilogue: Epilogue): Kernel {
  const { family, rows, channels, rowsEach, depth } = tile;
  const { between } = kind;
  const columns = channels / 4;
  const invocations = (rows / rowsEach) * columns;
  const weights: Binding = { name: 'firstWeights', access: 'read', element: 'Value' };
  const eachOwn = (line: (i: number) => string) =>
    Array.from({ length: rowsEach }, (_, i) => line(i)).join('\n');
  return {
    name: `${family} ${between} ${kind.activation}, ${nameOf(epilogue)}`,
    parameters: [...convolutionParameters(epilogue), 'firstBias', ...activationParameters(functionsOf(kind))],
    bindings: [...convolutionBindings(epilogue), weights],
    code: `${placeCode(epilogue, functionsOf(kind))}
var<workgroup> places: array<vec4i, ${rows}>;
var<workgroup> sources: array<vec4f, ${rows * depth}>;
var<workgroup> slice: array<vec4f, ${4 * depth * columns}>;
var<workgroup> between: array<Value, ${rows * between}>;

@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
${placesOf(tile, invocations)}
  let column = local % ${columns}u;
  let firstOwn = local / ${columns}u * ${rowsEach}u;
  for (var firstVector = 0u; firstVector < ${between}u; firstVector += ${columns}u) {
${sumsOf(tile)}
${productCode(tile, { weights: 'firstWeights', width: `${between}u`, source: 'gathered' })}
    if (firstVector + column < ${between}u) {
      let bias = vec4f(firstWeights[p.firstBias + firstVector + column]);
${eachOwn((i) => `      between[(firstOwn + ${i}u) * ${between}u + firstVector + column] = Value(firstActivated(sum${i} + bias));`)}
    }
  }
  workgroupBarrier();
  for (var firstVector = 0u; firstVector < p.outVectors; firstVector += ${columns}u) {
${sumsOf(tile)}
${productCode(tile, { weights: 'weights', width: 'p.outVectors', source: { between } })}
    if (firstVector + column < p.outVectors) {
${eachOwn(
  (i) =>
    `      if (firstRow + firstOwn + ${i}u < count) { finish(firstRow + firstOwn + ${i}u, u32(places[firstOwn + ${i}u].w), firstVector + column, sum${i}); }`,
)}
    }
  }
}`,
  };
}
