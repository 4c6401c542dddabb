import { FoveaError } from '../../errors.js';
import type { Masker } from '../../mask/mask.js';
import type { Block, Network } from '../../network/network.js';
import type { BlockPlan } from '../../plan/plan.js';
import type { OpTiming } from '../../profile.js';
import { Tensor } from '../../tensor.js';
import { nativeBackend } from './index.js';

/** What `measureBlock` runs. */
export interface BlockTrial {
  readonly block: Block;
  /** The block's input map. */
  readonly height: number;
  readonly width: number;
  readonly plan: Omit<BlockPlan, 'block'>;
  /** Decides the block's mask; not asked in mode `dense`. */
  readonly masker: Masker;
  /** Images at a time; default 1. */
  readonly batch?: number;
  /** Default 1. */
  readonly threads?: number;
  /** Runs that count, after two that do not; default 9. */
  readonly repeats?: number;
}

/**
 * Runs one block by itself, again and again: what a cost model is calibrated with.
 *
 * @returns one timing per group of the plan, its times the medians over the repeats
 * @throws FoveaError `bad-argument` for a count out of range, `backend-unavailable` without the native addon
 */
export async function measureBlock(measurement: BlockTrial): Promise<OpTiming[]> {
  const { height, width, plan, masker, batch = 1, threads = 1, repeats = 9 } = measurement;
  if (!Number.isInteger(repeats) || repeats < 1) {
    throw new FoveaError('bad-argument', `repeats ${repeats}: an integer of at least 1 is accepted`);
  }
  const block: Block = { ...measurement.block, index: 0, stage: 0 };
  const channels = block.branch[0]!.inChannels;
  const network: Network = {
    name: block.name,
    format: 'built',
    inputShape: { channels, height, width },
    nodes: [
      // What a block reads is activated already; one in a network then leaves inactive pixels untouched.
      { kind: 'activation', name: 'input', inputs: ['x'], output: 'a', activation: block.activation },
      { kind: 'block', name: block.name, inputs: ['a'], output: 'y', block },
    ],
    input: 'x',
    output: 'y',
    notes: [],
  };
  const image = Tensor.zeros([batch, height, width, channels]);
  for (let i = 0; i < image.data.length; i++) image.data[i] = ((i * 2_654_435_761) % 1024) / 1024;
  const session = await nativeBackend.open(network, { batch, height, width });
  try {
    const runs: (readonly OpTiming[])[] = [];
    const options = {
      plan: { network: network.name, strategy: 'measured', blocks: [{ ...plan, block: 0 }] },
      maskers: [masker],
      threads,
    };
    for (let run = -2; run < repeats; run++) {
      const { profile } = await session.run(image, options);
      if (run >= 0) runs.push(profile.ops.filter((op) => op.block === 0));
    }
    return runs[0]!.map((op, i) => ({
      ...op,
      ...medians(
        runs.map((ops) => ops[i]!),
        ['totalMs', 'computeMs', 'dataMs', 'overheadMs'],
      ),
    }));
  } finally {
    session.dispose();
  }
}

type TimeField = 'totalMs' | 'computeMs' | 'dataMs' | 'overheadMs';

function medians(ops: readonly OpTiming[], fields: readonly TimeField[]): Partial<OpTiming> {
  return Object.fromEntries(
    fields.map((field) => [
      field,
      ops.map((op) => op[field]).sort((a, b) => a - b)[Math.floor(ops.length / 2)]!,
    ]),
  );
}
