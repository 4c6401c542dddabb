import { GROUP, type Kernel, MOST_GROUPS } from '../kernel.js';

/** A learned masker: pooled input times weight, plus bias; 16 invocations share a cell. */
export const learnedKernel: Kernel = {
  name: 'learned',
  parameters: ['items', 'vectors', 'channels', 'first'],
  bindings: [
    { name: 'pooled', access: 'read', element: 'Value' },
    { name: 'weights', access: 'read', element: 'f32' },
    { name: 'cells', access: 'write', element: 'u32' },
    { name: 'margins', access: 'write', element: 'f32' },
  ],
  code: `
var<workgroup> sums: array<f32, 256>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let cell = groupNumber(group, groups) * 16u + local / 16u;
  var sum = 0f;
  if (cell < p.items) {
    for (var c = local % 16u; c < p.channels; c += 16u) {
      sum = fma(f32(pooled[cell * p.vectors + c / 4u][c % 4u]), weights[c], sum);
    }
  }
  sums[local] = sum;
  workgroupBarrier();
  if (local % 16u != 0u || cell >= p.items) { return; }
  for (var i = 1u; i < 16u; i++) { sum += sums[local + i]; }
  // The bias stands behind the weights.
  let margin = sum + weights[p.channels];
  margins[p.first + cell] = margin;
  cells[p.first + cell] = select(0u, 1u, margin >= 0);
}`,
};

/** What `indexKernel` knows of each list, a row of its table. */
export const listFields = [
  ...['pixels', 'height', 'width', 'list', 'counter'],
  // The mask that the pixels belong to; its cells themselves are pixels of a map of the grid's size.
  ...['cells', 'gridRows', 'gridColumns', 'maskHeight', 'maskWidth'],
  // What a convolution reads of the pixels found before: `positions` of those, or NONE for the mask's own.
  ...['dilates', 'positions', 'outHeight', 'outWidth'],
  ...['kernelHeight', 'kernelWidth', 'strideY', 'strideX', 'top', 'left', 'dilationY', 'dilationX'],
  // Where the pixels of one image stand in the table, in the order in which they are listed; NONE where that does not matter.
  'order',
] as const;

const listRow = `struct List { ${listFields.map((name) => `${name}: u32,`).join(' ')} }`;

const listCode = `${listRow}
fn listOf(number: u32) -> List {
  let at = number * ${listFields.length}u;
  return List(${listFields.map((_, i) => `table[at + ${i}u]`).join(', ')});
}
fn cellIsOn(l: List, n: u32, y: u32, x: u32) -> bool {
  let row = y * l.gridRows / l.maskHeight;
  let column = x * l.gridColumns / l.maskWidth;
  return cells[l.cells + (n * l.gridRows + row) * l.gridColumns + column] == 1u;
}
fn isRead(l: List, n: u32, y: u32, x: u32) -> bool {
  for (var tapY = 0u; tapY < l.kernelHeight; tapY++) {
    let fromY = i32(y + l.top) - i32(tapY * l.dilationY);
    if (fromY < 0 || u32(fromY) % l.strideY != 0u || u32(fromY) / l.strideY >= l.outHeight) { continue; }
    for (var tapX = 0u; tapX < l.kernelWidth; tapX++) {
      let fromX = i32(x + l.left) - i32(tapX * l.dilationX);
      if (fromX < 0 || u32(fromX) % l.strideX != 0u || u32(fromX) / l.strideX >= l.outWidth) { continue; }
      let outY = u32(fromY) / l.strideY;
      let outX = u32(fromX) / l.strideX;
      if (l.positions == NONE) {
        if (cellIsOn(l, n, outY, outX)) { return true; }
      } else if (lists[l.positions + (n * l.outHeight + outY) * l.outWidth + outX] != NONE) {
        return true;
      }
    }
  }
  return false;
}
fn isListed(l: List, pixel: u32) -> bool {
  let x = pixel % l.width;
  let y = pixel / l.width % l.height;
  let n = pixel / (l.width * l.height);
  if (l.dilates == 1u) { return isRead(l, n, y, x); }
  return cellIsOn(l, n, y, x);
}`;

/** Whether the invocation's pixel is in a list, `on`; `here` when there is such a pixel at all. */
const pixelCode = `
  let l = listOf(p.firstList + group.z);
  let start = (group.x + group.y * groups.x) * ${GROUP}u;
  if (start >= l.pixels) { return; }
  let pixel = start + local;
  let here = pixel < l.pixels;
  var on = false;
  if (here) { on = isListed(l, pixel); }`;

/** Writes the pixel `inside` places behind the workgroup's first of its kind; where pixels went stands behind the list. */
const placeCode = `
  if (!here) { return; }
  let position = l.list + l.pixels + pixel;
  if (on) {
    lists[l.list + firstOn + inside] = pixel;
    lists[position] = firstOn + inside;
  } else {
    lists[l.list + l.pixels - 1u - (firstOff + inside)] = pixel;
    lists[position] = NONE;
  }
}`;

/** Sums of `ends` up to each, in their places. */
const scanCode = `
  workgroupBarrier();
  for (var reach = 1u; reach < ${GROUP}u; reach *= 2u) {
    var before = 0u;
    if (local >= reach) { before = ends[local - reach]; }
    workgroupBarrier();
    ends[local] += before;
    workgroupBarrier();
  }
  let found = ends[${GROUP - 1}u];`;

const indexing: Pick<Kernel, 'parameters' | 'bindings'> = {
  parameters: ['firstList'],
  bindings: [
    { name: 'table', access: 'read', element: 'u32' },
    { name: 'cells', access: 'read', element: 'u32' },
    { name: 'lists', access: 'write', element: 'u32' },
    { name: 'counters', access: 'write', element: 'atomic<u32>' },
  ],
};

/**
 * From a mask's cells to lists of pixels: each workgroup scans a stretch of pixels and takes room for its active ones at the
 * front of the list, for the others at the back, and notes for each pixel where it went. The order of workgroups in a
 * list may differ from run to run; rows are independent, so results do not.
 */
export const indexKernel: Kernel = {
  name: 'index',
  ...indexing,
  code: `${listCode}
var<workgroup> ends: array<u32, ${GROUP}>;
var<workgroup> firstOn: u32;
var<workgroup> firstOff: u32;
@compute @workgroup_size(${GROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {${pixelCode}
  ends[local] = select(0u, 1u, on);${scanCode}
  if (local == 0u) {
    firstOn = atomicAdd(&counters[l.counter], found);
    firstOff = atomicAdd(&counters[l.counter + 1u], min(${GROUP}u, l.pixels - start) - found);
  }
  workgroupBarrier();
  let inside = select(local - ends[local], ends[local] - 1u, on);${placeCode}`,
  // A subgroup takes room in its workgroup as that does in the list: nothing depends on which invocations it is made of.
  subgroupCode: `${listCode}
var<workgroup> foundOn: atomic<u32>;
var<workgroup> foundOff: atomic<u32>;
var<workgroup> firstOn: u32;
var<workgroup> firstOff: u32;
@compute @workgroup_size(${GROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  if (local == 0u) {
    atomicStore(&foundOn, 0u);
    atomicStore(&foundOff, 0u);
  }
  workgroupBarrier();${pixelCode}
  let isOn = select(0u, 1u, on);
  let isOff = select(0u, 1u, here && !on);
  let on0 = subgroupExclusiveAdd(isOn);
  let off0 = subgroupExclusiveAdd(isOff);
  let allOn = subgroupAdd(isOn);
  let allOff = subgroupAdd(isOff);
  var mine = vec2u(0u);
  if (subgroupElect()) { mine = vec2u(atomicAdd(&foundOn, allOn), atomicAdd(&foundOff, allOff)); }
  let ours = subgroupBroadcastFirst(mine);
  workgroupBarrier();
  if (local == 0u) {
    firstOn = atomicAdd(&counters[l.counter], atomicLoad(&foundOn));
    firstOff = atomicAdd(&counters[l.counter + 1u], atomicLoad(&foundOff));
  }
  workgroupBarrier();
  let inside = select(ours.y + off0, ours.x + on0, on);${placeCode}`,
};

/**
 * The same where some lists have an order. All of such a list is one workgroup's, each invocation of which goes through a
 * stretch of the order, counts what is active in it, and then puts that in its place.
 */
export const orderedIndexKernel: Kernel = {
  name: 'index ordered',
  ...indexing,
  code: `${listCode}
fn pixelAt(l: List, place: u32) -> u32 {
  if (l.order == NONE) { return place; }
  let plane = l.width * l.height;
  return place / plane * plane + table[l.order + place % plane];
}
var<workgroup> ends: array<u32, ${GROUP}>;
var<workgroup> firstOn: u32;
var<workgroup> firstOff: u32;
@compute @workgroup_size(${GROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let l = listOf(p.firstList + group.z);
  let number = group.x + group.y * groups.x;
  if (l.order != NONE && number > 0u) { return; }
  let each = select((l.pixels + ${GROUP - 1}u) / ${GROUP}u, 1u, l.order == NONE);
  let start = number * ${GROUP}u * each;
  if (start >= l.pixels) { return; }
  let first = start + local * each;
  let last = min(first + each, l.pixels);
  var own = 0u;
  for (var place = first; place < last; place++) { own += select(0u, 1u, isListed(l, pixelAt(l, place))); }
  ends[local] = own;${scanCode}
  if (local == 0u) {
    firstOn = atomicAdd(&counters[l.counter], found);
    firstOff = atomicAdd(&counters[l.counter + 1u], min(${GROUP}u * each, l.pixels - start) - found);
  }
  workgroupBarrier();
  let before = ends[local] - own;
  var placeOn = firstOn + before;
  var placeOff = firstOff + first - start - before;
  for (var place = first; place < last; place++) {
    let pixel = pixelAt(l, place);
    let position = l.list + l.pixels + pixel;
    if (isListed(l, pixel)) {
      lists[l.list + placeOn] = pixel;
      lists[position] = placeOn;
      placeOn++;
    } else {
      lists[l.list + l.pixels - 1u - placeOff] = pixel;
      lists[position] = NONE;
      placeOff++;
    }
  }
}`,
};

/**
 * What `argumentsKernel` works out for each dispatch over a list: of ⌈count · factor / divisor⌉ workgroups those from
 * `first` on, `most` at most; y as given.
 */
export const dispatchFields = ['counter', 'factor', 'divisor', 'y', 'first', 'most'] as const;

/** Invocations of `argumentsKernel` in a workgroup. */
export const ARGUMENTS_GROUP = 64;

/** From the counts of lists to the workgroups of the dispatches over them. */
export const argumentsKernel: Kernel = {
  name: 'arguments',
  parameters: ['first', 'items'],
  bindings: [
    { name: 'table', access: 'read', element: 'u32' },
    { name: 'counters', access: 'read', element: 'u32' },
    { name: 'dispatches', access: 'write', element: 'u32' },
  ],
  code: `
@compute @workgroup_size(${ARGUMENTS_GROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.items) { return; }
  let at = (p.first + id.x) * ${dispatchFields.length}u;
  let all = (counters[table[at]] * table[at + 1u] + table[at + 2u] - 1u) / table[at + 2u];
  let first = table[at + 4u];
  let groups = min(max(all, first) - first, table[at + 5u]);
  let out = (p.first + id.x) * 3u;
  dispatches[out] = min(groups, ${MOST_GROUPS}u);
  dispatches[out + 1u] = table[at + 3u];
  dispatches[out + 2u] = (groups + ${MOST_GROUPS - 1}u) / ${MOST_GROUPS}u;
}`,
};
