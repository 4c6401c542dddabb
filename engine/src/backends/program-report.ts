import { checkMargins } from '../mask/decide.js';
import type { Mask, Masker } from '../mask/mask.js';
import { denseBlockFlops } from '../network/flops.js';
import type { Network } from '../network/network.js';
import type { LoweredNetwork } from '../plan/lower.js';
import type { Plan } from '../plan/plan.js';
import type { AdaptiveBlock } from '../primitives/network-lowering.js';
import type { KernelTiming, Profile } from '../profile.js';
import type { Owner, ProgramMask, ProgramRegion } from '../program/program.js';
import { type Work, WorkSums } from '../program/work.js';
import { type Shape, Tensor } from '../tensor.js';
import { PassOrder } from './pass-order.js';
import {
  type BlockLabel,
  blockLabel,
  type NodeLabel,
  nodeLabel,
  ProfileBuilder,
  passLabel,
} from './profile-builder.js';

/** What of a node's report is the same in every run. */
interface NodeReport {
  /** The node's first pass among the program's. */
  readonly first: number;
  readonly node?: NodeLabel;
  readonly block?: {
    readonly label: BlockLabel;
    readonly denseFlops: number;
    readonly region: RegionReport | undefined;
    readonly conv1Region: RegionReport | undefined;
  };
}

type RegionReport = Pick<ProgramRegion, 'id' | 'pixels'>;

/** An adaptive block's mask. */
interface MaskReport {
  readonly block: number;
  readonly granularity: number;
  readonly mask: ProgramMask;
  /** Whether native code decided, and left margins behind. */
  readonly byRule: boolean;
}

/** A separately timed part of a run: work that belongs to a pass. */
export interface TimedWork {
  readonly owner: Owner;
  readonly work: Work;
}

/** What a run left behind. */
export interface RunRecord {
  readonly output: Tensor;
  /** Of each timed work. */
  readonly milliseconds: Float64Array;
  /** Pixels in each region. */
  readonly counts: Float64Array;
  /** Of all masks, one after the other. */
  readonly cells: Uint8Array;
  readonly margins: Float32Array;
  /**
   * In a run with its pace measured: the pace at each timed work, the time from one thread to another (0: unknown), and
   * what measuring took in all.
   */
  paces?: { readonly atMs: Float64Array; readonly handoverMs: number; readonly spentMs: number };
}

/** What a Profile says of a run as a whole. */
export interface RunHeader {
  readonly source: string;
  /** Name of what computed. */
  readonly device: string;
  readonly threads: number;
  readonly totalMs: number;
  /** One sentence each. */
  readonly notes?: readonly string[];
  /** Of a GPU. */
  readonly kernels?: readonly KernelTiming[];
}

/** What JavaScript did in the course of a run, beside what is timed. */
export interface ScriptRecord {
  /** By pass: time spent there, ms. */
  readonly ms: Map<number, number>;
  /** By block. */
  readonly margins: Map<number, Float32Array>;
}

/**
 * Makes masks and a Profile of what a program's run left behind; all backends report through it, so that the same
 * program counts the same. It keeps nothing of weights and lowered programs: a result that waits to be looked at, as in
 * a notebook's `Out`, would keep the network. Whatever does not change from run to run is worked out once, in flat arrays: a small
 * network runs in a few milliseconds, of which reporting must not be one.
 */
export class ProgramReport {
  readonly #nodes: readonly NodeReport[];
  readonly #masks: readonly MaskReport[];
  readonly #header: { readonly network: string; readonly strategy: string; readonly batch: number };
  readonly #cautions: readonly string[];
  readonly #output: Shape | undefined;
  readonly #regionCount: number;
  readonly #sums: WorkSums;
  readonly #passOf: Int32Array;
  readonly #order: PassOrder;
  readonly #cells: Uint8Array;
  /** Where each mask's cells begin, by id. */
  readonly #firstCell: Int32Array;

  /**
   * @param timed what a run times, in order
   * @param untimed what else belongs to passes, its time reported in a ScriptRecord
   */
  constructor(
    network: Network,
    plan: Plan,
    lowered: LoweredNetwork,
    timed: readonly TimedWork[],
    untimed: readonly TimedWork[] = [],
  ) {
    const { program, adaptive, shapes } = lowered;
    const batch = program.input.shape[0];
    const nodes: NodeReport[] = [];
    this.#order = new PassOrder(network, plan);
    network.nodes.forEach((node, position) => {
      const first = this.#order.first(position);
      if (node.kind !== 'block') {
        nodes.push({ node: nodeLabel(node), first });
        return;
      }
      const { block } = node;
      const blockPlan = plan.blocks[block.index]!;
      const shape = shapes.get(block.index);
      // A program that ends at a foreign node of unknown shape has nothing behind it.
      if (!shape) return;
      const passes = blockPlan.groups.map(({ primitives }, group) =>
        passLabel(block, primitives, lowered.passNotes.get(`${position}.${group}`)),
      );
      const denseFlops = denseBlockFlops(block, shape, batch);
      const { region, conv1Region } = adaptive.get(block.index) ?? {};
      nodes.push({
        first,
        block: {
          label: blockLabel(block, blockPlan, passes),
          denseFlops,
          region: region && regionReport(region),
          conv1Region: conv1Region && regionReport(conv1Region),
        },
      });
    });
    this.#nodes = nodes;
    this.#masks = Array.from(adaptive.values(), ({ block: { index }, mask, decision }) => ({
      block: index,
      granularity: plan.blocks[index]!.granularity,
      mask,
      byRule: decision.by === 'rule',
    }));
    this.#header = { network: network.name, strategy: plan.strategy, batch };
    this.#cautions = plan.blocks.flatMap(({ caution }) => caution ?? []);
    this.#output = program.output?.shape;
    this.#regionCount = program.regions.length;
    this.#passOf = Int32Array.from(timed, ({ owner }) => this.passOf(owner));
    this.#sums = WorkSums.of(
      [...timed, ...untimed].map(({ work }) => work),
      [...this.#passOf, ...untimed.map(({ owner }) => this.passOf(owner))],
      this.#order.count,
      program.regions,
    );
    const cells: number[] = [0];
    for (const { batch, rows, columns } of program.masks) {
      cells.push(cells[cells.length - 1]! + batch * rows * columns);
    }
    this.#firstCell = Int32Array.from(cells);
    this.#cells = new Uint8Array(cells[cells.length - 1]!);
  }

  /** The pass that something belongs to. */
  passOf(owner: Owner): number {
    return this.#order.of(owner);
  }

  /**
   * Room for what a run leaves behind.
   * @param fileDims the output's extents in the graph, where it made neither a map nor a vector per image
   */
  record(fileDims?: readonly number[]): RunRecord {
    const shape = this.#output!;
    const [N, H, W, C] = shape;
    return {
      output: new Tensor(shape, new Float32Array(N * H * W * C), fileDims),
      milliseconds: new Float64Array(this.#passOf.length),
      counts: new Float64Array(this.#regionCount),
      cells: new Uint8Array(this.#cells.length),
      margins: new Float32Array(this.#cells.length),
    };
  }

  /**
   * Checks what the backend itself decided as `askMasker` checks what JavaScript did.
   * @throws FoveaError as `checkMargins` does
   */
  checkDecided({ margins }: RunRecord, maskers: readonly Masker[]): void {
    for (const { block, mask, byRule } of this.#masks) {
      if (!byRule) continue;
      const own = margins.subarray(this.#firstCell[mask.id], this.#firstCell[mask.id + 1]);
      checkMargins(own, maskers[block]!, block);
    }
  }

  /** The masks of a run, in block order. */
  masks({ cells, margins }: RunRecord, script: ScriptRecord): Mask[] {
    return this.#masks.map(({ block, granularity, mask, byRule }): Mask => {
      const { id, batch, rows, columns, height, width } = mask;
      const [first, last] = [this.#firstCell[id]!, this.#firstCell[id + 1]!];
      const known = byRule ? margins.slice(first, last) : script.margins.get(block);
      return {
        block,
        granularity,
        batch,
        rows,
        columns,
        height,
        width,
        cells: cells.slice(first, last),
        ...(known ? { margins: known } : {}),
      };
    });
  }

  /**
   * The Profile of a run.
   * @param scriptMs by pass: what was spent beside what is timed
   */
  profile(
    record: Pick<RunRecord, 'milliseconds' | 'counts' | 'paces'>,
    scriptMs: ReadonlyMap<number, number>,
    header: RunHeader,
  ): Profile {
    const { network, strategy, batch } = this.#header;
    const { source, device, threads, totalMs, notes = [], kernels } = header;
    const profile = new ProfileBuilder({ network, source, device, batch, threads, strategy });
    for (const sentence of notes) profile.note(sentence);
    for (const caution of this.#cautions) profile.note(caution);
    this.#sums.update(record.counts);
    const { flops, bytes } = this.#sums;
    const ms = new Float64Array(flops.length);
    for (let i = 0; i < this.#passOf.length; i++) ms[this.#passOf[i]!]! += record.milliseconds[i]!;
    for (const [pass, spent] of scriptMs) ms[pass]! += spent;
    const paceMs = record.paces && this.#pacesOf(record.milliseconds, record.paces.atMs);
    const rate = (region: RegionReport | undefined) =>
      region ? record.counts[region.id]! / region.pixels : 1;
    for (const { node, first, block } of this.#nodes) {
      if (node) profile.addNode(node, ms[first]!, flops[first]!, bytes[first]!, paceMs?.[first]);
      if (!block) continue;
      const measured = {
        rate: rate(block.region),
        dilatedRate: rate(block.conv1Region),
        denseFlops: block.denseFlops,
      };
      profile.addBlock(block.label, { ms, flops, bytes, paceMs }, measured, first);
    }
    const { spentMs = 0, handoverMs = 0 } = record.paces ?? {};
    const finished = profile.finish(totalMs - spentMs);
    return {
      ...finished,
      ...(handoverMs > 0 ? { handoverMs } : {}),
      ...(kernels ? { kernels } : {}),
    };
  }

  /** The pace of each pass: of its parts, the longer ones counting more. */
  #pacesOf(milliseconds: Float64Array, atMs: Float64Array): Float64Array {
    const [sums, weights] = [new Float64Array(this.#order.count), new Float64Array(this.#order.count)];
    atMs.forEach((pace, i) => {
      sums[this.#passOf[i]!]! += milliseconds[i]! * pace;
      weights[this.#passOf[i]!]! += milliseconds[i]!;
    });
    return sums.map((sum, pass) => (weights[pass]! > 0 ? sum / weights[pass]! : 0));
  }

  /** All masks' cells, for what JavaScript decides before a run: see `decided`. */
  get cells(): Uint8Array {
    return this.#cells;
  }

  /** Puts a mask's cells into `cells`. */
  decided({ mask }: AdaptiveBlock, cells: Uint8Array): void {
    this.#cells.set(cells, this.#firstCell[mask.id]!);
  }
}

/** A region without what it was made from, which includes convolutions. */
const regionReport = ({ id, pixels }: ProgramRegion): RegionReport => ({ id, pixels });
