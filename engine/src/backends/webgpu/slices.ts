import { FIRST_GROUP, MOST_GROUPS } from './kernel.js';
import type { Launch, Slice } from './launch.js';
import type { Lists } from './lists.js';
import { LEAST_WORK } from './submission-bound.js';

const workOf = (launches: readonly Launch[]) => launches.reduce((sum, { work = 0 }) => sum + work, 0);

/**
 * A pass in slices of about `LEAST_WORK`, for GPUs on which the whole of it would take too long: between its dispatches,
 * and inside those of convolutions, whose workgroups do not need each other. What else there is reads and writes maps
 * once, which may be no larger than a buffer.
 * @returns a single slice for a pass that needs no division
 */
export function slicesOf(launches: readonly Launch[], lists: Lists): readonly Slice[] {
  const slices: Slice[] = [];
  let together: Launch[] = [];
  const close = () => {
    if (together.length > 0) slices.push({ launches: together, work: workOf(together) });
    together = [];
  };
  for (const launch of launches) {
    const divided = divide(launch, lists);
    if (divided.length > 1 || workOf([...together, launch]) > LEAST_WORK) close();
    if (divided.length > 1) slices.push(...divided.map((one) => ({ launches: [one], work: one.work! })));
    else together.push(launch);
  }
  close();
  return slices;
}

/** A dispatch as several that have some of its workgroups each. */
function divide(launch: Launch, lists: Lists): Launch[] {
  const { work = 0, kernel, workgroups, parameters } = launch;
  if (work <= LEAST_WORK || !kernel.parameters.includes(FIRST_GROUP)) return [launch];
  const counted = 'counter' in workgroups ? workgroups : undefined;
  const all = counted
    ? Math.ceil((lists.counted[counted.counter >> 1]!.of * counted.factor) / counted.divisor)
    : workgroupsAlong(workgroups as readonly number[]);
  // Along one axis, so that a slice has not one workgroup more.
  const each = Math.min(MOST_GROUPS, Math.ceil(all / Math.ceil(work / LEAST_WORK)));
  const slices: Launch[] = [];
  for (let first = 0; first < all; first += each) {
    const most = Math.min(each, all - first);
    slices.push({
      ...launch,
      parameters: { ...parameters, [FIRST_GROUP]: first },
      workgroups: counted ? { ...counted, first, most } : [most, (workgroups as readonly number[])[1]!, 1],
      work: (work * most) / all,
    });
  }
  return slices;
}

/** Those that `spread` shares out between two axes, and at most as many as one of them has more. */
const workgroupsAlong = ([x, , z]: readonly number[]) => x! * z!;
