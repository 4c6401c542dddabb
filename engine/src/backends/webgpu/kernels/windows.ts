import type { AttentionPool } from '../../../network/attention.js';
import { eachItem, type Kernel } from '../kernel.js';
import { SUM_UNIT, unitCode } from './units.js';

/** Max or average pool: an invocation for each output pixel and vector of channels. */
export function windowKernel(kind: 'max-pool' | 'average-pool'): Kernel {
  const most = kind === 'max-pool';
  return {
    name: kind,
    parameters: [
      ...['items', 'vectors', 'height', 'width', 'outHeight', 'outWidth', 'kernelHeight', 'kernelWidth'],
      ...['strideY', 'strideX', 'top', 'left', 'bottom', 'right', 'countPadding'],
    ],
    bindings: [
      { name: 'source', access: 'read', element: 'Value' },
      { name: 'destination', access: 'write', element: 'Value' },
    ],
    code: `${eachItem}
  if (item >= p.items) { return; }
  let vector = item % p.vectors;
  let pixel = item / p.vectors;
  let x = pixel % p.outWidth;
  let y = pixel / p.outWidth % p.outHeight;
  let n = pixel / (p.outWidth * p.outHeight);
  let top = i32(y * p.strideY) - i32(p.top);
  let left = i32(x * p.strideX) - i32(p.left);
  let bottom = top + i32(p.kernelHeight);
  let right = left + i32(p.kernelWidth);
  let rows = vec2i(max(top, 0), min(bottom, i32(p.height)));
  let columns = vec2i(max(left, 0), min(right, i32(p.width)));
  var result = vec4f(${most ? '-0x1.fffffep+127f' : '0'});
  for (var sy = rows.x; sy < rows.y; sy++) {
    for (var sx = columns.x; sx < columns.y; sx++) {
      let value = vec4f(source[((n * p.height + u32(sy)) * p.width + u32(sx)) * p.vectors + vector]);
      result = ${most ? 'max(result, value)' : `fma(value, vec4f(${SUM_UNIT}), result)`};
    }
  }
${
  most
    ? ''
    : `
  // Windows hanging over the padded edge count only what padding covers.
  let padded = (min(bottom, i32(p.height + p.bottom)) - top) * (min(right, i32(p.width + p.right)) - left);
  let inside = (rows.y - rows.x) * (columns.y - columns.x);
  result /= f32(select(inside, padded, p.countPadding == 1u)) * ${SUM_UNIT};`
}
  destination[item] = stored(result);
}`,
  };
}

/** Lanes that share a window, so that large ones are read by many invocations. */
export type Lanes = 1 | 16;

/** How a lane takes values into its `sum`, how it joins those of its window's other lanes, and what follows from that. */
interface Pooling {
  /** Functions that the others call. */
  readonly functions?: string;
  readonly start: string;
  readonly taken: string;
  /** What becomes of the sum when all values are taken. */
  readonly ended?: string;
  /** Takes in what other lanes have; `turns` repeats a statement for each `value` of theirs. */
  readonly joined: (turns: (statement: string) => string) => string;
  readonly result: string;
}

/** The square root of a sum of squares, of which two more are there: of smaller values, and of larger ones. */
const normCode = `${unitCode}
fn unitsOf(most: vec4f) -> vec4f { return vec4f(unitOf(most.x), unitOf(most.y), unitOf(most.z), unitOf(most.w)); }
fn norm(squares: vec4f, ofLess: vec4f, ofMore: vec4f) -> vec4f {
  let isLarge = ofLess > vec4f(0x1p-60f);
  let isSmall = ofMore < vec4f(0x1p44f);
  return sqrt(select(select(squares, ofMore, isSmall), ofLess, isLarge))
    * select(select(vec4f(${SUM_UNIT}), vec4f(0x1p-62f * ${SUM_UNIT}), isSmall), vec4f(0x1p80f * ${SUM_UNIT}), isLarge);
}`;

const pooling: Readonly<Record<AttentionPool, Pooling>> = {
  mean: {
    start: 'var sum = vec4f(0);',
    taken: `sum = fma(value, vec4f(${SUM_UNIT}), sum);`,
    joined: (turns) => turns('sum += value;'),
    result: `sum / (f32(max(count, 1u)) * ${SUM_UNIT})`,
  },
  max: {
    start: 'var sum = vec4f(-0x1.fffffep+127f);',
    taken: 'sum = max(sum, value);',
    joined: (turns) => turns('sum = max(sum, value);'),
    result: 'select(vec4f(0), sum, count > 0u)',
  },
  response: {
    functions: normCode,
    start: `var sum = vec4f(0);
  var ofLess = vec4f(0);
  var ofMore = vec4f(0);`,
    taken: `sum = fma(value, value, sum);
      let less = value * 0x1p-80f;
      ofLess = fma(less, less, ofLess);
      let more = value * 0x1p62f;
      ofMore = fma(more, more, ofMore);`,
    ended: 'sum = norm(sum, ofLess, ofMore);',
    joined: (turns) => `  var most = sum;
${turns('most = max(most, value);')}
  let unit = unitsOf(most);
  let own = sum * unit;
  var squares = own * own;
${turns(`let other = value * unit;
    squares = fma(other, other, squares);`)}
  sum = sqrt(squares) / unit;`,
    result: 'sum',
  },
};

/**
 * Mean, maximum or norm over the windows of a grid, for masks and for attention; 0 of no pixel. Norms are in units of sums.
 * - `positions` not NONE: only pixels of that region count, in packed rows where `packed` is 1
 * - `cells` not NONE: windows without a pixel of an active cell stay as they are
 * - `first`: where the destination begins, in vectors
 */
export function gridKernel(lanes: Lanes, output: 'Value' | 'vec4f', pool: AttentionPool = 'mean'): Kernel {
  const items = 256 / lanes;
  const { functions = '', start, taken, ended = '', joined, result } = pooling[pool];
  const turns = (statement: string) => `  for (var lane = 1u; lane < ${lanes}u; lane++) {
    let value = sums[local + lane * ${items}u];
    ${statement}
  }`;
  return {
    name: `${pool} ${lanes} ${output}`,
    parameters: [
      ...['items', 'vectors', 'height', 'width', 'gridRows', 'gridColumns', 'positions', 'packed', 'cells'],
      'first',
    ],
    bindings: [
      { name: 'source', access: 'read', element: 'Value' },
      { name: 'destination', access: 'write', element: output },
      { name: 'lists', access: 'read', element: 'u32' },
      { name: 'cells', access: 'read', element: 'u32' },
    ],
    code: `${functions}
var<workgroup> sums: array<vec4f, 256>;
var<workgroup> counts: array<u32, 256>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let item = groupNumber(group, groups) * ${items}u + local % ${items}u;
  let lane = local / ${items}u;
  let vector = item % p.vectors;
  let cell = item / p.vectors;
  let column = cell % p.gridColumns;
  let row = cell / p.gridColumns % p.gridRows;
  let n = cell / (p.gridColumns * p.gridRows);
  let first = n * p.height * p.width;
  let top = row * p.height / p.gridRows;
  let bottom = ((row + 1u) * p.height + p.gridRows - 1u) / p.gridRows;
  let left = column * p.width / p.gridColumns;
  let across = ((column + 1u) * p.width + p.gridColumns - 1u) / p.gridColumns - left;
  var wanted = item < p.items;
  if (wanted && p.cells != NONE) {
    wanted = false;
    // Where the grid does not divide the map, a window reaches into its cell's neighbours.
    for (var y = top * p.gridRows / p.height; y <= (bottom - 1u) * p.gridRows / p.height; y++) {
      for (var x = left * p.gridColumns / p.width; x <= (left + across - 1u) * p.gridColumns / p.width; x++) {
        wanted = wanted || cells[p.cells + (n * p.gridRows + y) * p.gridColumns + x] == 1u;
      }
    }
  }
  ${start}
  var count = 0u;
  if (wanted) {
    for (var i = lane; i < (bottom - top) * across; i += ${lanes}u) {
      var at = first + (top + i / across) * p.width + left + i % across;
      if (p.positions != NONE) {
        let position = lists[p.positions + at];
        if (position == NONE) { continue; }
        at = select(at, position, p.packed == 1u);
      }
      let value = vec4f(source[at * p.vectors + vector]);
      ${taken}
      count++;
    }
  }
  ${ended}
${
  lanes > 1
    ? `
  sums[local] = sum;
  counts[local] = count;
  workgroupBarrier();
  if (lane > 0u) { return; }
${joined(turns)}
  for (var other = 1u; other < ${lanes}u; other++) { count += counts[local + other * ${items}u]; }`
    : ''
}
  if (wanted) { destination[p.first + item] = ${output === 'Value' ? 'stored' : output}(${result}); }
}`,
  };
}
