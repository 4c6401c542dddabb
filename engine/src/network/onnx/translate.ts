import type { Budget } from './budget.js';
import type { Draft, UnknownDraft } from './draft.js';
import type { Graph } from './graph.js';
import type { ImageInput } from './image-input.js';
import type { Inference } from './infer-shapes.js';
import { readOperator } from './operators/table.js';
import { Scope, type Value } from './scope.js';
import { type SpelledOut, spelledOutActivations } from './spelled-out.js';

export interface Translation {
  readonly drafts: readonly Draft[];
  /** The engine's value behind each name. */
  readonly resolve: (name: string) => string;
  readonly values: ReadonlyMap<string, Value>;
}

/**
 * Turns operators into drafts one by one; operators without a counterpart become `unknown` drafts.
 * @param inference shapes of all values, for one image of the nominal size
 * @param image the graph's input
 * @throws FoveaError `bad-file` naming the operator whose weights or attributes do not fit
 */
export function translate(
  graph: Graph,
  inference: Inference,
  image: ImageInput,
  budget: Budget,
): Translation {
  const scope = new Scope(graph, budget, inference, image);
  const drafts: Draft[] = [];
  const spelledOut = spelledOutActivations(graph);
  const joined = new Set<SpelledOut>();
  for (const node of graph.nodes) {
    const match = spelledOut.get(node);
    if (match?.nodes[0] === node && scope.values.has(scope.resolve(match.input))) joined.add(match);
    if (match && joined.has(match)) {
      if (match.nodes.at(-1) !== node) continue;
      const input = scope.resolve(match.input);
      const { activation, nodes: origins } = match;
      drafts.push({ ...scope.base(node, [input]), kind: 'activation', activation, origins });
      scope.values.set(node.outputs[0]!, scope.values.get(input)!);
      continue;
    }
    const outcome = readOperator(node, scope);
    const output = node.outputs[0] ?? '';
    if (outcome && 'alias' in outcome) {
      scope.aliases.set(output, outcome.alias);
      if (outcome.value) scope.values.set(output, outcome.value);
    } else if (outcome && 'drafts' in outcome) {
      for (const { draft, value } of outcome.drafts) {
        drafts.push(draft);
        scope.values.set(draft.outputs[0]!, value);
      }
    } else if (outcome) {
      if (outcome.first) drafts.push(outcome.first);
      drafts.push(outcome.draft);
      scope.values.set(output, outcome.value);
    } else {
      drafts.push(scope.unknown(node));
    }
  }
  return { drafts: withoutStragglers(drafts), resolve: (name) => scope.resolve(name), values: scope.values };
}

/** Kinds worth a separate node; the others only pay next to one of them. */
const heavy: ReadonlySet<Draft['kind']> = new Set(['convolution', 'max-pool', 'average-pool', 'global-pool']);

/** Matrices that several layers read: those of the cells of a recurrent network, step by step. */
function recurrentMatrices(drafts: readonly Draft[]): ReadonlySet<string> {
  const read = new Set<string>();
  const again = new Set<string>();
  for (const draft of drafts) {
    const matrix = matrixOf(draft);
    if (matrix === undefined) continue;
    if (read.has(matrix)) again.add(matrix);
    read.add(matrix);
  }
  return again;
}

/** The name of a fully connected layer's matrix. */
function matrixOf({ kind, origins }: Draft): string | undefined {
  const [first] = origins;
  return kind === 'convolution' && first!.op !== 'Conv' ? first!.inputs[1] : undefined;
}

/**
 * Leaves to onnxruntime what arithmetic, and what cells of a recurrent network, lie amid operators that only it
 * knows: as nodes of the engine they would cut one foreign piece into many.
 */
function withoutStragglers(drafts: readonly Draft[]): Draft[] {
  const producers = new Map<string, Draft>();
  const readers = new Map<string, Draft[]>();
  for (const draft of drafts) {
    for (const value of draft.outputs) producers.set(value, draft);
    for (const value of draft.inputs) readers.set(value, [...(readers.get(value) ?? []), draft]);
  }
  const recurrent = recurrentMatrices(drafts);
  const kept = new Set(
    drafts.filter((draft) => heavy.has(draft.kind) && !recurrent.has(matrixOf(draft) ?? '')),
  );
  const pending = [...kept];
  for (let draft = pending.pop(); draft !== undefined; draft = pending.pop()) {
    const before = draft.inputs.map((value) => producers.get(value));
    const after = draft.outputs.flatMap((value) => readers.get(value) ?? []);
    for (const neighbour of [...before, ...after]) {
      if (!neighbour || neighbour.kind === 'unknown' || kept.has(neighbour)) continue;
      kept.add(neighbour);
      pending.push(neighbour);
    }
  }
  return drafts.map((draft) => (kept.has(draft) || draft.kind === 'unknown' ? draft : asUnknown(draft)));
}

function asUnknown({ inputs, outputs, origins, label }: Draft): UnknownDraft {
  return { kind: 'unknown', inputs, outputs, origins, label };
}
