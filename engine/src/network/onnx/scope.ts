import { FoveaError } from '../../errors.js';
import type { Budget } from './budget.js';
import type { Draft } from './draft.js';
import type { TensorProto } from './generated/onnx_pb.js';
import { describeNode, type Graph, type GraphNode } from './graph.js';
import { Growth } from './growth.js';
import type { ImageInput } from './image-input.js';
import type { Inference } from './infer-shapes.js';
import { nodeLabel } from './node-labels.js';
import { countOf, dimsOf, float32Values, isFloatType, numberValues } from './tensor.js';

/** What is known of a value that the engine can hold. */
export interface Value {
  /** 4 for maps `[N, C, H, W]`, 2 for vectors `[N, C]`. */
  readonly rank: 2 | 4;
  readonly channels: number | undefined;
  /** True when height and width are 1 at any input size. */
  readonly pooled: boolean;
  /** True for `[N, 1, 1, C]`, which only a transpose back reads. */
  readonly channelsLast?: boolean;
}

/**
 * What one operator becomes: a draft that writes `value`, with what the draft reads where that is computed first,
 * several drafts that write a value each, the same value by another name, or nothing known.
 */
export type Outcome =
  | { first?: Draft; draft: Draft; value: Value }
  | { drafts: readonly { readonly draft: Draft; readonly value: Value }[] }
  | { alias: string; value?: Value }
  | undefined;

export type Handler = (node: GraphNode, scope: Scope) => Outcome;

export class Scope {
  readonly values = new Map<string, Value>();
  readonly aliases = new Map<string, string>();
  private readonly consumers = new Map<string, GraphNode[]>();
  private readonly producers = new Map<string, GraphNode>();
  private readonly growth: Growth;

  constructor(
    readonly graph: Graph,
    private readonly budget: Budget,
    /** Shapes of all values, for one image of the nominal size. */
    private readonly inference: Inference,
    image: ImageInput,
  ) {
    const { name, channels } = image;
    this.growth = new Growth(graph, image, inference);
    this.values.set(name, { rank: 4, channels, pooled: false });
    for (const node of graph.nodes) {
      for (const output of node.outputs) this.producers.set(output, node);
      for (const input of node.inputs) {
        const list = this.consumers.get(input);
        if (list) list.push(node);
        else this.consumers.set(input, [node]);
      }
    }
  }

  resolve(name: string): string {
    let resolved = name;
    for (let next = this.aliases.get(resolved); next !== undefined; next = this.aliases.get(resolved))
      resolved = next;
    return resolved;
  }

  /** The constant behind an input of a node, if it is one. */
  constant(node: GraphNode, index: number): TensorProto | undefined {
    const name = node.inputs[index];
    return name === undefined || name === '' ? undefined : this.graph.constants.get(this.resolve(name));
  }

  floats(node: GraphNode, index: number): Float32Array | undefined {
    const tensor = this.constant(node, index);
    return tensor && isFloatType(tensor.dataType) ? this.weights(tensor) : undefined;
  }

  /** A float tensor's values; each use is accounted for. */
  weights(tensor: TensorProto): Float32Array<ArrayBuffer> {
    this.spend(countOf(dimsOf(tensor)));
    return float32Values(tensor);
  }

  /** Accounts for values that are about to be made. */
  spend(values: number): void {
    this.budget.spend(4 * values);
  }

  integers(node: GraphNode, index: number): number[] | undefined {
    const tensor = this.constant(node, index);
    return tensor && !isFloatType(tensor.dataType) ? numberValues(tensor) : undefined;
  }

  hasInput(node: GraphNode, index: number): boolean {
    return (node.inputs[index] ?? '') !== '';
  }

  /** The value behind an input, if the engine can hold it. */
  value(node: GraphNode, index: number): Value | undefined {
    const name = node.inputs[index];
    if (name === undefined || name === '' || this.graph.constants.has(this.resolve(name))) return undefined;
    return this.values.get(name) ?? this.values.get(this.resolve(name));
  }

  /** Extents at the nominal input size; undefined where they could not be inferred. */
  dims(name: string): readonly number[] | undefined {
    return this.inference.shapes.get(name);
  }

  /** By how much an input that is a list of sizes is larger than another input; undefined where that depends on the image. */
  factors(node: GraphNode, map: number, sizes: number): readonly number[] | undefined {
    return this.hasInput(node, sizes)
      ? this.growth.factors(node.inputs[map]!, node.inputs[sizes]!)
      : undefined;
  }

  /** The operator that writes an input of a node, those that only rename it looked through. */
  producer(node: GraphNode, index: number): GraphNode | undefined {
    return this.producers.get(this.resolve(node.inputs[index]!));
  }

  /** Operators that read a value, those that only rename it looked through. */
  consumersOf(name: string): GraphNode[] {
    const found: GraphNode[] = [];
    const pending = [name];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for (const node of this.consumers.get(next) ?? []) {
        if (node.op === 'Identity' || node.op === 'Dropout') pending.push(node.outputs[0]!);
        else found.push(node);
      }
    }
    return found;
  }

  isRead(name: string | undefined): boolean {
    return (
      name !== undefined && name !== '' && (this.consumers.has(name) || this.graph.outputs.includes(name))
    );
  }

  inputs(node: GraphNode, ...indices: number[]): string[] {
    return indices.map((index) => this.resolve(node.inputs[index]!));
  }

  base(node: GraphNode, inputs: string[], weight?: string) {
    return { inputs, outputs: [node.outputs[0]!], origins: [node], label: nodeLabel(node, weight) };
  }

  unknown(node: GraphNode): Draft {
    for (const output of node.outputs) {
      const dims = this.dims(output);
      if ((dims?.length !== 4 && dims?.length !== 2) || this.inference.nonFloat.has(output)) continue;
      // Inference ran for one image: another first extent means that other axes were folded into the batch.
      if (dims[0] !== 1) continue;
      this.values.set(output, { rank: dims.length, channels: dims[1], pooled: false });
    }
    const read = [...node.inputs, ...node.captured].filter((name) => name !== '');
    const inputs = [...new Set(read.map((name) => this.resolve(name)))].filter(
      (name) => !this.graph.constants.has(name),
    );
    return {
      kind: 'unknown',
      inputs,
      outputs: node.outputs.filter((name) => name !== ''),
      origins: [node],
      label: nodeLabel(node),
    };
  }

  fail(node: GraphNode, what: string): never {
    throw new FoveaError('bad-file', `${this.graph.source}: ${describeNode(node)} ${what}`);
  }
}
