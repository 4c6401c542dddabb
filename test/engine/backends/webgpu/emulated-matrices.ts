import type { Kernel } from '../../../../engine/src/backends/webgpu/kernel.js';
import type { MatrixUnit } from '../../../../engine/src/backends/webgpu/kernels/matrices.js';

/**
 * A kernel of matrices of any size as one that every adapter compiles, in float32: what is loaded is where it stands, and
 * the invocations of a subgroup share out the values of a sum. For sizes that no software driver offers. A kernel that
 * asks for a size of subgroups keeps asking, and runs in subgroups of it; others are computed as if they had some.
 */
export function emulated(kernel: Kernel, { M, N, K, subgroup, isAskedFor }: MatrixUnit): Kernel {
  const each = (M * N) / subgroup;
  const lane = isAskedFor ? 'lane' : `local % ${subgroup}u`;
  const replaced = kernel.code
    .replaceAll('array<f16, ', 'array<f32, ')
    .replaceAll(/subgroup_matrix_result<f32, \d+, \d+>\(\)/g, `array<f32, ${each}>()`)
    .replaceAll(
      /subgroupMatrixLoad<subgroup_matrix_(left|right)<f16, (\d+), (\d+)>, row_major>\(&\w+, /g,
      (_, side: string, columns: string, rows: string) => {
        const expected = side === 'left' ? [K, M] : [N, K];
        if (expected.join() !== `${columns},${rows}`) throw new Error(`${side}: ${columns}x${rows}`);
        return 'vec2u(';
      },
    )
    .replaceAll(
      /(sum\d+) = subgroupMatrixMultiplyAccumulate\((\w+), (\w+), \1\);/g,
      `addProduct(${lane}, $2, $3, &$1);`,
    )
    .replaceAll(
      /subgroupMatrixStore<row_major>\(&sums, ([^;]*), (sum\d+), (\d+)u\);/g,
      `for (var i = 0u; i < ${each}u; i++) { let at = i * ${subgroup}u + ${lane}; sums[$1 + at / ${N}u * $3u + at % ${N}u] = $2[i]; }`,
    )
    .replace(
      ', @builtin(subgroup_id) own: u32) {',
      isAskedFor
        ? ', @builtin(subgroup_id) own: u32, @builtin(subgroup_invocation_id) lane: u32) {'
        : `) {\n  let own = local / ${subgroup}u;`,
    );
  const code = `${replaced}
fn addProduct(lane: u32, left: vec2u, right: vec2u, sum: ptr<function, array<f32, ${each}>>) {
  for (var i = 0u; i < ${each}u; i++) {
    let at = i * ${subgroup}u + lane;
    for (var k = 0u; k < ${K}u; k++) {
      (*sum)[i] += sources[left.x + at / ${N}u * left.y + k] * slice[right.x + k * right.y + at % ${N}u];
    }
  }
}`;
  const rest = code.match(/.*subgroup_?[mM]atrix.*/);
  if (rest) throw new Error(`not emulated: ${rest[0]}`);
  return {
    ...kernel,
    name: `emulated ${kernel.name} by ${subgroup}`,
    enables: isAskedFor ? kernel.enables!.filter((name) => !name.endsWith('matrix')) : [],
    code,
  };
}
