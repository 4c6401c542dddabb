import type { Budget } from './budget.js';
import type { Draft, UnknownDraft } from './draft.js';
import type { Graph } from './graph.js';
import type { ImageInput } from './image-input.js';
import type { Inference } from './infer-shapes.js';
import { normalisationOf, normalisedMap } from './operators/normalisation.js';
import { readOperator } from './operators/table.js';
import { Scope, type Value } from './scope.js';
import { type SpelledOut, spelledOut } from './spelled-out.js';

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
  const matches = spelledOut(graph);
  const joined = new Map<SpelledOut, { readonly draft: Draft; readonly value: Value }>();
  for (const node of graph.nodes) {
    const match = matches.get(node);
    const made = match?.nodes[0] === node ? joinedDraft(match, scope) : undefined;
    if (match && made) joined.set(match, made);
    const join = match && joined.get(match);
    if (join) {
      if (match.nodes.at(-1) !== node) continue;
      drafts.push(join.draft);
      scope.values.set(node.outputs[0]!, join.value);
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

/** One draft for several operators, if the engine can hold what they read. */
function joinedDraft(match: SpelledOut, scope: Scope): { draft: Draft; value: Value } | undefined {
  const input = scope.resolve(match.input);
  // A vector may be a map by another name.
  const value = scope.values.get(match.input) ?? scope.values.get(input);
  if (!value) return undefined;
  const last = match.nodes.at(-1)!;
  const from = { origins: match.nodes, outputs: [last.outputs[0]!] };
  if ('activation' in match) {
    const { activation } = match;
    return { draft: { ...scope.base(last, [input]), kind: 'activation', activation, ...from }, value };
  }
  if ('by' in match) {
    const { by, groups, epsilon } = match;
    const [before, after] = [scope.dims(match.input), scope.dims(last.outputs[0]!)];
    if (value.rank !== 4 || before === undefined || before.join() !== after?.join()) return undefined;
    return normalisedMap(last, scope, { input, value, by, groups, epsilon }, from);
  }
  const { named, axis, epsilon, centred, parameters } = match;
  // Behind the channels there are none of a vector's axes.
  if (axis !== 1 && !(axis === -1 && value.rank === 2)) return undefined;
  const draft = normalisationOf(named, scope, { input, value, epsilon, centred, parameters });
  return draft && { draft: { ...draft, ...from }, value };
}

/** Kinds worth a separate node; the others only pay next to one of them. */
const heavy: ReadonlySet<Draft['kind']> = new Set([
  ...(['convolution', 'max-pool', 'average-pool', 'global-pool', 'pixel-attention'] as const),
]);

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
