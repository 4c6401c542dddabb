import { didYouMean } from '../../did-you-mean.js';
import { FoveaError } from '../../errors.js';
import { nestConcats } from '../nested-concats.js';
import type { NetworkNode } from '../network.js';
import type { Budget } from './budget.js';
import { type Draft, DraftGraph } from './draft.js';
import { cutPiece, openExtents, type Producers } from './foreign-model.js';
import { fuse } from './fuse.js';
import { describeNode, type Graph, type GraphNode } from './graph.js';
import type { ImageInput } from './image-input.js';
import type { Inference } from './infer-shapes.js';
import { joinParallel } from './parallel.js';
import { findBlocks } from './residual.js';
import { type Translation, translate } from './translate.js';

/** A graph, and the shapes of its values for one image. */
export interface InferredGraph {
  readonly graph: Graph;
  readonly producers: Producers;
  readonly inference: Inference;
}

/** What the engine makes of a graph. */
export interface AssembledGraph extends InferredGraph {
  /** The output that is computed. */
  readonly chosen: string;
  /** The engine's name of it. */
  readonly output: string;
  readonly drafts: readonly Draft[];
  readonly nodes: readonly NetworkNode[];
  /** How often operators of foreign nodes run, on average: more than once where several pieces need what none of them hands on. */
  readonly runsOfForeign: number;
}

/**
 * The engine's nodes of a graph.
 * @param wanted the output to compute; the first when left out
 * @throws FoveaError `unknown-name` when there is no such output, `bad-file` and `unsupported` naming an operator
 */
export function assembleGraph(
  inferred: InferredGraph,
  image: ImageInput,
  wanted: string | undefined,
  budget: Budget,
): AssembledGraph {
  const { graph, producers, inference } = inferred;
  graph.nodes.forEach((node, position) => {
    node.position = position;
  });
  const chosen = chooseOutput(graph, wanted);
  const translation = translate(graph, inference, image, budget);
  const output = translation.resolve(chosen);
  const drafts = new DraftGraph(live(translation.drafts, output), new Set([output]));
  fuse(drafts, budget);
  joinParallel(drafts, budget);
  findBlocks(drafts, {
    dims: (value) => inference.shapes.get(value),
    constant: (value) => graph.constants.get(translation.resolve(value)),
  });
  const { nodes, runsOfForeign } = assemble(
    graph,
    drafts.all(),
    translation,
    producers,
    image,
    output,
    budget,
  );
  return { ...inferred, chosen, output, drafts: drafts.all(), nodes: nestConcats(nodes), runsOfForeign };
}

function chooseOutput({ outputs, source }: Graph, wanted: string | undefined): string {
  if (wanted === undefined) return outputs[0]!;
  if (outputs.includes(wanted)) return wanted;
  throw new FoveaError(
    'unknown-name',
    `${source} has no output ${JSON.stringify(wanted)}; it has ${outputs.join(', ')}${didYouMean(wanted, outputs)}`,
  );
}

/** Drafts that the output depends on, which leaves out shape computations that are no longer used. */
function live(drafts: readonly Draft[], output: string): Draft[] {
  const needed = new Set([output]);
  const kept = [...drafts].reverse().filter((draft) => {
    if (!draft.outputs.some((value) => needed.has(value))) return false;
    for (const value of draft.inputs) needed.add(value);
    return true;
  });
  return kept.reverse();
}

/** The engine's nodes, with a foreign node for every value that only unknown operators can compute. */
function assemble(
  graph: Graph,
  drafts: readonly Draft[],
  translation: Translation,
  producers: Producers,
  image: ImageInput,
  output: string,
  budget: Budget,
): { readonly nodes: NetworkNode[]; readonly runsOfForeign: number } {
  const isForeign = (draft: Draft) =>
    draft.kind === 'unknown' ||
    draft.kind === 'pad' ||
    draft.kind === 'affine' ||
    (draft.kind === 'multiply' && !draft.fits);
  const computed = new Set([image.name]);
  const wanted = new Set([output]);
  for (const draft of drafts) {
    if (isForeign(draft)) continue;
    for (const value of draft.outputs) computed.add(value);
    for (const value of draft.inputs) wanted.add(value);
  }
  const known = (value: string) => {
    const rank = computed.has(value) || wanted.has(value) ? translation.values.get(value)?.rank : undefined;
    if (!rank) return rank;
    const [batch, ...others] = openExtents(value, rank);
    // What a file of one image makes of several need not be what it makes of each.
    return [image.single ? 1 : batch!, ...others];
  };
  const names = new Map<string, number>();
  const unique = (name: string) => {
    const times = (names.get(name) ?? 0) + 1;
    names.set(name, times);
    return times === 1 ? name : `${name}:${times}`;
  };
  const nodes: NetworkNode[] = [];
  const runs = new Map<GraphNode, number>();
  for (const draft of drafts) {
    if (!isForeign(draft)) {
      nodes.push({ ...engineNode(draft), name: unique(draft.label) });
      continue;
    }
    for (const value of draft.outputs) {
      if (!wanted.has(value)) continue;
      const piece = cutPiece(graph, producers, [value], known, budget);
      for (const node of piece.nodes) runs.set(node, (runs.get(node) ?? 0) + 1);
      if (piece.inputs.length === 0) {
        throw new FoveaError(
          'unsupported',
          `${graph.source}: ${describeNode(producers.get(value)!)} does not depend on the image; such values are not accepted`,
        );
      }
      nodes.push({
        kind: 'foreign',
        name: unique(draft.label),
        inputs: piece.inputs,
        output: value,
        model: piece.model,
        operators: piece.operators,
      });
    }
  }
  const all = [...runs.values()].reduce((sum, times) => sum + times, 0);
  return { nodes, runsOfForeign: all / Math.max(runs.size, 1) };
}

function engineNode(draft: Draft): NetworkNode {
  const base = { name: draft.label, inputs: draft.inputs, output: draft.outputs[0]! };
  switch (draft.kind) {
    case 'convolution':
      return { ...base, kind: 'convolution', convolution: draft.convolution };
    case 'max-pool':
    case 'average-pool': {
      const { kind, kernel, stride, padding, samePadding, ceilMode, countIncludePad } = draft;
      const same = samePadding ? { samePadding } : {};
      return { ...base, kind, kernel, stride, padding, ...same, ceilMode, countIncludePad };
    }
    case 'global-pool':
      return { ...base, kind: 'global-pool' };
    case 'add':
      return {
        ...base,
        kind: 'add',
        activation: draft.activation,
        ...(draft.dense === undefined ? {} : { dense: draft.dense }),
      };
    case 'multiply':
      return { ...base, kind: 'multiply' };
    case 'activation':
      if (draft.activation === 'prelu') break;
      return { ...base, kind: 'activation', activation: draft.activation };
    case 'concat':
      return { ...base, kind: 'concat' };
    case 'slice':
      return { ...base, kind: 'slice', first: draft.first, channels: draft.channels };
    case 'resize':
      return { ...base, kind: 'resize', factor: draft.factor, interpolation: draft.interpolation };
    case 'normalise-map': {
      const { kind, by, groups, epsilon } = draft;
      return { ...base, kind, by, groups, epsilon };
    }
    case 'pixel-attention':
      return { ...base, kind: 'pixel-attention', attention: draft.attention };
    case 'block':
      return { ...base, kind: 'block', block: draft.block };
  }
  throw new TypeError(`a draft of kind ${draft.kind} is no node`);
}
