import { webgpuBackend } from '../../backends/webgpu/index.js';
import type { Network } from '../../network/network.js';
import { makePlan } from '../../plan/make-plan.js';
import type { Profile } from '../../profile.js';
import { lowerMedian } from '../calibrate/lower-median.js';
import { outsideOf, plausibleInput } from '../calibrate/time-trials.js';

const RUNS = 15;
/** Passes of a run that is timed for what passes cost by themselves. */
const PASSES = 65;
/** Side of a map of four channels that is large to transfer. */
const LARGE_SIDE = 512;

/** Activations one after the other. */
function chain(length: number, side: number): Network {
  return {
    name: 'probe',
    format: 'built',
    inputShape: { channels: 4, height: side, width: side },
    nodes: Array.from({ length }, (_, i) => ({
      kind: 'activation',
      name: `a${i}`,
      inputs: [`v${i}`],
      output: `v${i + 1}`,
      activation: 'relu',
    })),
    input: 'v0',
    output: `v${length}`,
    notes: [],
  };
}

const medianOf = (profiles: readonly Profile[], figure: (profile: Profile) => number) =>
  lowerMedian(profiles.map(figure));

async function profilesOf(network: Network): Promise<Profile[]> {
  const { height, width } = network.inputShape;
  const session = await webgpuBackend.open(network, { batch: 1, height, width });
  try {
    const input = plausibleInput(network, 1, height, width);
    const plan = makePlan(network);
    const profiles: Profile[] = [];
    for (let run = 0; run <= RUNS; run++) {
      const { profile } = await session.run(input, { plan, maskers: [], threads: 1 });
      if (run > 0) profiles.push(profile);
    }
    return profiles;
  } finally {
    session.dispose();
  }
}

/** What passes, runs and transfers cost by themselves, given what a dispatch does. */
export async function measureRuns(dispatchMs: number) {
  const one = await profilesOf(chain(1, 1));
  const many = await profilesOf(chain(PASSES, 1));
  const large = await profilesOf(chain(1, LARGE_SIDE));
  const inPass = medianOf(many, ({ ops }) => ops.reduce((sum, { totalMs }) => sum + totalMs, 0)) / PASSES;
  const outside = medianOf(one, outsideOf);
  const betweenMs = Math.max(0, medianOf(many, outsideOf) - outside) / (PASSES - 1);
  const transferMs = Math.max(1e-3, medianOf(large, outsideOf) - outside);
  return {
    passMs: Math.max(0, inPass - dispatchMs),
    betweenMs,
    runMs: Math.max(0, outside - betweenMs),
    // In and out, four channels of four bytes.
    transferBandwidth: (2 * LARGE_SIDE * LARGE_SIDE * 16) / transferMs,
  };
}
