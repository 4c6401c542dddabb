import os from 'node:os';
import { activeFraction, spreadCells } from '../mask/geometry.js';
import type { Mask } from '../mask/mask.js';
import type { Block, Network, NetworkNode } from '../network/network.js';
import type { BlockShape } from '../network/shapes.js';
import type { Plan, Primitive } from '../plan/plan.js';
import type { BlockTiming, OpTiming, Profile } from '../profile.js';

const convolutions: ReadonlySet<Primitive> = new Set<Primitive>([
  'conv1',
  'conv2',
  'conv3',
  'projection',
  'excite',
]);
const movement: ReadonlySet<Primitive> = new Set<Primitive>([
  'pool',
  'gather',
  'scatter',
  'add',
  'next-pool',
]);

/**
 * How a measured pass is counted: as compute when it holds a convolution, as data movement when it only moves
 * values, as overhead when it only decides.
 */
export function splitMeasured(
  primitives: readonly Primitive[],
  totalMs: number,
): Pick<OpTiming, 'computeMs' | 'dataMs' | 'overheadMs'> {
  if (primitives.some((primitive) => convolutions.has(primitive))) {
    return { computeMs: totalMs, dataMs: 0, overheadMs: 0 };
  }
  if (primitives.some((primitive) => movement.has(primitive)))
    return { computeMs: 0, dataMs: totalMs, overheadMs: 0 };
  return { computeMs: 0, dataMs: 0, overheadMs: totalMs };
}

/** One measured pass of a block. */
export interface MeasuredPass {
  readonly primitives: readonly Primitive[];
  readonly ms: number;
  readonly flops: number;
  readonly bytes: number;
  readonly note?: string;
}

/** Collects measured passes into a Profile; every backend reports through it, so that all count alike. */
export class ProfileBuilder {
  readonly #ops: OpTiming[] = [];
  readonly #blocks: BlockTiming[] = [];
  readonly #notes = new Set<string>();

  constructor(
    readonly network: Network,
    readonly plan: Plan,
    readonly header: { readonly source: string; readonly batch: number; readonly threads: number },
  ) {}

  /** Adds one sentence to the notes, once. */
  note(sentence: string): void {
    this.#notes.add(sentence);
  }

  /** Adds a dense node outside blocks. */
  addNode(node: NetworkNode, ms: number, flops: number, bytes: number): void {
    const computes = node.kind === 'convolution' || node.kind === 'foreign';
    this.#ops.push({
      name: node.name,
      block: -1,
      primitives: [],
      totalMs: ms,
      computeMs: computes ? ms : 0,
      dataMs: computes ? 0 : ms,
      overheadMs: 0,
      flops,
      flopsAvoided: 0,
      bytes,
    });
    if (node.kind === 'foreign') this.note(`${node.name} (${node.operators.join(', ')}) ran in onnxruntime`);
  }

  /**
   * Adds a block.
   * @param measured `denseFlops`: what dense execution of the block needs; what the passes did not spend of it
   *   is credited to them in proportion to the FLOPs they did
   */
  addBlock(
    block: Block,
    shape: BlockShape,
    passes: readonly MeasuredPass[],
    measured: { readonly mask?: Mask; readonly dilatedRate: number; readonly denseFlops: number },
  ): void {
    const plan = this.plan.blocks[block.index]!;
    const flops = passes.reduce((sum, pass) => sum + pass.flops, 0);
    const avoided = measured.denseFlops - flops;
    const { mask } = measured;
    const ops = passes.map(
      (pass): OpTiming => ({
        name: `${block.name} ${pass.primitives.join('+')}`,
        block: block.index,
        primitives: pass.primitives,
        totalMs: pass.ms,
        ...splitMeasured(pass.primitives, pass.ms),
        flops: pass.flops,
        flopsAvoided: flops === 0 ? avoided / passes.length : (avoided * pass.flops) / flops,
        bytes: pass.bytes,
        ...(pass.note ? { note: pass.note } : {}),
      }),
    );
    const sum = (field: 'totalMs' | 'computeMs' | 'dataMs' | 'overheadMs') =>
      ops.reduce((total, op) => total + op[field], 0);
    this.#ops.push(...ops);
    this.#blocks.push({
      block: block.index,
      name: block.name,
      stage: block.stage,
      mode: plan.mode,
      granularity: plan.granularity,
      rate: mask
        ? activeFraction(spreadCells(mask.cells, mask, mask.batch, shape.outHeight, shape.outWidth))
        : 1,
      dilatedRate: measured.dilatedRate,
      totalMs: sum('totalMs'),
      computeMs: sum('computeMs'),
      dataMs: sum('dataMs'),
      overheadMs: sum('overheadMs'),
      flops,
      flopsAvoided: avoided,
    });
    if (block.squeezeExcitation && plan.mode === 'adaptive') {
      this.note(
        plan.excitation === 'exact'
          ? 'squeeze-and-excitation pools the dense map (exact)'
          : 'squeeze-and-excitation pools active pixels only (active)',
      );
    }
  }

  /** @param totalMs wall time of the whole run */
  finish(totalMs: number): Profile {
    return {
      kind: 'measured',
      network: this.network.name,
      ...this.header,
      device: thisProcessor(),
      strategy: this.plan.strategy,
      ops: this.#ops,
      blocks: this.#blocks,
      totalMs,
      flops: this.#ops.reduce((sum, op) => sum + op.flops, 0),
      flopsAvoided: this.#blocks.reduce((sum, block) => sum + block.flopsAvoided, 0),
      notes: [...this.#notes],
    };
  }
}

let processor: string | undefined;

/** Read once: asking the system takes longer than a small block. */
function thisProcessor(): string {
  processor ??= os.cpus()[0]?.model.trim() || 'this machine';
  return processor;
}
