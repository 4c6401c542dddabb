import { fromBinary } from '@bufbuild/protobuf';
import { FoveaError } from '../../errors.js';
import { loadRuntime, openModel, runModel } from '../../onnxruntime.js';
import type { ForeignNode } from '../network.js';
import { Budget } from './budget.js';
import type { Domain } from './builder.js';
import { producersOf } from './foreign-model.js';
import { ModelProtoSchema } from './generated/onnx_pb.js';
import { type Graph, readGraph } from './graph.js';
import { inferAsking } from './infer-asking.js';
import { beginInference, type Dims, inferShapes } from './infer-shapes.js';
import { countOf } from './tensor.js';

type NHWC = readonly [N: number, H: number, W: number, C: number];

/** Models decoded once; weights inside them stay views. */
const graphs = new WeakMap<Uint8Array, Graph>();

function graphOf(node: ForeignNode): Graph {
  let graph = graphs.get(node.model);
  if (!graph) {
    const budget = new Budget(node.name, node.model.length);
    graph = readGraph(fromBinary(ModelProtoSchema, node.model), node.name, budget);
    graphs.set(node.model, graph);
  }
  return graph;
}

/** ONNX's operator set that a foreign node's operators belong to. */
export function foreignOpset(node: ForeignNode): number {
  return Number(
    graphOf(node).opsets.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? 1,
  );
}

/** Sets of operators besides ONNX's own that a foreign node's operators belong to. */
export function foreignDomains(node: ForeignNode): Domain[] {
  return graphOf(node).opsets.flatMap(({ domain, version }) =>
    domain === '' || domain === 'ai.onnx' ? [] : [{ domain, version }],
  );
}

/** What onnxruntime said of nodes whose operators the rules do not know, by the extents that they read. */
const answers = new WeakMap<ForeignNode, Map<string, Dims>>();

/** Why onnxruntime refuses an operator of a node, where it does. */
const refusals = new WeakMap<ForeignNode, string>();

/**
 * Why onnxruntime refuses an operator of a foreign node, in its words.
 * @returns undefined where it does not, or has not been asked
 */
export function foreignRefusal(node: ForeignNode): string | undefined {
  return refusals.get(node);
}

/** Shapes of what a node reads, in ONNX's order; undefined where unknown. */
function inputDims(node: ForeignNode, inputs: readonly (NHWC | undefined)[]): Map<string, Dims> {
  const graph = graphOf(node);
  return new Map(
    node.inputs.map((name, i): [string, Dims] => {
      const shape = inputs[i];
      const info = graph.inputs.find((input) => input.name === name)?.type?.value;
      const rank = info?.case === 'tensorType' ? info.value.shape?.dim.length : 4;
      if (!shape) return [name, undefined];
      const [N, H, W, C] = shape;
      return [name, rank === 2 ? [N, H * W * C] : [N, C, H, W]];
    }),
  );
}

/**
 * Extents that a foreign node writes, in ONNX's order.
 * @param inputs shapes of what it reads; undefined where unknown
 * @returns undefined when an operator inside is not one whose shape can be inferred, or was asked for
 */
export function foreignDims(node: ForeignNode, inputs: readonly (NHWC | undefined)[]): Dims {
  const graph = graphOf(node);
  const shapes = (given: ReadonlyMap<string, Dims>) =>
    inferShapes(graph.nodes, graph.constants, given).shapes.get(node.output);
  // Of one image: where the file fixes its batch, rules would make something else of several.
  const one = inputDims(
    node,
    inputs.map((shape) => shape && [1, shape[1], shape[2], shape[3]]),
  );
  const dims = shapes(one) ?? answers.get(node)?.get(keyOf(one));
  const batch = inputs[0]?.[0];
  if (!dims || batch === undefined) return undefined;
  return dims[0] === 1 ? [batch, ...dims.slice(1)] : shapes(inputDims(node, inputs));
}

/** Extents for one image: they are the same for every batch size. */
function keyOf(given: ReadonlyMap<string, Dims>): string {
  return [...given.values()].map((dims) => dims?.slice(1).join('x') ?? '?').join(' ');
}

/**
 * Asks onnxruntime what a foreign node writes, where the rules do not know; {@link foreignDims} knows it then.
 * @param inputs shapes of what it reads, for one image
 */
export async function askForeignShape(
  node: ForeignNode,
  inputs: readonly (NHWC | undefined)[],
): Promise<void> {
  const given = inputDims(node, inputs);
  const known = answers.get(node) ?? new Map<string, Dims>();
  answers.set(node, known);
  const key = keyOf(given);
  if (known.has(key) || [...given.values()].includes(undefined) || foreignDims(node, inputs)) return;
  const graph = graphOf(node);
  const state = beginInference(graph.constants, given);
  const budget = new Budget(node.name, node.model.length);
  const refusal = await inferAsking(graph, producersOf(graph), graph.nodes, state, budget);
  if (refusal !== undefined) refusals.set(node, refusal);
  const answer =
    state.shapes.get(node.output) ?? (refusal === undefined ? await triedDims(node, given) : undefined);
  // Another first extent than that of one image means that other axes were folded into the batch.
  known.set(key, answer?.[0] === 1 ? answer : undefined);
}

/** Largest input that is made up to see what a node makes of it: 256 MiB. */
const mostValues = 2 ** 26;

/**
 * Extents that a node writes when it is run on made-up values; undefined where they depend on the values, or it does not
 * run. Exporters compute extents in ways that onnxruntime does not follow without running them.
 */
async function triedDims(node: ForeignNode, given: ReadonlyMap<string, Dims>): Promise<Dims> {
  if ([...given.values()].some((dims) => countOf(dims!) > mostValues)) return undefined;
  try {
    const { Tensor } = await loadRuntime();
    const session = await openModel(node.model, { threads: 1, optimize: false }, node.name);
    try {
      const dimsFrom = async (value: (i: number) => number): Promise<readonly number[]> => {
        const feeds = [...given].map(([name, dims]) => {
          const values = Float32Array.from({ length: countOf(dims!) }, (_, i) => value(i));
          return [name, new Tensor('float32', values, [...dims!])] as const;
        });
        return (await runModel(session, Object.fromEntries(feeds), node.name))[node.output]!.dims;
      };
      const [zeros, waves] = [await dimsFrom(() => 0), await dimsFrom((i) => Math.sin(i))];
      return zeros.join() === waves.join() ? zeros : undefined;
    } finally {
      await session.release();
    }
  } catch (error) {
    if (error instanceof FoveaError) return undefined;
    throw error;
  }
}

/** The same as the engine holds it: maps as NHWC, vectors as 1x1 maps, other ranks as `[N, 1, rest, last]`. */
export function foreignShape(node: ForeignNode, inputs: readonly (NHWC | undefined)[]): NHWC | undefined {
  const dims = foreignDims(node, inputs);
  if (!dims) return undefined;
  if (dims.length === 4) return [dims[0]!, dims[2]!, dims[3]!, dims[1]!];
  const [N = 1, ...rest] = dims;
  const last = rest.pop() ?? 1;
  return [N, 1, rest.reduce((product, extent) => product * extent, 1), last];
}
