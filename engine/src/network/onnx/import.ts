import { FoveaError } from '../../errors.js';
import { blocksOf, type Network, type NetworkNode } from '../network.js';
import { quantisedOperators } from '../quantised.js';
import { learnShapes } from '../walk.js';
import { type AssembledGraph, assembleGraph } from './assemble.js';
import { Budget } from './budget.js';
import { withChannelsFirst } from './channels-first.js';
import { withPaddingRules } from './computed-padding.js';
import { decodeModel } from './decode.js';
import type { Draft } from './draft.js';
import { withoutEmptyPadding } from './empty-padding.js';
import { loadExternalData, type ReadBeside, tensorsOf } from './external-data.js';
import { foldConstants } from './fold.js';
import { producersOf } from './foreign-model.js';
import { inlineFunctions } from './functions.js';
import { spellOutFusedConvolutions } from './fused.js';
import type { ModelProto } from './generated/onnx_pb.js';
import { type Graph, readGraph } from './graph.js';
import { withImageInput } from './image-input.js';
import { inferAsking } from './infer-asking.js';
import { beginInference } from './infer-shapes.js';
import { withStoredMaskers } from './masker-metadata.js';
import { withPixelsAsMaps } from './pixels/pixels-as-maps.js';
import { ElementType } from './tensor.js';

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
  const folded = withoutEmptyPadding(await foldConstants(readGraph(model, source, budget), budget));
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
  const attempt = async (tokens: boolean) => {
    const own = budget.another();
    const onMaps = withPixelsAsMaps(known.graph, known.inference, own, tokens);
    if (tokens && !onMaps) return undefined;
    return assembleGraph(onMaps ? await infer(onMaps) : known, image, outputName, own);
  };
  const { graph, inference, chosen, output, drafts, nodes } = await bestAssembled(attempt, image.fixed);
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
  const notes = notesOf(network, model, graph, chosen, drafts);
  const adapted = withStoredMaskers(network, model.metadataProps);
  return { ...adapted.network, notes: adapted.note ? [...notes, adapted.note] : notes };
}

/** Foreign nodes for each attention, above which maps of tokens cost more to hand over than their blocks are worth. */
const mostForeign = 2;
/** Times that operators of foreign nodes may run, above which these are not worth having apart. */
const mostRuns = 2;

/**
 * A graph with its attention over pixels as the engine has it. Tokens that are no pixels become maps as well where little is
 * left to onnxruntime between them, or where without that its pieces would do the same work again and again.
 * @param attempt what the engine makes of the graph with such maps or without; undefined where there are none
 * @param fixed whether the file says the image's sides, as maps of tokens do
 */
async function bestAssembled(
  attempt: (tokens: boolean) => Promise<AssembledGraph | undefined>,
  fixed: boolean,
): Promise<AssembledGraph> {
  // Refused here, a file may still be accepted, or refused for the same reason, without.
  const ofTokens = fixed ? await attempt(true).catch(passOver) : undefined;
  const count = (kind: NetworkNode['kind']) => ofTokens!.nodes.filter((node) => node.kind === kind).length;
  if (ofTokens && count('foreign') <= mostForeign * count('pixel-attention')) return ofTokens;
  const ofPixels = ofTokens ? await attempt(false).catch(passOver) : (await attempt(false))!;
  return !ofPixels || (ofTokens && ofPixels.runsOfForeign > mostRuns) ? ofTokens! : ofPixels;
}

/** What is refused is not taken. */
function passOver(error: unknown): undefined {
  if (!(error instanceof FoveaError)) throw error;
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
