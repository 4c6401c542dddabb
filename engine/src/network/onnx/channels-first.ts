import type { Budget } from './budget.js';
import { changed } from './changed.js';
import type { TensorProto } from './generated/onnx_pb.js';
import { type Graph, type GraphNode, intOf, intsOf } from './graph.js';
import { type Attributes, BYTES_PER_OPERATOR, madeOperator, rewrittenOperator } from './made-operator.js';
import { pointwiseOperators } from './pointwise-operators.js';
import {
  countOf,
  dimsOf,
  float32Values,
  floatTensor,
  integerTensor,
  isFloatType,
  numberValues,
} from './tensor.js';

/** Places of N, H, W and C among N, C, H and W; a transpose by it makes channels last. */
const toLast = [0, 2, 3, 1];
/** Places of N, C, H and W among N, H, W and C. */
const toFirst = [0, 3, 1, 2];

/**
 * Moves operators that stand between a transpose to `[N, H, W, C]` and one back to before the first one: linear layers
 * become 1x1 convolutions, and arithmetic is that of channels again (ConvNeXt, TensorFlow's graphs by way of PyTorch).
 * What has to stand where it is, such as LayerNormalization, has its two transposes to itself. Every value of the
 * graph keeps its name and its extents.
 */
export function withChannelsFirst(graph: Graph, budget: Budget): Graph {
  if (!graph.nodes.some((node) => turns(node, toLast))) return graph;
  return new Turner(graph, budget).graph();
}

const turns = (node: GraphNode, perm: readonly number[]) =>
  node.op === 'Transpose' && node.domain === '' && intsOf(node, 'perm')?.join() === perm.join();

const binary = new Set(['Add', 'Sub', 'Mul', 'Div', 'Pow', 'PRelu']);

class Turner {
  private readonly nodes: GraphNode[] = [];
  private readonly constants: Map<string, TensorProto>;
  /** By the name of a value with channels last, the name of the same with channels first. */
  private readonly first = new Map<string, string>();
  private readonly back = new Set<GraphNode>();
  private readonly names: Set<string>;

  constructor(
    private readonly source: Graph,
    private readonly budget: Budget,
  ) {
    this.constants = new Map(source.constants);
    this.names = new Set([...source.nodes.flatMap(({ outputs }) => outputs), ...source.constants.keys()]);
  }

  graph(): Graph {
    for (const node of this.source.nodes) {
      const [input, output] = [node.inputs[0]!, node.outputs[0]!];
      if (turns(node, toLast)) {
        this.nodes.push(node);
        this.first.set(output, input);
      } else if (turns(node, toFirst) && this.first.has(input)) {
        this.nodes.push(madeOperator('Identity', node.name, [this.first.get(input)!], output));
      } else if (!this.moved(node)) this.nodes.push(node);
    }
    const read = new Set(this.source.outputs);
    const needed = this.nodes.reverse().filter((node) => {
      if (this.back.has(node) && !read.has(node.outputs[0]!)) return false;
      for (const name of [...node.inputs, ...node.captured]) read.add(name);
      return true;
    });
    const nodes = needed.reverse();
    nodes.forEach((node, position) => {
      node.position = position;
    });
    return { ...this.source, nodes, constants: this.constants };
  }

  /** Writes an operator that computes with channels first; false where there is none. */
  private moved(node: GraphNode): boolean {
    const { op, inputs } = node;
    const x = this.first.get(inputs[0]!);
    if (node.domain !== '') return false;
    if (op === 'Split' && x !== undefined) return this.split(node, x);
    if (node.outputs.length !== 1) return false;
    if (pointwiseOperators.has(op) && x !== undefined) return this.put(node, [x, ...inputs.slice(1)]);
    if (binary.has(op)) return this.arithmetic(node);
    if (x === undefined) return false;
    switch (op) {
      case 'MatMul':
        return this.linear(node, x);
      case 'ReduceMean':
      case 'ReduceMax':
      case 'ReduceL2':
        return this.reduction(node, x);
      case 'Concat': {
        const all = inputs.map((name) => this.first.get(name));
        const axis = intOf(node, 'axis', 0);
        if (!all.every((name) => name !== undefined)) return false;
        return this.put(node, all, { axis: toLast[axis < 0 ? axis + 4 : axis]! });
      }
      case 'Slice':
        return this.slice(node, x);
      case 'Pad':
        return this.padding(node, x);
      case 'LayerNormalization':
      case 'RMSNormalization': {
        if (![-1, 3].includes(intOf(node, 'axis', -1))) return false;
        return this.normalised(node, x);
      }
      default:
        return false;
    }
  }

  /** Between two transposes of its own: what is before and behind it, another one too, then stands between none of its. */
  private normalised(node: GraphNode, x: string): boolean {
    const [last, normed, turned] = [0, 1, 2].map(() => this.fresh(node.outputs[0]!)) as [
      string,
      string,
      string,
    ];
    this.nodes.push(
      madeOperator('Transpose', last, [x], last, { perm: toLast }),
      rewrittenOperator(node, [last, ...node.inputs.slice(1)], normed),
    );
    return this.write(madeOperator('Transpose', turned, [normed], turned, { perm: toFirst }), node);
  }

  /** Of two values with channels last, or of one and a constant of channels or of pixels. */
  private arithmetic(node: GraphNode): boolean {
    if (node.inputs.length !== 2 || !node.inputs.some((name) => this.first.has(name))) return false;
    const operands = node.inputs.map((name) => this.first.get(name) ?? this.operand(name));
    return operands.every((name) => name !== undefined) && this.put(node, operands);
  }

  private operand(name: string): string | undefined {
    const tensor = this.constants.get(name);
    if (!tensor) return undefined;
    const dims = dimsOf(tensor);
    if (dims.length === 0) return name;
    // The order of the values stays when only one axis has several.
    if (dims.length > 4 || dims.filter((extent) => extent !== 1).length > 1) return undefined;
    const aligned = [...new Array<number>(4 - dims.length).fill(1), ...dims];
    return this.constant(name, changed(tensor, { dims: toFirst.map((axis) => BigInt(aligned[axis]!)) }));
  }

  private linear(node: GraphNode, x: string): boolean {
    const name = node.inputs[1]!;
    const tensor = this.constants.get(name);
    const dims = tensor ? dimsOf(tensor) : [];
    if (!tensor || dims.length !== 2 || countOf(dims) === 0 || !isFloatType(tensor.dataType)) return false;
    const [rows, columns] = dims as [number, number];
    this.budget.spend(8 * rows * columns);
    const values = float32Values(tensor);
    const turned = new Float32Array(values.length);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) turned[j * rows + i] = values[i * columns + j]!;
    const weight = this.constant(name, floatTensor(name, [columns, rows, 1, 1], turned));
    return this.write(madeOperator('Conv', node.name, [x, weight], this.fresh(node.outputs[0]!)), node);
  }

  private reduction(node: GraphNode, x: string): boolean {
    const given = node.inputs[1] ? this.constants.get(node.inputs[1]) : undefined;
    const axes = (given ? numberValues(given) : intsOf(node, 'axes'))?.map((axis) =>
      axis < 0 ? axis + 4 : axis,
    );
    if (!axes || axes.some((axis) => toLast[axis] === undefined)) return false;
    const places = axes.map((axis) => toLast[axis]!).sort();
    const inputs = given
      ? [x, this.constant(node.inputs[1]!, integerTensor(node.inputs[1]!, places, [places.length]))]
      : [x];
    const attributes = given ? {} : { axes: places };
    if (intOf(node, 'keepdims', 1) !== 0) return this.put(node, inputs, attributes);
    if (places.join() !== '2,3') return false;
    this.nodes.push(rewrittenOperator(node, inputs, node.outputs[0]!, attributes));
    return true;
  }

  private split(node: GraphNode, x: string): boolean {
    const axis = intOf(node, 'axis', 0);
    const parts = node.outputs.map((name) => this.fresh(name));
    const attributes = { axis: toLast[axis < 0 ? axis + 4 : axis]! };
    this.nodes.push(rewrittenOperator(node, [x, ...node.inputs.slice(1)], parts, attributes));
    node.outputs.forEach((last, i) => {
      this.writeBack(parts[i]!, last);
    });
    return true;
  }

  private slice(node: GraphNode, x: string): boolean {
    const given = node.inputs[3] ? this.constants.get(node.inputs[3]) : undefined;
    const axes = given ? numberValues(given) : intsOf(node, 'axes');
    if (!axes || (node.inputs[3] && !given)) return false;
    const places = axes.map((axis) => toLast[axis < 0 ? axis + 4 : axis]);
    if (places.some((place) => place === undefined)) return false;
    if (!given) return this.put(node, [x, ...node.inputs.slice(1)], { axes: places as number[] });
    const moved = this.constant(node.inputs[3]!, integerTensor(node.inputs[3]!, places as number[]));
    return this.put(node, [x, ...node.inputs.slice(1, 3), moved, ...node.inputs.slice(4)]);
  }

  private padding(node: GraphNode, x: string): boolean {
    const [, name, value, axes] = node.inputs;
    const given = name ? this.constants.get(name) : undefined;
    const pads = given ? numberValues(given) : intsOf(node, 'pads');
    if (pads?.length !== 8 || axes) return false;
    const places = [0, 4].flatMap((end) => toFirst.map((axis) => pads[end + axis]!));
    if (!given) return this.put(node, [x], { pads: places });
    const moved = this.constant(name!, integerTensor(name!, places, [8]));
    return this.put(node, value === undefined ? [x, moved] : [x, moved, value]);
  }

  private put(node: GraphNode, inputs: readonly string[], attributes: Attributes = {}): boolean {
    return this.write(rewrittenOperator(node, inputs, this.fresh(node.outputs[0]!), attributes), node);
  }

  /** Writes an operator and, should anything read it, the value with channels last. */
  private write(node: GraphNode, original: GraphNode): boolean {
    this.nodes.push(node);
    this.writeBack(node.outputs[0]!, original.outputs[0]!);
    return true;
  }

  /** Writes a value with channels last from the same with channels first, should anything read it. */
  private writeBack(value: string, last: string): void {
    const back = madeOperator('Transpose', `${value}/back`, [value], last, { perm: toLast });
    this.budget.spend(2 * BYTES_PER_OPERATOR);
    this.nodes.push(back);
    this.back.add(back);
    this.first.set(last, value);
  }

  private constant(name: string, tensor: TensorProto): string {
    const own = this.fresh(name);
    this.constants.set(own, changed(tensor, { name: own }));
    return own;
  }

  private fresh(name: string): string {
    let own = `${name}/channels-first`;
    while (this.names.has(own)) own += "'";
    this.names.add(own);
    return own;
  }
}
