import type { Block, Network } from '../network/network.js';
import type { BlockPlan, Plan, Primitive } from '../plan/plan.js';
import type { BlockTiming, OpTiming, Profile } from '../profile.js';
import type { Setting } from './options.js';

/** One predicted pass, before it is named and counted. */
export interface PredictedPass {
  readonly primitives: readonly Primitive[];
  readonly computeMs: number;
  readonly dataMs: number;
  readonly overheadMs: number;
  readonly flops: number;
  readonly bytes: number;
}

/** A block's prediction. */
export interface PredictedBlock {
  readonly passes: readonly PredictedPass[];
  readonly rate: number;
  readonly dilatedRate: number;
  readonly denseFlops: number;
}

/** Collects predicted passes into a Profile, in execution order. */
export class PredictedProfile {
  private readonly ops: OpTiming[] = [];
  private readonly blocks: BlockTiming[] = [];
  private readonly notes = new Set<string>();

  constructor(
    private readonly network: Network,
    private readonly plan: Plan,
    private readonly source: string,
    private readonly setting: Setting,
  ) {}

  /** Time of what has been added, ms. */
  get passesMs(): number {
    return this.ops.reduce((sum, { totalMs }) => sum + totalMs, 0);
  }

  note(sentence: string): void {
    this.notes.add(sentence);
  }

  addNode(name: string, pass: PredictedPass): void {
    this.ops.push(timing(name, -1, pass, 0));
  }

  addBlock(block: Block, plan: BlockPlan, predicted: PredictedBlock): void {
    const { passes, rate, dilatedRate, denseFlops } = predicted;
    let flops = 0;
    let computeMs = 0;
    let dataMs = 0;
    let overheadMs = 0;
    for (const pass of passes) {
      flops += pass.flops;
      computeMs += pass.computeMs;
      dataMs += pass.dataMs;
      overheadMs += pass.overheadMs;
    }
    const avoided = denseFlops - flops;
    for (const pass of passes) {
      const share = flops === 0 ? 1 / passes.length : pass.flops / flops;
      this.ops.push(timing(`${block.name} ${pass.primitives.join('+')}`, block.index, pass, avoided * share));
    }
    this.blocks.push({
      block: block.index,
      name: block.name,
      stage: block.stage,
      mode: plan.mode,
      granularity: plan.granularity,
      rate,
      dilatedRate,
      totalMs: computeMs + dataMs + overheadMs,
      computeMs,
      dataMs,
      overheadMs,
      flops,
      flopsAvoided: avoided,
    });
  }

  finish(): Profile {
    const { ops, blocks, setting } = this;
    return {
      kind: 'predicted',
      network: this.network.name,
      source: this.source,
      device: setting.device.name,
      strategy: this.plan.strategy,
      batch: setting.batch,
      threads: setting.threads,
      ops,
      blocks,
      totalMs: this.passesMs,
      flops: ops.reduce((sum, op) => sum + op.flops, 0),
      flopsAvoided: blocks.reduce((sum, block) => sum + block.flopsAvoided, 0),
      notes: [...this.notes],
    };
  }
}

function timing(name: string, block: number, pass: PredictedPass, flopsAvoided: number): OpTiming {
  const { primitives, computeMs, dataMs, overheadMs, flops, bytes } = pass;
  return {
    name,
    block,
    primitives,
    totalMs: computeMs + dataMs + overheadMs,
    computeMs,
    dataMs,
    overheadMs,
    flops,
    flopsAvoided,
    bytes,
  };
}
