import type { Convolution } from '../../../network/network.js';
import { type Kernel, vectors } from '../kernel.js';
import { unrolled } from './product.js';
import { convolutionBindings, convolutionParameters, type Epilogue, nameOf, sumCode } from './rows.js';
import { isInactive, squareCode, squareOf, squareParameters } from './squares.js';

/** Side of the square of output pixels that a workgroup computes. */
export const WINOGRAD_SIDE = 8;
/** Output channels that a workgroup computes. */
export const WINOGRAD_CHANNELS = 32;

/** Blocks of 2x2 output pixels in a square, along a side and in all. */
const ALONG = WINOGRAD_SIDE / 2;
const BLOCKS = ALONG * ALONG;
const COLUMNS = WINOGRAD_CHANNELS / 4;
/** An invocation sums a row of a transformed block, for as many blocks as a row has elements. */
const INVOCATIONS = (BLOCKS / 4) * 4 * COLUMNS;
/** Weights of an input vector: 16 elements of four input channels. */
const SLICE = 16 * 4 * COLUMNS;

const SIDE = 4;

/** The rows of the matrices of F(2x2, 3x3): "Fast Algorithms for Convolutional Neural Networks", Lavin and Gray, 2015. */
const weightRows = [
  [1, 0, 0],
  [0.5, 0.5, 0.5],
  [0.5, -0.5, 0.5],
  [0, 0, 1],
] as const;

/** Weights of a 3x3 convolution of one group as the kernel reads them: `[4 x 4, input channel, output channel]`, float32. */
export function transformedWeights({
  inChannels,
  outChannels,
  weight,
}: Convolution): Float32Array<ArrayBuffer> {
  const depth = vectors(inChannels) * 4;
  const width = vectors(outChannels) * 4;
  const transformed = new Float32Array(16 * depth * width);
  for (let k = 0; k < outChannels; k++) {
    for (let c = 0; c < inChannels; c++) {
      const taps = weight.subarray((k * inChannels + c) * 9, (k * inChannels + c + 1) * 9);
      for (let y = 0; y < SIDE; y++) {
        for (let x = 0; x < SIDE; x++) {
          let sum = 0;
          for (let tap = 0; tap < 9; tap++)
            sum += weightRows[y]![Math.floor(tap / 3)]! * taps[tap]! * weightRows[x]![tap % 3]!;
          transformed[((y * SIDE + x) * depth + c) * width + k] = sum;
        }
      }
    }
  }
  return transformed;
}

/**
 * A 3x3 convolution of one group and unit stride by Winograd's minimal filtering: a block of 2x2 output pixels takes 16
 * multiplications for each pair of channels in the place of 36. A workgroup computes a square of blocks for some output channels,
 * input vector by input vector: it transforms the pixels that the blocks read into workgroup memory, multiplies,
 * and transforms the sums back. Sums and transformed values are float32.
 */
export function winogradKernel(epilogue: Epilogue): Kernel {
  return {
    name: `winograd ${nameOf(epilogue)}`,
    parameters: [...convolutionParameters(epilogue), ...squareParameters],
    bindings: [
      ...convolutionBindings(epilogue).filter(({ name }) => name !== 'counters'),
      { name: 'cells', access: 'read', element: 'u32' },
      { name: 'transformed', access: 'read', element: 'vec4f' },
    ],
    code: `${sumCode(epilogue)}
${squareCode}
var<workgroup> blocks: array<vec4f, ${16 * BLOCKS}>;
var<workgroup> slice: array<vec4f, ${SLICE}>;

// The row of four pixels that one of a block's begins at, zeros outside the map.
fn pixelsAt(n: u32, y: i32, x: i32, vector: u32) -> array<vec4f, 4> {
  var row: array<vec4f, 4>;
  for (var i = 0; i < 4; i++) {
    row[i] = vec4f(0);
    if (y >= 0 && y < i32(p.height) && x + i >= 0 && x + i < i32(p.width)) {
      row[i] = vec4f(source[((n * p.height + u32(y)) * p.width + u32(x + i)) * p.inVectors + vector]);
    }
  }
  return row;
}

@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
${squareOf(WINOGRAD_SIDE)}
  if (${isInactive}) { return; }
  let firstVector = group.y * ${COLUMNS}u;
  let column = local % ${COLUMNS}u;
  // A row of the transformed blocks, and the first of the blocks that this invocation multiplies.
  let line = local / ${4 * COLUMNS}u;
  let firstBlock = local / ${COLUMNS}u % 4u * 4u;
  // What it transforms: a row of a block, out of two rows of pixels.
  let ownBlock = local / 4u;
  let ownLine = local % 4u;
  let upper = array<i32, 4>(0, 1, 2, 1)[ownLine];
  let lower = array<i32, 4>(2, 2, 1, 3)[ownLine];
  let sign = select(-1f, 1f, ownLine == 1u);
  let top = i32(firstY + ownBlock / ${ALONG}u * 2u) - i32(p.top);
  let left = i32(firstX + ownBlock % ${ALONG}u * 2u) - i32(p.left);
${unrolled(16, (i) => `  var sum${i} = vec4f(0);`)}
  for (var vector = 0u; vector < p.inVectors; vector++) {
    if (local < ${4 * BLOCKS}u) {
      let a = pixelsAt(n, top + upper, left, vector);
      let b = pixelsAt(n, top + lower, left, vector);
      let d0 = a[0] + sign * b[0];
      let d1 = a[1] + sign * b[1];
      let d2 = a[2] + sign * b[2];
      let d3 = a[3] + sign * b[3];
      let at = ownLine * ${4 * BLOCKS}u + ownBlock;
      blocks[at] = d0 - d2;
      blocks[at + ${BLOCKS}u] = d1 + d2;
      blocks[at + ${2 * BLOCKS}u] = d2 - d1;
      blocks[at + ${3 * BLOCKS}u] = d1 - d3;
    }
    for (var i = local; i < ${SLICE}u; i += ${INVOCATIONS}u) {
      let channel = i / ${4 * COLUMNS}u * p.inVectors * 4u + vector * 4u + i / ${COLUMNS}u % 4u;
      let wide = firstVector + i % ${COLUMNS}u;
      slice[i] = vec4f(0);
      if (wide < p.outVectors) { slice[i] = transformed[channel * p.outVectors + wide]; }
    }
    workgroupBarrier();
${unrolled(
  4,
  (element) => `    {
      let at = line * 4u + ${element}u;
${unrolled(4, (c) => `      let w${c} = slice[(at * 4u + ${c}u) * ${COLUMNS}u + column];`)}
${unrolled(
  4,
  (block) => `      {
        let s = blocks[at * ${BLOCKS}u + firstBlock + ${block}u];
${unrolled(4, (c) => `        sum${element * 4 + block} = fma(vec4f(s.${'xyzw'[c]}), w${c}, sum${element * 4 + block});`)}
      }`,
)}
    }`,
)}
    workgroupBarrier();
  }
  // Back along rows, then, out of workgroup memory, along columns: of each block the left pixels, then the right ones.
${unrolled(
  2,
  (right) => `${unrolled(4, (block) => {
    const at = (element: number) => `sum${element * 4 + block}`;
    const value = right ? `${at(1)} - ${at(2)} - ${at(3)}` : `${at(0)} + ${at(1)} + ${at(2)}`;
    return `  slice[(line * ${BLOCKS}u + firstBlock + ${block}u) * ${COLUMNS}u + column] = ${value};`;
  })}
  workgroupBarrier();
  {
    let block = local / ${COLUMNS}u;
    let vector = firstVector + column;
${unrolled(4, (row) => `    let row${row} = slice[(${row}u * ${BLOCKS}u + block) * ${COLUMNS}u + column];`)}
    let y = firstY + block / ${ALONG}u * 2u;
    let x = firstX + block % ${ALONG}u * 2u + ${right}u;
    let pixel = (n * p.toHeight + y) * p.toWidth + x;
    if (x < endX && vector < p.outVectors) {
      if (y < endY) { finish(rowOf(pixel), pixel, vector, row0 + row1 + row2); }
      if (y + 1u < endY) { finish(rowOf(pixel + p.toWidth), pixel + p.toWidth, vector, row1 - row2 - row3); }
    }
  }
  workgroupBarrier();`,
)}
}`,
  };
}
