import { didYouMean } from '../../did-you-mean.js';
import { FoveaError } from '../../errors.js';
import { nestConcats } from '../nested-concats.js';
import { blocksOf, type Network, type NetworkNode } from '../network.js';
import { quantisedOperators } from '../quantised.js';
import { learnShapes } from '../walk.js';
import { Budget } from './budget.js';
import { withChannelsFirst } from './channels-first.js';
import { withPaddingRules } from './computed-padding.js';
import { decodeModel } from './decode.js';
import { type Draft, DraftGraph } from './draft.js';
import { loadExternalData, type ReadBeside, tensorsOf } from './external-data.js';
import { foldConstants } from './fold.js';
import { cutPiece, openExtents, type Producers, producersOf } from './foreign-model.js';
import { inlineFunctions } from './functions.js';
import { fuse } from './fuse.js';
import { spellOutFusedConvolutions } from './fused.js';
import type { ModelProto } from './generated/onnx_pb.js';
import { describeNode, type Graph, readGraph } from './graph.js';
import { withImageInput } from './image-input.js';
import { inferAsking } from './infer-asking.js';
import { beginInference } from './infer-shapes.js';
import { withStoredMaskers } from './masker-metadata.js';
import { joinParallel } from './parallel.js';
import { withPixelsAsMaps } from './pixels/pixels-as-maps.js';
import { findBlocks } from './residual.js';
import { ElementType } from './tensor.js';
import { type Translation, translate } from './translate.js';

/** Where a model came from, and what is wanted of it. */
export interface ModelSource {
  /** Path of the file, for the dense baseline; left out for bytes from memory. */
  readonly path?: string | undefined;
  /** Reads its external data; left out for bytes from memory. */
  readonly readBeside?: ReadBeside | undefined;
  /** The output to compute; the first when left out. */
  readonly outputName?: string | undefined;
}

/**
 * Imports an ONNX model: batch norm folded, residual blocks found by structure, whatever the engine has no
 * node for kept as a foreign node.
 *
 * @throws FoveaError `bad-file` when the file is damaged, `unsupported` when its input is no image,
 *   `unknown-name` when it has no such output
 *
 * @example
 * ```ts
 * import { blocksOf, builtNetwork } from '@fovea/engine';
 * import { importOnnx, toOnnx } from '@fovea/engine/onnx';
 *
 * const bytes = toOnnx(builtNetwork('resnet18'));
 * const network = await importOnnx(bytes, 'resnet18');
 * console.log(blocksOf(network).length);
 * ```
 */
export async function importModel(
  bytes: Uint8Array,
  name: string,
  { path, readBeside, outputName }: ModelSource = {},
): Promise<Network> {
  const source = path ?? name;
  const model = decodeModel(bytes, source);
  const externalBytes = await loadExternalData(model, source, readBeside);
  const budget = new Budget(source, bytes.length + externalBytes);
  inlineFunctions(model, source);
  spellOutFusedConvolutions(model);
  const folded = await foldConstants(readGraph(model, source, budget), budget);
  const { graph: read, image } = withImageInput(folded);
  const infer = async (graph: Graph) => {
    const producers = producersOf(graph);
    const inference = beginInference(
      graph.constants,
      new Map([[image.name, [1, image.channels, image.height, image.width]]]),
    );
    await inferAsking(graph, producers, graph.nodes, inference, budget);
    return { graph, producers, inference };
  };
  const known = await infer(await withPaddingRules(withChannelsFirst(read, budget), budget));
  const onMaps = withPixelsAsMaps(known.graph, known.inference, budget);
  const { graph, producers, inference } = onMaps === known.graph ? known : await infer(onMaps);
  const chosen = chooseOutput(graph, outputName);
  const translation = translate(graph, inference, image, budget);
  const output = translation.resolve(chosen);
  const drafts = new DraftGraph(live(translation.drafts, output), new Set([output]));
  fuse(drafts, budget);
  joinParallel(drafts, budget);
  findBlocks(drafts, {
    dims: (value) => inference.shapes.get(value),
    constant: (value) => graph.constants.get(translation.resolve(value)),
  });
  const nodes = nestConcats(
    assemble(graph, drafts.all(), translation, producers, image.name, output, budget),
  );
  const labels = labelsOf(model);
  const network: Network = {
    name,
    format: 'onnx',
    inputShape: { channels: image.channels, height: image.height, width: image.width },
    nodes,
    input: image.name,
    output,
    ...(inference.shapes.get(chosen)?.length === 4 ? { outputRank: 4 } : {}),
    ...(labels ? { labels } : {}),
    notes: [],
    ...(path === undefined ? {} : { onnxPath: path, onnxOutput: chosen }),
  };
  await learnShapes(network, network.inputShape);
  const notes = notesOf(network, model, graph, chosen, drafts.all());
  const adapted = withStoredMaskers(network, model.metadataProps);
  return { ...adapted.network, notes: adapted.note ? [...notes, adapted.note] : notes };
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
  input: string,
  output: string,
  budget: Budget,
): NetworkNode[] {
  const isForeign = (draft: Draft) =>
    draft.kind === 'unknown' ||
    draft.kind === 'pad' ||
    draft.kind === 'affine' ||
    (draft.kind === 'multiply' && !draft.fits);
  const computed = new Set([input]);
  const wanted = new Set([output]);
  for (const draft of drafts) {
    if (isForeign(draft)) continue;
    for (const value of draft.outputs) computed.add(value);
    for (const value of draft.inputs) wanted.add(value);
  }
  const known = (value: string) => {
    const rank = computed.has(value) || wanted.has(value) ? translation.values.get(value)?.rank : undefined;
    return rank && openExtents(value, rank);
  };
  const names = new Map<string, number>();
  const unique = (name: string) => {
    const times = (names.get(name) ?? 0) + 1;
    names.set(name, times);
    return times === 1 ? name : `${name}:${times}`;
  };
  const nodes: NetworkNode[] = [];
  for (const draft of drafts) {
    if (!isForeign(draft)) {
      nodes.push({ ...engineNode(draft), name: unique(draft.label) });
      continue;
    }
    for (const value of draft.outputs) {
      if (!wanted.has(value)) continue;
      const piece = cutPiece(graph, producers, [value], known, budget);
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
  return nodes;
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

/** Class names, where a tool has stored a list of them in the model. */
function labelsOf(model: ModelProto): string[] | undefined {
  for (const { key, value } of model.metadataProps) {
    if (!['labels', 'classes', 'class_names', 'names'].includes(key)) continue;
    try {
      const list: unknown = JSON.parse(value);
      if (Array.isArray(list) && list.every((label) => typeof label === 'string')) return list;
    } catch {
      // Another tool's own format: the model runs as well without names.
    }
  }
  return undefined;
}

function notesOf(
  network: Network,
  model: ModelProto,
  graph: Graph,
  chosen: string,
  drafts: readonly Draft[],
): string[] {
  const notes: string[] = [];
  const foreign = network.nodes.filter((node) => node.kind === 'foreign');
  if (foreign.length > 0) {
    const operators = [...new Set(foreign.flatMap((node) => node.operators))].sort();
    notes.push(
      `${foreign.length} piece(s) of the graph run in onnxruntime, in NCHW: ${operators.join(', ')}`,
    );
  }
  const quantised = quantisedOperators(network);
  if (quantised.length > 0) {
    notes.push(
      `the network is quantised (${quantised.join(', ')}): blocks are found in networks of floats, so open the one that it was made of`,
    );
  }
  if (blocksOf(network).length === 0) {
    notes.push('no residual block was found: the network runs densely, masks have nothing to skip');
  }
  const reasons = new Map<string, number>();
  for (const draft of drafts) {
    if (draft.kind === 'add' && draft.dense) reasons.set(draft.dense, (reasons.get(draft.dense) ?? 0) + 1);
  }
  if (reasons.size > 0) {
    const counted = [...reasons].map(([reason, times]) => `${reason} (${times})`).join('; ');
    notes.push(`additions that are not of a form that masks can skip run densely: ${counted}`);
  }
  const types = new Set([...tensorsOf(model.graph)].map((tensor) => tensor.dataType));
  if (types.has(ElementType.FLOAT16) || types.has(ElementType.BFLOAT16)) {
    notes.push('half-precision weights are computed in float32');
  }
  if (types.has(ElementType.DOUBLE)) notes.push('double-precision weights are computed in float32');
  if (graph.outputs.length > 1) {
    const others = graph.outputs.filter((name) => name !== chosen);
    notes.push(
      `of ${graph.outputs.length} outputs ${chosen} is computed; there are also ${others.join(', ')}`,
    );
  }
  return notes;
}
