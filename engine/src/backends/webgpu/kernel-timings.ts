import type { KernelTiming } from '../../profile.js';
import type { ShaderFeatures } from './kernel.js';
import { indexKernel, orderedIndexKernel } from './kernels/masks.js';
import type { Launch, Pass } from './launch.js';

/** Kernels of which every adapter has but one. */
const OTHERS = 'others';

/** What a Profile calls the kernel of a dispatch. */
function nameOf({ effort, kernel }: Launch, { subgroups }: ShaderFeatures): string {
  if (effort) return effort.family;
  if (kernel !== indexKernel && kernel !== orderedIndexKernel) return OTHERS;
  return subgroups && kernel.subgroupCode ? 'lists by subgroups' : 'lists';
}

/**
 * What each kernel did in a run, those that took the most time first.
 * @param milliseconds of each pass; undefined where they are not timed
 */
export function kernelTimings(
  passes: readonly Pass[],
  features: ShaderFeatures,
  milliseconds: Float64Array | undefined,
): KernelTiming[] {
  const sums = new Map<string, { passes: number; byRule: number; totalMs: number }>();
  passes.forEach(({ launches }, at) => {
    const names = new Set(launches.map((launch) => nameOf(launch, features)));
    // Beside a convolution, what else a pass does is small.
    if (names.size > 1) names.delete(OTHERS);
    const name = [...names].join(' + ');
    const sum = sums.get(name) ?? { passes: 0, byRule: 0, totalMs: 0 };
    sum.passes++;
    if (launches.some(({ effort }) => effort?.byRule)) sum.byRule++;
    sum.totalMs += milliseconds?.[at] ?? 0;
    sums.set(name, sum);
  });
  return [...sums]
    .sort(([, a], [, b]) => b.totalMs - a.totalMs || b.passes - a.passes)
    .map(([name, { passes: count, byRule, totalMs }]) => ({
      ...{ name, passes: count },
      ...(byRule > 0 ? { byRule } : {}),
      ...(milliseconds ? { totalMs } : {}),
    }));
}
