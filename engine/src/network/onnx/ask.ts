import { FoveaError } from '../../errors.js';
import { type InferenceSession, openModel } from '../../onnxruntime.js';
import type { Budget } from './budget.js';
import { cutPiece, type Producers } from './foreign-model.js';
import type { Graph, GraphNode } from './graph.js';
import { type Inference, inferNode } from './infer.js';

/**
 * Infers the shapes of all values of a graph; where the rules do not know an operator, onnxruntime is asked. It
 * computes nothing for that: it only checks the operator with the extents of what it reads.
 * @param state what is known before; filled in
 */
export async function inferAsking(
  graph: Graph,
  producers: Producers,
  nodes: readonly GraphNode[],
  state: Inference,
  budget: Budget,
): Promise<void> {
  for (const node of nodes) {
    inferNode(node, state);
    const named = node.outputs.filter((name) => name !== '');
    if (named.every((name) => state.shapes.get(name) !== undefined)) continue;
    const read = [...node.inputs, ...node.captured].filter((name) => name !== '');
    if (read.some((name) => state.shapes.get(name) === undefined)) continue;
    const known = (name: string) => (state.nonFloat.has(name) ? undefined : state.shapes.get(name));
    const { model } = cutPiece(graph, producers, named, known, budget);
    for (const [name, { dims, float }] of await askShapes(model, node.name)) {
      if (dims.every(isExtent) && !state.shapes.get(name)) state.shapes.set(name, dims);
      if (!float) state.nonFloat.add(name);
    }
  }
}

export function isExtent(extent: number | string): extent is number {
  return typeof extent === 'number' && Number.isSafeInteger(extent) && extent >= 0;
}

/** An output of a model: the extents that follow from the inputs', some by the name of an input's. */
interface Answer {
  readonly dims: readonly (number | string)[];
  readonly float: boolean;
}

/** What onnxruntime says of a model's outputs, computing nothing. */
export async function askShapes(model: Uint8Array, source: string): Promise<ReadonlyMap<string, Answer>> {
  let session: InferenceSession;
  try {
    session = await openModel(model, { threads: 1, optimize: false }, source);
  } catch (error) {
    // Without onnxruntime, or with an operator that it does not know either, the shape stays unknown.
    if (error instanceof FoveaError) return new Map();
    throw error;
  }
  const answers = session.outputMetadata.flatMap((output) =>
    output.isTensor ? [[output.name, { dims: output.shape, float: output.type === 'float32' }] as const] : [],
  );
  await session.release();
  return new Map(answers);
}
