import { FoveaError } from '../../errors.js';
import type { Budget } from './budget.js';
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  TensorProto,
  ValueInfoProto,
} from './generated/onnx_pb.js';
import { denseTensor } from './sparse.js';
import { checkTensor, floatTensor, integerTensor } from './tensor.js';

/** One operator of a graph. */
export interface GraphNode {
  readonly op: string;
  /** Empty for ONNX's own operators. */
  readonly domain: string;
  readonly name: string;
  /** Names of the values read; empty where an optional input is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, AttributeProto>;
  /** Values that a body inside the node (If, Loop) reads from the graph around it. */
  readonly captured: readonly string[];
  readonly proto: NodeProto;
  /** Place in the graph's order. */
  position: number;
}

/** A graph whose names have all been checked: every value is defined once, before it is read. */
export interface Graph {
  readonly source: string;
  /** In an order in which each node follows those it reads. */
  readonly nodes: readonly GraphNode[];
  /** Initialisers and the values of `Constant` nodes. */
  readonly constants: ReadonlyMap<string, TensorProto>;
  /** Inputs that are no initialisers and that something reads. */
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly string[];
  readonly opsets: readonly OperatorSetIdProto[];
  readonly functions: readonly FunctionProto[];
  readonly irVersion: bigint;
}

/**
 * Checks a model's graph and puts it in order. Of initialisers with one name the last counts, as in onnxruntime.
 * @throws FoveaError `bad-file` for a value defined twice or never, a cycle, or a tensor whose data does not
 *   fit its shape
 */
export function readGraph(model: ModelProto, source: string, budget: Budget): Graph {
  const graph = model.graph!;
  const fail = (what: string): never => {
    throw new FoveaError('bad-file', `${source}: ${what}`);
  };
  const constants = new Map<string, TensorProto>();
  const sparse = graph.sparseInitializer.map((tensor) => denseTensor(tensor, source, budget));
  for (const tensor of [...graph.initializer, ...sparse]) {
    checkTensor(tensor, source);
    constants.set(tensor.name, tensor);
  }
  const inputs = graph.input.filter(({ name }) => !constants.has(name));
  const defined = new Set<string>();
  const define = (name: string) => {
    if (defined.has(name) || constants.has(name)) fail(`value ${JSON.stringify(name)} is defined twice`);
    defined.add(name);
  };
  for (const { name } of inputs) define(name);
  const nodes: GraphNode[] = [];
  for (const proto of graph.node) {
    const constant = constantOf(proto, source, budget);
    if (constant) {
      const name = proto.output[0] ?? '';
      define(name);
      checkTensor(constant, source);
      constants.set(name, constant);
      continue;
    }
    const node = graphNode(proto);
    for (const output of node.outputs) if (output !== '') define(output);
    nodes.push(node);
  }
  for (const node of nodes) {
    for (const name of [...node.inputs, ...node.captured]) {
      if (name !== '' && !defined.has(name) && !constants.has(name)) {
        fail(
          `${describeNode(node)} reads ${JSON.stringify(name)}, which no input, initialiser or node defines`,
        );
      }
    }
  }
  const outputs = graph.output.map(({ name }) => name);
  const read = new Set([...outputs, ...nodes.flatMap((node) => [...node.inputs, ...node.captured])]);
  if (outputs.length === 0) fail('the graph has no output');
  for (const name of outputs) {
    if (!defined.has(name)) fail(`output ${JSON.stringify(name)} is defined by no node`);
  }
  return {
    source,
    nodes: inOrder(nodes, source),
    constants,
    inputs: inputs.filter(({ name }) => read.has(name)),
    outputs,
    opsets: model.opsetImport,
    functions: model.functions,
    irVersion: model.irVersion,
  };
}

/** `Conv "layer1.0.conv1"`, for messages. */
export function describeNode({ op, domain, name }: Pick<GraphNode, 'op' | 'domain' | 'name'>): string {
  return `${domain === '' ? '' : `${domain}.`}${op} ${JSON.stringify(name)}`;
}

/** An integer attribute. */
export function intOf(node: GraphNode, name: string, otherwise: number): number {
  const attribute = node.attributes.get(name);
  return attribute ? Number(attribute.i) : otherwise;
}

export function floatOf(node: GraphNode, name: string, otherwise: number): number {
  return node.attributes.get(name)?.f ?? otherwise;
}

export function intsOf(node: GraphNode, name: string): number[] | undefined {
  return node.attributes.get(name)?.ints.map(Number);
}

export function stringOf(node: GraphNode, name: string, otherwise: string): string {
  const attribute = node.attributes.get(name);
  return attribute ? new TextDecoder().decode(attribute.s) : otherwise;
}

/** An operator of the graph before its position is determined. */
export function graphNode(proto: NodeProto): GraphNode {
  const attributes = new Map(proto.attribute.map((attribute) => [attribute.name, attribute]));
  return {
    op: proto.opType,
    domain: proto.domain === 'ai.onnx' ? '' : proto.domain,
    name: proto.name,
    inputs: proto.input,
    outputs: proto.output,
    attributes,
    captured: [...attributes.values()].flatMap((attribute) =>
      [...(attribute.g ? [attribute.g] : []), ...attribute.graphs].flatMap(capturedBy),
    ),
    proto,
    position: 0,
  };
}

/** Names that a body reads but does not define. Bodies nest no deeper than the decoder allows. */
function capturedBy(body: GraphProto): string[] {
  const own = new Set<string>();
  for (const { name } of body.input) own.add(name);
  for (const { name } of body.initializer) own.add(name);
  for (const node of body.node) for (const name of node.output) own.add(name);
  const read = [
    ...body.output.map(({ name }) => name),
    ...body.node.flatMap((node) => [...node.input, ...graphNode(node).captured]),
  ];
  return read.filter((name) => name !== '' && !own.has(name));
}

/** The value of a `Constant` node; undefined for every other node. */
function constantOf(proto: NodeProto, source: string, budget: Budget): TensorProto | undefined {
  if (proto.opType !== 'Constant' || (proto.domain !== '' && proto.domain !== 'ai.onnx')) return undefined;
  const name = proto.output[0] ?? '';
  for (const attribute of proto.attribute) {
    switch (attribute.name) {
      case 'value':
        if (attribute.t) return attribute.t;
        break;
      case 'sparse_value':
        if (attribute.sparseTensor) return denseTensor(attribute.sparseTensor, source, budget);
        break;
      case 'value_float':
        return floatTensor(name, [], Float32Array.of(attribute.f));
      case 'value_floats':
        return floatTensor(name, [attribute.floats.length], Float32Array.from(attribute.floats));
      case 'value_int':
        return integerTensor(name, [Number(attribute.i)], []);
      case 'value_ints':
        return integerTensor(name, attribute.ints.map(Number));
    }
  }
  const kinds = proto.attribute.map((attribute) => attribute.name).join(', ') || 'no attribute';
  throw new FoveaError(
    'unsupported',
    `${source}: Constant ${JSON.stringify(proto.name)} has ${kinds}; value, sparse_value, value_float(s) and value_int(s) are accepted`,
  );
}

/** Sorts nodes so that each follows those it reads (A. B. Kahn, 1962); what is left over lies on a cycle. */
function inOrder(nodes: readonly GraphNode[], source: string): GraphNode[] {
  const producer = new Map<string, number>();
  nodes.forEach((node, i) => {
    for (const output of node.outputs) if (output !== '') producer.set(output, i);
  });
  const waitingFor = nodes.map(() => 0);
  const followers: number[][] = nodes.map(() => []);
  nodes.forEach((node, i) => {
    for (const name of new Set([...node.inputs, ...node.captured])) {
      const before = producer.get(name);
      if (before === undefined) continue;
      followers[before]!.push(i);
      waitingFor[i]!++;
    }
  });
  // Files are nearly always in order already; a queue keeps that order.
  const queue = nodes.flatMap((_, i) => (waitingFor[i] === 0 ? [i] : []));
  const ordered: GraphNode[] = [];
  for (let head = 0; head < queue.length; head++) {
    const i = queue[head]!;
    ordered.push(nodes[i]!);
    for (const follower of followers[i]!) if (--waitingFor[follower]! === 0) queue.push(follower);
  }
  if (ordered.length < nodes.length) {
    const stuck = nodes.find((_, i) => waitingFor[i]! > 0)!;
    throw new FoveaError('bad-file', `${source}: the graph has a cycle through ${describeNode(stuck)}`);
  }
  ordered.forEach((node, position) => {
    node.position = position;
  });
  return ordered;
}
