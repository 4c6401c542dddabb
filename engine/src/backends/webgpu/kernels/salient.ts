import { GROUP, type Kernel } from '../kernel.js';

/** The kernel that finds the cells of most energy in each of so many images, of equals the earlier ones. */
export function salientKernel(plane: number): Kernel {
  // An invocation that has one cell compares it with all others; several would take too long.
  return plane <= GROUP ? comparing : sorting;
}

const kernelOf = (name: string, memory: string, decide: string): Kernel => ({
  name,
  parameters: ['images', 'plane', 'vectors', 'channels', 'first', 'kept'],
  bindings: [
    { name: 'pooled', access: 'read', element: 'Value' },
    { name: 'cells', access: 'write', element: 'u32' },
    { name: 'margins', access: 'write', element: 'f32' },
  ],
  code: `
${memory}
@compute @workgroup_size(${GROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let image = groupNumber(group, groups);
  if (image >= p.images) { return; }
  let first = p.first + image * p.plane;
  for (var cell = local; cell < p.plane; cell += ${GROUP}u) {
    var energy = 0f;
    for (var c = 0u; c < p.channels; c++) {
      let value = f32(pooled[(first - p.first + cell) * p.vectors + c / 4u][c % 4u]);
      energy = fma(value, value, energy);
    }
    margins[first + cell] = energy;
  }
  storageBarrier();
${decide}
}`,
});

const comparing = kernelOf(
  'salient',
  'var<workgroup> threshold: f32;',
  `  let energy = margins[first + min(local, p.plane - 1u)];
  if (local < p.plane) {
    var rank = 0u;
    for (var other = 0u; other < p.plane; other++) {
      let theirs = margins[first + other];
      if (theirs > energy || (theirs == energy && other < local)) { rank++; }
    }
    cells[first + local] = select(0u, 1u, rank < p.kept);
    if (rank + 1u == p.kept) { threshold = energy; }
  }
  storageBarrier();
  workgroupBarrier();
  if (local < p.plane) { margins[first + local] = select(-energy, energy - threshold, p.kept > 0u); }`,
);

/**
 * Finds the least energy that is kept, eight bits of it after eight, the highest first: no energy is negative, so that their
 * bits are in the same order. Every cell is read six times, however many there are.
 */
const sorting = kernelOf(
  'salient of many',
  `var<workgroup> found: array<atomic<u32>, ${GROUP}>;
var<workgroup> equals: array<u32, ${GROUP}>;
var<workgroup> digit: u32;
var<workgroup> above: u32;`,
  `  if (local == 0u) {
    digit = 0u;
    above = 0u;
  }
  // What is known of the least energy, and how many of the cells that are equal to it so far are kept.
  var known = 0u;
  var least = 0u;
  var rest = p.kept;
  for (var step = 0u; step < 4u; step++) {
    let shift = 24u - 8u * step;
    atomicStore(&found[local], 0u);
    workgroupBarrier();
    for (var cell = local; cell < p.plane; cell += ${GROUP}u) {
      let bits = bitcast<u32>(margins[first + cell]);
      if ((bits & known) == least) { atomicAdd(&found[(bits >> shift) & 255u], 1u); }
    }
    workgroupBarrier();
    var more = 0u;
    for (var other = local + 1u; other < ${GROUP}u; other++) { more += atomicLoad(&found[other]); }
    if (more < rest && rest <= more + atomicLoad(&found[local])) {
      digit = local;
      above = more;
    }
    workgroupBarrier();
    known |= 255u << shift;
    least |= digit << shift;
    rest -= above;
  }
  // Cells in their order: an invocation has some that follow each other.
  let stretch = (p.plane + ${GROUP - 1}u) / ${GROUP}u;
  let begin = local * stretch;
  let end = min(begin + stretch, p.plane);
  var equal = 0u;
  for (var own = begin; own < end; own++) {
    if (bitcast<u32>(margins[first + own]) == least) { equal++; }
  }
  equals[local] = equal;
  workgroupBarrier();
  // Margins take the places of energies that others have read.
  storageBarrier();
  var before = 0u;
  for (var other = 0u; other < local; other++) { before += equals[other]; }
  for (var own = begin; own < end; own++) {
    let energy = margins[first + own];
    let bits = bitcast<u32>(energy);
    let isKept = p.kept > 0u && (bits > least || (bits == least && before < rest));
    if (bits == least) { before++; }
    cells[first + own] = select(0u, 1u, isKept);
    margins[first + own] = select(-energy, energy - bitcast<f32>(least), p.kept > 0u);
  }`,
);
