import { attentionNote } from '../network/attention.js';
import type { Block, NetworkNode } from '../network/network.js';
import type { BlockPlan, Primitive } from '../plan/plan.js';
import { primitives as records } from '../primitives/registry.js';
import type { BlockTiming, OpTiming, Profile } from '../profile.js';

const noPrimitives: readonly Primitive[] = [];

/** What of a pass of a block is the same in every run. */
export interface PassLabel {
  readonly name: string;
  readonly primitives: readonly Primitive[];
  /** How its time is counted. */
  readonly share: 'compute' | 'data' | 'overhead';
  readonly note?: string;
}

/**
 * A pass of `block`: counted as compute when it holds a convolution, as data movement when it only moves
 * values, as overhead when it only decides.
 */
export function passLabel(block: Block, primitives: readonly Primitive[], note?: string): PassLabel {
  const counts = new Set(primitives.map((name) => records[name].counts));
  const share = counts.has('compute') ? 'compute' : counts.has('data') ? 'data' : 'overhead';
  return { name: `${block.name} ${primitives.join('+')}`, primitives, share, ...(note ? { note } : {}) };
}

/** What of a node outside blocks a Profile says; nothing of its weights, which results would keep in memory. */
export interface NodeLabel {
  readonly name: string;
  readonly computes: boolean;
  readonly note?: string;
}

/** A node outside blocks. */
export function nodeLabel(node: NetworkNode): NodeLabel {
  const { name, kind } = node;
  const note = kind === 'foreign' ? `${name} (${node.operators.join(', ')}) ran in onnxruntime` : undefined;
  return {
    name,
    computes: ['convolution', 'pixel-attention', 'foreign'].includes(kind),
    ...(note ? { note } : {}),
  };
}

/** What of a block and its plan a Profile says; nothing of its weights. */
export interface BlockLabel extends Pick<BlockTiming, 'block' | 'name' | 'stage' | 'mode' | 'granularity'> {
  readonly passes: readonly PassLabel[];
  readonly note?: string;
}

/** A block that runs in these passes. */
export function blockLabel(block: Block, plan: BlockPlan, passes: readonly PassLabel[]): BlockLabel {
  const { mode, granularity, excitation } = plan;
  const note =
    block.attention && mode === 'adaptive' ? attentionNote(block.attention, excitation) : undefined;
  const { index, name, stage } = block;
  return { block: index, name, stage, mode, granularity, passes, ...(note ? { note } : {}) };
}

/** What was measured of passes, by their positions. */
export interface MeasuredPasses {
  readonly ms: ArrayLike<number>;
  readonly flops: ArrayLike<number>;
  readonly bytes: ArrayLike<number>;
  /** Left out where it was not measured. */
  readonly paceMs?: ArrayLike<number> | undefined;
}

/** Collects measured passes into a Profile; every backend reports through it, so that all count alike. */
export class ProfileBuilder {
  readonly #ops: OpTiming[] = [];
  readonly #blocks: BlockTiming[] = [];
  readonly #notes = new Set<string>();
  #flops = 0;
  #flopsAvoided = 0;

  constructor(
    readonly header: Pick<Profile, 'network' | 'source' | 'device' | 'batch' | 'threads' | 'strategy'>,
  ) {}

  /** Adds one sentence to the notes, once. */
  note(sentence: string): void {
    this.#notes.add(sentence);
  }

  /** Adds a dense node outside blocks. */
  addNode(label: NodeLabel, ms: number, flops: number, bytes: number, paceMs?: number): void {
    const { name, computes, note } = label;
    this.#ops.push({
      name,
      block: -1,
      primitives: noPrimitives,
      totalMs: ms,
      computeMs: computes ? ms : 0,
      dataMs: computes ? 0 : ms,
      overheadMs: 0,
      flops,
      flopsAvoided: 0,
      bytes,
      ...(paceMs === undefined ? {} : { paceMs }),
    });
    this.#flops += flops;
    if (note !== undefined) this.note(note);
  }

  /**
   * Adds a block.
   * @param passes what was measured of the passes that `label` names, from position `first` on
   * @param measured `rate` and `dilatedRate` of active pixels, 0…1; `denseFlops`: what dense execution of the
   *   block needs; what the passes did not spend of it is credited to them in proportion to the FLOPs they did
   */
  addBlock(
    label: BlockLabel,
    passes: MeasuredPasses,
    measured: { readonly rate: number; readonly dilatedRate: number; readonly denseFlops: number },
    first = 0,
  ): void {
    const { passes: labels, note: sentence, ...outline } = label;
    let flops = 0;
    for (let i = 0; i < labels.length; i++) flops += passes.flops[first + i]!;
    const avoided = measured.denseFlops - flops;
    let [computeMs, dataMs, overheadMs] = [0, 0, 0];
    for (let i = 0; i < labels.length; i++) {
      const { name, primitives, share, note } = labels[i]!;
      const ms = passes.ms[first + i]!;
      const done = passes.flops[first + i]!;
      const paceMs = passes.paceMs?.[first + i];
      const op = {
        name,
        block: label.block,
        primitives,
        totalMs: ms,
        computeMs: share === 'compute' ? ms : 0,
        dataMs: share === 'data' ? ms : 0,
        overheadMs: share === 'overhead' ? ms : 0,
        flops: done,
        flopsAvoided: flops === 0 ? avoided / labels.length : (avoided * done) / flops,
        bytes: passes.bytes[first + i]!,
      };
      computeMs += op.computeMs;
      dataMs += op.dataMs;
      overheadMs += op.overheadMs;
      this.#ops.push({
        ...op,
        ...(note === undefined ? {} : { note }),
        ...(paceMs === undefined ? {} : { paceMs }),
      });
    }
    this.#flops += flops;
    this.#flopsAvoided += avoided;
    this.#blocks.push({
      ...outline,
      rate: measured.rate,
      dilatedRate: measured.dilatedRate,
      totalMs: computeMs + dataMs + overheadMs,
      computeMs,
      dataMs,
      overheadMs,
      flops,
      flopsAvoided: avoided,
    });
    if (sentence !== undefined) this.note(sentence);
  }

  /** @param totalMs wall time of the whole run */
  finish(totalMs: number): Profile {
    return {
      kind: 'measured',
      ...this.header,
      ops: this.#ops,
      blocks: this.#blocks,
      totalMs,
      flops: this.#flops,
      flopsAvoided: this.#flopsAvoided,
      notes: [...this.#notes],
    };
  }
}
