import { accessesOf } from '../../program/accesses.js';
import type { Operation, OperationOf, Owner, Program, ProgramMap } from '../../program/program.js';
import { workOf } from '../../program/work.js';

/** Operations that JavaScript does: pooling, deciding and listing are little work, and a graph knows no masker. */
type ScriptKind = 'grid-pool' | 'decide' | 'ask' | 'index' | 'foreign';
export type ScriptOperation = OperationOf<ScriptKind>;
/** Operations that become nodes of a graph. */
export type GraphOperation = Exclude<Operation, { kind: ScriptKind }>;

/** An operation with its position among all of the program's, and what it belongs to. */
export interface Placed<Kind extends Operation = Operation> {
  readonly at: number;
  readonly owner: Owner;
  readonly operation: Kind;
}

/** A stretch of a run: one operation of JavaScript's, or operations that make one graph. */
export type Part =
  | {
      readonly kind: 'script';
      readonly placed: Placed<ScriptOperation>;
      readonly finished: readonly ProgramMap[];
    }
  | GraphPart;

export interface GraphPart {
  readonly kind: 'graph';
  readonly operations: readonly Placed<GraphOperation>[];
  /** True when no block in it follows a mask. */
  readonly dense: boolean;
  /** Maps read from earlier parts, and maps that later parts read. */
  readonly inputs: readonly ProgramMap[];
  readonly outputs: readonly ProgramMap[];
  /** Maps that are no longer needed once the part has run. */
  readonly finished: readonly ProgramMap[];
}

/**
 * What a stretch of dense nodes may cost: some tens of milliseconds on one core, so that a run can be stopped
 * soon, and many times what the changes of layout at its ends cost.
 */
const MOST_FLOPS = 1.5e9;

/** All operations of a program in order, those of streams one after the other. */
export function operationsOf({ steps }: Program): Placed[] {
  return steps
    .flatMap(({ owner, operations }) => operations.map((operation) => ({ owner, operation })))
    .map((placed, at) => ({ at, ...placed }));
}

function isScript(operation: Operation): operation is ScriptOperation {
  const { kind } = operation;
  return (
    kind === 'grid-pool' || kind === 'decide' || kind === 'ask' || kind === 'index' || kind === 'foreign'
  );
}

/**
 * Cuts a program into parts. A part ends where JavaScript needs what it writes, where a block that follows its mask
 * begins or ends, so that each is timed separately, and between dense nodes once they cost enough together.
 * @param followsMask whether a node of the network is a block that follows its mask
 */
export function partsOf(program: Program, followsMask: (node: number) => boolean): Part[] {
  const operations = operationsOf(program);
  const denseFlops = flopsByNode(operations);
  const cut: (Placed<ScriptOperation> | Placed<GraphOperation>[])[] = [];
  let pending: Placed<GraphOperation>[] = [];
  let flops = 0;
  const flush = () => {
    if (pending.length > 0) cut.push(pending);
    pending = [];
    flops = 0;
  };
  for (const placed of operations) {
    const { operation, owner } = placed;
    if (isScript(operation)) {
      // What waits may run after it, unless one needs or changes what the other writes.
      if (conflicts(operation, pending)) flush();
      cut.push({ ...placed, operation });
      continue;
    }
    const before = pending.at(-1)?.owner.node;
    if (before !== owner.node) {
      const apart = before !== undefined && (followsMask(before) || followsMask(owner.node));
      const cost = followsMask(owner.node) ? 0 : denseFlops.get(owner.node)!;
      if (apart || flops + cost > MOST_FLOPS) flush();
      flops += cost;
    }
    pending.push({ ...placed, operation });
  }
  flush();
  return withMaps(program, cut, followsMask);
}

/** By node: FLOPs that it does whatever the masks say. */
function flopsByNode(operations: readonly Placed[]): Map<number, number> {
  const sums = new Map<number, number>();
  for (const { owner, operation } of operations) {
    const fixed = workOf(operation).reduce((sum, { per, flops }) => (per === 'once' ? sum + flops : sum), 0);
    sums.set(owner.node, (sums.get(owner.node) ?? 0) + fixed);
  }
  return sums;
}

function conflicts(operation: Operation, pending: readonly Placed[]): boolean {
  const { reads, writes } = accessesOf(operation);
  return pending.some((waiting) => {
    const other = accessesOf(waiting.operation);
    return (
      other.writes.some((map) => reads.includes(map) || writes.includes(map)) ||
      other.reads.some((map) => writes.includes(map))
    );
  });
}

/** Finds which maps pass from part to part. */
function withMaps(
  { output }: Program,
  cut: readonly (Placed<ScriptOperation> | Placed<GraphOperation>[])[],
  followsMask: (node: number) => boolean,
): Part[] {
  /** By part: the maps that it reads from before, and those that it writes. */
  const crossing = cut.map((part) => {
    const written = new Set<ProgramMap>();
    const read = new Set<ProgramMap>();
    for (const { operation } of Array.isArray(part) ? part : [part]) {
      const accesses = accessesOf(operation);
      for (const map of accesses.reads) if (!written.has(map)) read.add(map);
      for (const map of accesses.writes) written.add(map);
    }
    return { read, written };
  });
  const readLast = new Map<ProgramMap, number>();
  crossing.forEach(({ read }, i) => {
    for (const map of read) readLast.set(map, i);
  });
  if (output) readLast.set(output, cut.length);
  return cut.map((part, i): Part => {
    const { read, written } = crossing[i]!;
    const finished = [...new Set([...read, ...written])].filter((map) => (readLast.get(map) ?? -1) <= i);
    if (!Array.isArray(part)) return { kind: 'script', placed: part, finished };
    return {
      kind: 'graph',
      operations: part,
      dense: !followsMask(part[0]!.owner.node),
      inputs: [...read],
      outputs: [...written].filter((map) => (readLast.get(map) ?? -1) > i),
      finished,
    };
  });
}
