import { FoveaError } from '../../errors.js';
import {
  type InferenceSession,
  loadRuntime,
  type OrtTensor,
  openModel,
  runModel,
} from '../../onnxruntime.js';
import type { Budget } from './budget.js';
import { cutPiece, type Producers } from './foreign-model.js';
import type { Graph, GraphNode } from './graph.js';
import { type Inference, inferNode } from './infer-shapes.js';
import { countOf } from './tensor.js';

/** Longest list of numbers that is computed to find a shape. */
const mostNumbers = 64;
/** Largest value that is made up to ask for its extents: 256 MiB. */
const mostZeros = 2 ** 26;

/**
 * Infers the shapes of all values of a graph; operators without a rule are passed to onnxruntime. It
 * computes nothing of the network for that: it checks the operator with the extents of what it reads, and computes
 * the short lists of numbers, such as padding, that the graph makes from such extents.
 *
 * @param state what is known before; filled in
 * @returns in onnxruntime's words, why it refuses an operator that has no rule; undefined where it refuses none
 */
export async function inferAsking(
  graph: Graph,
  producers: Producers,
  nodes: readonly GraphNode[],
  state: Inference,
  budget: Budget,
): Promise<string | undefined> {
  let refusal: string | undefined;
  const known = (name: string) => (state.nonFloat.has(name) ? undefined : state.shapes.get(name));
  for (const node of nodes) {
    inferNode(node, state);
    const named = node.outputs.filter((name) => name !== '');
    const isKnown = () => named.every((name) => state.shapes.get(name) !== undefined);
    if (isKnown()) continue;
    const read = [...node.inputs, ...node.captured].filter((name) => name !== '');
    if (read.some((name) => state.shapes.get(name) === undefined)) continue;
    const { model } = cutPiece(graph, producers, named, known, budget);
    const answers = await askShapes(model, `${node.op} "${node.name}"`);
    if (answers instanceof FoveaError) refusal ??= answers.message;
    for (const [name, { dims, float }] of answers instanceof FoveaError ? [] : answers) {
      // No extents at all mean that it does not know how many there are, or a single number.
      if (dims.length > 0 && dims.every(isExtent) && !state.shapes.get(name)) state.shapes.set(name, dims);
      if (!float) state.nonFloat.add(name);
    }
    if (isKnown()) continue;
    for (const name of node.inputs) {
      if (!state.nonFloat.has(name) || state.integers.has(name)) continue;
      const numbers = await numbersOf(graph, producers, name, state, budget);
      if (numbers) state.integers.set(name, numbers);
    }
    inferNode(node, state);
  }
  return refusal;
}

/** A short list of integers that follows from constants and extents alone; undefined when it takes anything else. */
async function numbersOf(
  graph: Graph,
  producers: Producers,
  wanted: string,
  state: Inference,
  budget: Budget,
): Promise<number[] | undefined> {
  // What the file itself gives is known, or a list that is too long.
  if (graph.constants.has(wanted)) return undefined;
  const pending = [wanted];
  const seen = new Set<string>();
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '' || seen.has(name) || graph.constants.has(name)) continue;
    seen.add(name);
    const dims = state.shapes.get(name);
    const producer = producers.get(name);
    if (!producer || !dims || countOf(dims) > mostNumbers || producer.captured.length > 0) return undefined;
    if (producer.op !== 'Shape') pending.push(...producer.inputs);
  }
  const measured = [...seen].flatMap((name) => {
    const producer = producers.get(name);
    return producer?.op === 'Shape' ? [producer.inputs[0]!] : [];
  });
  if (measured.some((name) => !(countOf(state.shapes.get(name) ?? [Number.NaN]) <= mostZeros)))
    return undefined;
  const sizes = new Map(measured.map((name) => [name, state.shapes.get(name)]));
  const { inputs, model } = cutPiece(graph, producers, [wanted], (name) => sizes.get(name), budget);
  try {
    const session = await openModel(model, { threads: 1, optimize: false }, graph.source);
    try {
      const feeds = await Promise.all(
        inputs.map(async (name) => [name, await zeros(sizes.get(name)!)] as const),
      );
      const { data } = (await runModel(session, Object.fromEntries(feeds), graph.source))[wanted]!;
      return Array.from(data as ArrayLike<number | bigint>, Number);
    } finally {
      await session.release();
    }
  } catch (error) {
    if (error instanceof FoveaError) return undefined;
    throw error;
  }
}

/** A value of which only the extents are read. */
async function zeros(dims: readonly number[]): Promise<OrtTensor> {
  const { Tensor } = await loadRuntime();
  return new Tensor('float32', new Float32Array(countOf(dims)), [...dims]);
}

function isExtent(extent: number | string): extent is number {
  return typeof extent === 'number' && Number.isSafeInteger(extent) && extent >= 0;
}

/** An output of a model: the extents that follow from the inputs', some by the name of an input's. */
interface Answer {
  readonly dims: readonly (number | string)[];
  readonly float: boolean;
}

/** What onnxruntime says of a model's outputs, computing nothing; the error where it refuses the model or is not there. */
async function askShapes(
  model: Uint8Array,
  source: string,
): Promise<ReadonlyMap<string, Answer> | FoveaError> {
  let session: InferenceSession;
  try {
    session = await openModel(model, { threads: 1, optimize: false }, source);
  } catch (error) {
    // The shape stays unknown, which matters only if the network reads the value.
    if (error instanceof FoveaError) return error;
    throw error;
  }
  const answers = session.outputMetadata.flatMap((output) =>
    output.isTensor ? [[output.name, { dims: output.shape, float: output.type === 'float32' }] as const] : [],
  );
  await session.release();
  return new Map(answers);
}
