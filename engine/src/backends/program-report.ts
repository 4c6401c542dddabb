import type { Mask } from '../mask/mask.js';
import { denseBlockFlops } from '../network/flops.js';
import type { Block, Network, NetworkNode } from '../network/network.js';
import type { LoweredNetwork } from '../plan/lower.js';
import type { Plan } from '../plan/plan.js';
import type { AdaptiveBlock } from '../primitives/network-lowering.js';
import type { Profile } from '../profile.js';
import type { Owner } from '../program/program.js';
import { type Work, WorkSums } from '../program/work.js';
import { Tensor } from '../tensor.js';
import { PassOrder } from './pass-order.js';
import { type PassLabel, ProfileBuilder, passLabel } from './profile-builder.js';

/** What of a node's report is the same in every run. */
interface NodeReport {
  readonly node: NetworkNode;
  /** The node's first pass among the program's. */
  readonly first: number;
  readonly block?: {
    readonly block: Block;
    readonly labels: readonly PassLabel[];
    readonly denseFlops: number;
    readonly adaptive: AdaptiveBlock | undefined;
  };
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
 * program counts the same. Whatever does not change from run to run is worked out once, in flat arrays: a small
 * network runs in a few milliseconds, of which reporting must not be one.
 */
export class ProgramReport {
  readonly #nodes: readonly NodeReport[];
  readonly #adaptive: readonly AdaptiveBlock[];
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
    readonly network: Network,
    readonly plan: Plan,
    readonly lowered: LoweredNetwork,
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
        nodes.push({ node, first });
        return;
      }
      const { block } = node;
      const { groups } = plan.blocks[block.index]!;
      const shape = shapes.get(block.index);
      // A program that ends at a foreign node of unknown shape has nothing behind it.
      if (!shape) return;
      const labels = groups.map(({ primitives }, group) =>
        passLabel(block, primitives, lowered.passNotes.get(`${position}.${group}`)),
      );
      const denseFlops = denseBlockFlops(block, shape, batch);
      nodes.push({
        node,
        first,
        block: { block, labels, denseFlops, adaptive: adaptive.get(block.index) },
      });
    });
    this.#nodes = nodes;
    this.#adaptive = [...adaptive.values()];
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
    const { regions, output } = this.lowered.program;
    const [N, H, W, C] = output!.shape;
    return {
      output: new Tensor(output!.shape, new Float32Array(N * H * W * C), fileDims),
      milliseconds: new Float64Array(this.#passOf.length),
      counts: new Float64Array(regions.length),
      cells: new Uint8Array(this.#cells.length),
      margins: new Float32Array(this.#cells.length),
    };
  }

  /** The masks of a run, in block order. */
  masks({ cells, margins }: RunRecord, script: ScriptRecord): Mask[] {
    return this.#adaptive.map(({ block, mask, decision }): Mask => {
      const { id, batch, rows, columns, height, width } = mask;
      const [first, last] = [this.#firstCell[id]!, this.#firstCell[id + 1]!];
      const known = decision.by === 'rule' ? margins.slice(first, last) : script.margins.get(block.index);
      return {
        block: block.index,
        granularity: this.plan.blocks[block.index]!.granularity,
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
    const { network, plan } = this;
    const [batch] = this.lowered.program.input.shape;
    const { source, device, threads, totalMs, notes = [] } = header;
    const profile = new ProfileBuilder(network, plan, { source, device, batch, threads });
    for (const sentence of notes) profile.note(sentence);
    for (const { caution } of plan.blocks) if (caution) profile.note(caution);
    this.#sums.update(record.counts);
    const { flops, bytes } = this.#sums;
    const ms = new Float64Array(flops.length);
    for (let i = 0; i < this.#passOf.length; i++) ms[this.#passOf[i]!]! += record.milliseconds[i]!;
    for (const [pass, spent] of scriptMs) ms[pass]! += spent;
    const paceMs = record.paces && this.#pacesOf(record.milliseconds, record.paces.atMs);
    const rate = (region: AdaptiveBlock['region']) =>
      region ? record.counts[region.id]! / region.pixels : 1;
    for (const { node, first, block: part } of this.#nodes) {
      if (!part) {
        profile.addNode(node, ms[first]!, flops[first]!, bytes[first]!, paceMs?.[first]);
        continue;
      }
      const { block, labels, denseFlops, adaptive } = part;
      const measured = {
        rate: rate(adaptive?.region),
        dilatedRate: rate(adaptive?.conv1Region),
        denseFlops,
      };
      profile.addBlock(block, labels, { ms, flops, bytes, paceMs }, measured, first);
    }
    const { spentMs = 0, handoverMs = 0 } = record.paces ?? {};
    const finished = profile.finish(totalMs - spentMs);
    return handoverMs > 0 ? { ...finished, handoverMs } : finished;
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
