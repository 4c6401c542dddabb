import { LRUCache } from 'lru-cache';
import type { Network } from '../../network/network.js';
import type { LoweredNetwork } from '../../plan/lower.js';
import type { Plan } from '../../plan/plan.js';
import type { ProgramMap, ProgramMask, ProgramRegion } from '../../program/program.js';
import { WorkSums, workOf } from '../../program/work.js';
import { ProgramReport } from '../program-report.js';
import { type GraphUse, type Held, type WrittenGraph, writeGraph } from './graph-writer.js';
import type { PartKeys } from './part-key.js';
import { type GraphPart, operationsOf, type Part, partsOf } from './parts.js';

/** A part's graph for one set of empty regions, and what names it among the open ones. */
export interface PreparedGraph {
  readonly key: string;
  readonly use: GraphUse;
}

/**
 * FLOPs that a core does in the time in which it moves a byte, roughly: by this the time of a graph, which
 * onnxruntime tells as a whole, is shared among what it does.
 */
const FLOPS_PER_BYTE = 8;

/** Sets of empty regions for which a part's graph is kept: inputs differ in which blocks have nothing to do. */
const KEPT_CIRCUMSTANCES = 32;

/** A lowered network cut into parts, with graphs for them as runs need them. */
export class OnnxProgram {
  readonly parts: readonly Part[];
  readonly report: ProgramReport;
  /** Number of operations. */
  readonly operations: number;
  /** Sentences for the Profile. */
  readonly notes: readonly string[];
  readonly #sums: WorkSums;
  readonly #indexedAt: ReadonlyMap<ProgramMask, number>;
  readonly #prepared = new Map<GraphPart, LRUCache<string, PreparedGraph>>();

  constructor(
    network: Network,
    plan: Plan,
    readonly lowered: LoweredNetwork,
    readonly keys: PartKeys,
  ) {
    const { program } = lowered;
    const operations = operationsOf(program);
    const works = operations.map(({ operation }) => workOf(operation));
    this.operations = operations.length;
    const followsMask = (position: number) => {
      const node = network.nodes[position]!;
      return node.kind === 'block' && plan.blocks[node.block.index]!.mode === 'adaptive';
    };
    this.parts = partsOf(program, followsMask);
    this.report = new ProgramReport(
      network,
      plan,
      lowered,
      operations.map(({ owner }, at) => ({ owner, work: works[at]! })),
    );
    this.#sums = WorkSums.of(
      works,
      works.map((_, at) => at),
      works.length,
      program.regions,
    );
    this.#indexedAt = new Map(
      operations.flatMap(({ operation, at }) => (operation.kind === 'index' ? [[operation.mask, at]] : [])),
    );
    const shared = this.parts.some(
      (part) =>
        part.kind === 'graph' &&
        new Set(part.operations.map(({ owner }) => `${owner.node}.${owner.group}`)).size > 1,
    );
    this.notes = shared
      ? [
          'onnxruntime ran several passes as one graph: each is given its share of the time by FLOPs and bytes',
        ]
      : [];
  }

  /** The operation that lists a mask's pixels, by position. */
  indexedAt({ mask }: ProgramRegion): number {
    return this.#indexedAt.get(mask)!;
  }

  /**
   * The graph of a part.
   * @param inputs and `isEmpty`: see `writeGraph`
   * @returns with the graph itself when it has just been written
   */
  prepare(
    part: GraphPart,
    inputs: ReadonlyMap<ProgramMap, Held>,
    isEmpty: (region: ProgramRegion) => boolean,
  ): PreparedGraph & { readonly written?: WrittenGraph } {
    const regions = this.lowered.program.regions;
    const emptiness = regions.map((region) => Number(isEmpty(region))).join('');
    const held = part.inputs.map((map) => inputs.get(map)?.region?.id ?? (inputs.has(map) ? 'all' : 'none'));
    const circumstances = `${emptiness} ${held}`;
    let known = this.#prepared.get(part);
    if (!known) {
      known = new LRUCache({ max: KEPT_CIRCUMSTANCES });
      this.#prepared.set(part, known);
    }
    const prepared = known.get(circumstances);
    if (prepared) return prepared;
    const written = writeGraph(part, inputs, isEmpty);
    const made = { key: this.keys.of(part, inputs, isEmpty), use: written.use };
    known.set(circumstances, made);
    return { ...made, written };
  }

  /** Adds the time of a graph to its operations, to each by what it did. */
  share(part: GraphPart, ms: number, counts: Float64Array, milliseconds: Float64Array): void {
    this.#sums.update(counts);
    const { flops, bytes } = this.#sums;
    const weights = part.operations.map(({ at }) => flops[at]! + FLOPS_PER_BYTE * bytes[at]!);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    part.operations.forEach(({ at }, i) => {
      milliseconds[at]! += total === 0 ? ms / weights.length : (ms * weights[i]!) / total;
    });
  }
}
