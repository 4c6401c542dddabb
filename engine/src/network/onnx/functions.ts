import { FoveaError } from '../../errors.js';
import { changed } from './changed.js';
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
} from './generated/onnx_pb.js';

/** More operators than any network has once its functions are written out; functions may call functions. */
const mostNodes = 100_000;
/** Calls inside calls. */
const deepestCalls = 64;

/**
 * Replaces calls of functions that the model defines by the functions' operators, so that layers inside them
 * are recognised. Some exporters make a function of every module. A function that holds a body of control flow,
 * or that is written for another operator set, stays as it is and runs in onnxruntime.
 *
 * @throws FoveaError `unsupported` when functions call each other without end
 */
export function inlineFunctions(model: ModelProto, source: string): void {
  const graph = model.graph!;
  const functions = new Map<string, FunctionProto>();
  for (const proto of model.functions) {
    if (isPlain(proto) && sameOpset(model, proto)) functions.set(functionKey(proto), proto);
  }
  if (functions.size === 0) return;
  const called = (node: NodeProto) => functions.get(keyOf(node.domain, node.opType, node.overload));
  const finished: NodeProto[] = [];
  // Last node on top, so that nodes come off in order and a call's operators take its place.
  const pending = [...graph.node].reverse().map((node) => ({ node, depth: 0 }));
  let calls = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, depth } = next;
    const proto = called(node);
    if (!proto) {
      finished.push(node);
      continue;
    }
    const body = written(proto, node, `${node.name || node.opType}#${calls++}`);
    const nodes = finished.length + pending.length + body.length;
    if (nodes > mostNodes || calls > mostNodes || depth > deepestCalls) {
      throw new FoveaError(
        'unsupported',
        `${source}: its functions amount to more than ${mostNodes} operators or ${deepestCalls} calls inside calls; ` +
          'do they call each other in a circle?',
      );
    }
    for (let i = body.length - 1; i >= 0; i--) pending.push({ node: body[i]!, depth: depth + 1 });
  }
  graph.node = withoutCopies(graph, finished);
}

/** What tells a function from all others of a model. */
export const functionKey = ({ domain, name, overload }: FunctionProto) => keyOf(domain, name, overload);

const keyOf = (domain: string, name: string, overload: string) => JSON.stringify([domain, name, overload]);

function isPlain(proto: FunctionProto): boolean {
  return proto.node.every((node) =>
    node.attribute.every(({ g, graphs }) => g === undefined && graphs.length === 0),
  );
}

/** Whether the function's operators mean the same in the model's operator set. */
function sameOpset(model: ModelProto, proto: FunctionProto): boolean {
  return proto.opsetImport.every(({ domain, version }) =>
    model.opsetImport.some((other) => other.domain === domain && other.version === version),
  );
}

/** A function's operators with the call's values and attributes put in. */
function written(proto: FunctionProto, call: NodeProto, prefix: string): NodeProto[] {
  const names = new Map<string, string>();
  proto.input.forEach((name, i) => {
    names.set(name, call.input[i] ?? '');
  });
  const copies: NodeProto[] = [];
  proto.output.forEach((name, i) => {
    const outer = call.output[i] ?? '';
    const inner = names.get(name);
    // A function may hand an input on as it is.
    if (inner !== undefined && outer !== '') copies.push(copyOf(call, inner, outer));
    else if (outer !== '') names.set(name, outer);
  });
  const rename = (name: string) => (name === '' ? '' : (names.get(name) ?? `${prefix}/${name}`));
  const given = new Map(call.attribute.map((attribute) => [attribute.name, attribute]));
  for (const attribute of proto.attributeProto)
    if (!given.has(attribute.name)) given.set(attribute.name, attribute);
  const body = proto.node.map(
    (node): NodeProto =>
      changed(node, {
        name: node.name === '' ? prefix : `${prefix}/${node.name}`,
        input: node.input.map(rename),
        output: node.output.map(rename),
        attribute: node.attribute.flatMap((attribute) => substituted(attribute, given)),
      }),
  );
  return [...body, ...copies];
}

/** An attribute that refers to one of the function's takes the call's value, or is left out when there is none. */
function substituted(
  attribute: AttributeProto,
  given: ReadonlyMap<string, AttributeProto>,
): AttributeProto[] {
  if (attribute.refAttrName === '') return [attribute];
  const value = given.get(attribute.refAttrName);
  return value ? [changed(value, { name: attribute.name, refAttrName: '' })] : [];
}

function copyOf(call: NodeProto, input: string, output: string): NodeProto {
  return changed(call, {
    opType: 'Identity',
    domain: '',
    overload: '',
    input: [input],
    output: [output],
    attribute: [],
  });
}

/** An optional input that was left out turns into copies of nothing; what reads those reads nothing too. */
function withoutCopies(graph: GraphProto, nodes: readonly NodeProto[]): NodeProto[] {
  const nothing = new Set<string>();
  const isOutput = new Set(graph.output.map(({ name }) => name));
  return nodes.flatMap((node) => {
    const input = node.input.map((name) => (nothing.has(name) ? '' : name));
    const output = node.output[0] ?? '';
    if (node.opType === 'Identity' && node.domain === '' && input[0] === '' && !isOutput.has(output)) {
      nothing.add(output);
      return [];
    }
    return [changed(node, { input })];
  });
}
