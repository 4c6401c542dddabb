import { type EncodedProgram, encodeProgram } from '../../backends/webgpu/encode.js';
import type { Launch } from '../../backends/webgpu/launch.js';
import { exactBytes } from '../../backends/webgpu/transfers.js';
import { tuningOf } from '../../backends/webgpu/tuning.js';
import { type Choice, ruled } from '../../backends/webgpu/variants.js';
import { WorkSums } from '../../program/work.js';
import type { CostedProgram, RegionCounts } from '../program-cost/costed-program.js';
import type { PassCosts } from '../program-cost/pass-times.js';
import type { GpuCalibration } from './gpu-calibration.js';

/** A program's dispatches, and the sums of its steps' work. */
interface Described {
  /** Of what was known of the GPU's kernels. */
  readonly revision: number;
  readonly encoded: EncodedProgram;
  readonly sums: WorkSums;
}

const described = new WeakMap<CostedProgram, WeakMap<GpuCalibration, Described>>();

/** How runs compute convolutions there, and of what knowledge: as was timed, which they do not do on software drivers. */
function choiceFor({ adapter, driver, software }: GpuCalibration): { choice: Choice; revision: number } {
  if (software) return { choice: ruled, revision: -1 };
  const choice = tuningOf({ adapter, driver, precision: 'f32' });
  return { choice, revision: choice.revision };
}

function describe(program: CostedProgram, calibration: GpuCalibration): Described {
  const { choice, revision } = choiceFor(calibration);
  let known = described.get(program)?.get(calibration);
  if (known?.revision !== revision) {
    const encoded = encodeProgram(program.lowered, choice);
    const { passes } = encoded;
    const sums = WorkSums.of(
      passes.map(({ work }) => work),
      passes.map((_, step) => step),
      passes.length,
      program.lowered.regions,
    );
    known = { revision, encoded, sums };
    const byGpu = described.get(program) ?? new WeakMap<GpuCalibration, Described>();
    described.set(program, byGpu.set(calibration, known));
  }
  return known;
}

/**
 * Costs a program's passes on a calibrated GPU: a roofline over the dispatches that a run would make. Computation
 * overlaps data movement, so the longer of the two counts; workgroups take their turns when there are more than run at
 * once; every dispatch and every pass costs its start.
 */
export function gpuCosts(
  program: CostedProgram,
  counts: RegionCounts,
  calibration: GpuCalibration,
): PassCosts {
  const { encoded, sums } = describe(program, calibration);
  const { dispatchMs, passMs, nearBandwidth, nearBytes, farBandwidth } = calibration;
  const costs: PassCosts = {
    computeMs: new Float64Array(program.order.count),
    dataMs: new Float64Array(program.order.count),
    overheadMs: new Float64Array(program.order.count),
  };
  sums.update(counts.pixels);
  encoded.passes.forEach(({ owner, launches }, step) => {
    const pass = program.order.of(owner);
    let computeMs = 0;
    for (const launch of launches) computeMs += effortMs(launch, encoded, counts, calibration);
    const bytes = sums.bytes[step]!;
    const dataMs = bytes / (bytes <= nearBytes ? nearBandwidth : farBandwidth);
    costs.computeMs[pass]! += computeMs;
    costs.dataMs[pass]! += Math.max(0, dataMs - computeMs);
    costs.overheadMs[pass]! += passMs + launches.length * dispatchMs;
  });
  return costs;
}

/** Time of a convolution's workgroups. */
function effortMs(
  { effort, workgroups }: Launch,
  { lists }: EncodedProgram,
  { pixels }: RegionCounts,
  { families }: GpuCalibration,
): number {
  if (!effort) return 0;
  let groups: number;
  if ('counter' in workgroups) {
    const { region, of } = lists.counted[workgroups.counter >> 1]!;
    const share = pixels[region.id]! / region.pixels;
    const count = of * (workgroups.counter & 1 ? 1 - share : share);
    groups = Math.ceil((count * workgroups.factor) / workgroups.divisor) * workgroups.y;
  } else {
    groups = workgroups[0] * workgroups[1] * workgroups[2];
  }
  const { region } = effort;
  if (region) groups *= pixels[region.id]! / region.pixels;
  const { stepMs, atOnce } = families[effort.family]!;
  return groups === 0 ? 0 : effort.steps * stepMs * Math.max(1, groups / atOnce);
}

/** Time of a run that is in none of its passes: submissions, what lies between passes, input and output. */
export function gpuRunMs(program: CostedProgram, calibration: GpuCalibration): number {
  const { encoded } = describe(program, calibration);
  const { input, output } = program.lowered;
  const bytes = exactBytes(input) + (output ? exactBytes(output) : 0);
  const { runMs, betweenMs, transferBandwidth } = calibration;
  return runMs * (1 + encoded.stops.length) + betweenMs * encoded.passes.length + bytes / transferBandwidth;
}
