import { create } from '@bufbuild/protobuf';
import { FoveaError } from '../../errors.js';
import { type ConvolutionActivation, slopeOf } from '../activation.js';
import type { LayerNormalisation } from '../network.js';
import { numberToHalf } from '../number-formats.js';
import { attributeOf } from './attribute.js';
import { functionKey } from './functions.js';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type FunctionProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
  type ValueInfoProto,
} from './generated/onnx_pb.js';
import { missingForm } from './operator-sets.js';
import { serialiseModel } from './serialise.js';
import type { OnnxFiles, StorageOptions } from './storage.js';
import { ElementType, floatTensor, integerTensor } from './tensor.js';
import { type Extent, valueInfo } from './value-info.js';

/** Old enough for every onnxruntime of the last years, new enough for all activations. */
const defaultOpset = 17;
const irVersion = 8n;

/** A set of operators besides ONNX's own. */
export interface Domain {
  readonly domain: string;
  readonly version: bigint;
}

/** Whether reduced axes stay as extents of 1, and the operator's name. */
interface ReduceOptions {
  readonly keepdims?: 0 | 1;
  readonly name?: string;
}

/** Collects nodes and constants of an ONNX graph. */
export class GraphBuilder {
  private readonly nodes: NodeProto[] = [];
  private readonly tensors: TensorProto[] = [];
  private readonly inputs: ValueInfoProto[] = [];
  private readonly outside: Uint8Array[] = [];
  private outsideBytes = 0;
  private counter = 0;
  private readonly functions = new Map<string, FunctionProto>();
  /** Names of operators so far. */
  private readonly operators = new Set<string>();

  /**
   * @param opset ONNX's operator set; operators are written in the form that it has
   * @param domains of operators besides ONNX's own
   */
  constructor(
    private readonly storage: StorageOptions = {},
    readonly opset = defaultOpset,
    private readonly domains: readonly Domain[] = [],
  ) {}

  /** A name that nothing else has. */
  fresh(stem = 'value'): string {
    return `${stem}_${this.counter++}`;
  }

  /** The name of an operator, numbered when another one has it: onnxruntime refuses two of one name. */
  private unlike(name: string): string {
    const unique = this.operators.has(name) ? this.fresh(name) : name;
    this.operators.add(unique);
    return unique;
  }

  input(name: string, dims: readonly Extent[], type: number = this.floatType()): string {
    this.inputs.push(valueInfo(name, dims, type));
    return name;
  }

  /** Weights, stored as the options say. */
  floats(name: string, dims: readonly number[], values: Float32Array): string {
    return this.constant(this.stored(floatTensor(name, dims, values), values));
  }

  /** Shapes, axes and index lists; always stored raw. */
  integers(values: readonly number[], dims?: readonly number[]): string {
    return this.constant(integerTensor(this.fresh('shape'), values, dims ? [...dims] : undefined));
  }

  /** Factors of a size, which are float32 and part of the model whatever the weights are. */
  factors(values: Float32Array): string {
    return this.constant(floatTensor(this.fresh('factors'), [values.length], values));
  }

  scalar(value: number): string {
    const values = Float32Array.of(value);
    return this.constant(this.stored(floatTensor(this.fresh('scalar'), [], values), values));
  }

  /**
   * Adds an operator with one output.
   * @param attributes numbers that are whole become integers; wrap floats in `Float32Array.of`
   * @returns the output's name
   * @throws FoveaError `unsupported` for an operator that the operator set does not have in this form
   */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, number | readonly number[] | string | Float32Array>> = {},
    { name = '', output = this.fresh(op) }: { name?: string; output?: string } = {},
  ): string {
    const missing = missingForm(op, Object.keys(attributes), this.opset);
    if (missing) {
      throw new FoveaError(
        'unsupported',
        `${missing.form} exists from ONNX operator set ${missing.since} on, and the operators that the network keeps from ` +
          `its file are of set ${this.opset}; export it again with operator set ${missing.since} or later`,
      );
    }
    this.nodes.push(
      create(NodeProtoSchema, {
        opType: op,
        name: this.unlike(name || output),
        input: [...inputs],
        output: [output],
        attribute: Object.entries(attributes).map(([key, value]) => attributeOf(key, value)),
      }),
    );
    return output;
  }

  /**
   * A value whose channels, at axis 1, are normalised at each pixel.
   * @returns the name of the normalised value
   */
  layerNormalisation(
    value: string,
    { scale, shift, epsilon, centred = true }: LayerNormalisation,
    rank: 2 | 4,
    name = '',
  ): string {
    const channels = (of: string, values: Float32Array, dims: readonly number[]) =>
      this.floats(this.fresh(of), [values.length, ...dims], values);
    if (this.opset >= 17 && centred) {
      const last = rank === 4 ? this.node('Transpose', [value], { perm: [0, 2, 3, 1] }) : value;
      const inputs = [last, channels('scale', scale, []), channels('shift', shift, [])];
      const attributes = { axis: -1, epsilon: Float32Array.of(epsilon) };
      const normed = this.node('LayerNormalization', inputs, attributes, { name });
      return rank === 4 ? this.node('Transpose', [normed], { perm: [0, 3, 1, 2] }) : normed;
    }
    const ones = rank === 4 ? [1, 1] : [];
    const around = centred ? this.node('Sub', [value, this.mean(value, [1])]) : value;
    const variance = this.mean(this.node('Mul', [around, around]), [1]);
    const deviation = this.node('Sqrt', [this.node('Add', [variance, this.scalar(epsilon)])]);
    const scaled = [this.node('Div', [around, deviation]), channels('scale', scale, ones)];
    return this.node('Add', [this.node('Mul', scaled), channels('shift', shift, ones)], {}, { name });
  }

  /** Mean over axes; operator set 18 made the axes an input. */
  mean(value: string, axes: readonly number[], options: ReduceOptions = {}): string {
    return this.reduce('ReduceMean', value, axes, options);
  }

  /** Maximum over axes. */
  most(value: string, axes: readonly number[], options: ReduceOptions = {}): string {
    return this.reduce('ReduceMax', value, axes, options);
  }

  /** Euclidean norm over axes. */
  norm(value: string, axes: readonly number[], options: ReduceOptions = {}): string {
    return this.reduce('ReduceL2', value, axes, options);
  }

  /** Sum over axes, kept as extents of 1; operator set 13 made the axes an input. */
  sum(value: string, axes: readonly number[]): string {
    return this.opset >= 13
      ? this.node('ReduceSum', [value, this.integers(axes)], { keepdims: 1 })
      : this.node('ReduceSum', [value], { axes, keepdims: 1 });
  }

  /** A value with so many more values behind the last of each axis; operator set 11 made the paddings an input. */
  padded(value: string, behind: readonly number[], filling: number): string {
    const pads = [...behind.map(() => 0), ...behind];
    return this.opset >= 11
      ? this.node('Pad', [value, this.integers(pads), this.scalar(filling)])
      : this.node('Pad', [value], { pads, value: Float32Array.of(filling) });
  }

  private reduce(
    op: 'ReduceMean' | 'ReduceMax' | 'ReduceL2',
    value: string,
    axes: readonly number[],
    { keepdims = 1, name = '' }: ReduceOptions,
  ): string {
    return this.opset >= 18
      ? this.node(op, [value, this.integers(axes)], { keepdims }, { name })
      : this.node(op, [value], { axes, keepdims }, { name });
  }

  /** Extents of 1 at those places; operator set 13 made the places an input. */
  unsqueezed(value: string, axes: readonly number[]): string {
    return this.opset >= 13
      ? this.node('Unsqueeze', [value, this.integers(axes)])
      : this.node('Unsqueeze', [value], { axes });
  }

  /** Adjacent channels. */
  channels(value: string, first: number, count: number, name = ''): string {
    return this.part(value, 1, first, count, name);
  }

  /** What is adjacent along an axis; operator set 10 made the ends inputs. */
  part(value: string, axis: number, first: number, count: number, name = ''): string {
    const [starts, ends, axes] = [[first], [Math.min(first + count, Number.MAX_SAFE_INTEGER)], [axis]];
    return this.opset >= 10
      ? this.node(
          'Slice',
          [value, this.integers(starts), this.integers(ends), this.integers(axes)],
          {},
          { name },
        )
      : this.node('Slice', [value], { starts, ends, axes }, { name });
  }

  /** Values cut off at both ends; operator set 11 made these inputs. */
  private clipped(value: string, low: number, high: number, named: { name?: string }): string {
    return this.opset >= 11
      ? this.node('Clip', [value, this.scalar(low), this.scalar(high)], {}, named)
      : this.node('Clip', [value], { min: Float32Array.of(low), max: Float32Array.of(high) }, named);
  }

  /** Adds operators and constants of another graph as they are, and the functions of its file that they may call. */
  append(
    nodes: readonly NodeProto[],
    tensors: readonly TensorProto[],
    functions: readonly FunctionProto[] = [],
  ): void {
    this.nodes.push(...nodes);
    this.tensors.push(...tensors);
    for (const each of functions) this.functions.set(functionKey(each), each);
  }

  /**
   * @param slopes of a PReLU: values, and extents that broadcast to those of `value`
   * @returns the name of the activated value
   */
  activation(
    value: string,
    activation: ConvolutionActivation,
    name?: string,
    slopes?: { readonly values: Float32Array; readonly dims: readonly number[] },
  ): string {
    const named = name === undefined ? {} : { name };
    switch (activation) {
      case 'prelu': {
        const slope = this.floats(this.fresh('slopes'), slopes!.dims, slopes!.values);
        return this.node('PRelu', [value, slope], {}, named);
      }
      case 'none':
        return value;
      case 'relu':
        return this.node('Relu', [value], {}, named);
      case 'relu6':
        return this.clipped(value, 0, 6, named);
      case 'sigmoid':
        return this.node('Sigmoid', [value], {}, named);
      case 'silu':
        return this.node('Mul', [value, this.node('Sigmoid', [value])], {}, named);
      case 'hardsigmoid':
        return this.node('HardSigmoid', [value], { alpha: Float32Array.of(1 / 6) }, named);
      case 'hardswish':
        return this.opset >= 14
          ? this.node('HardSwish', [value], {}, named)
          : this.node('Mul', [value, this.activation(value, 'hardsigmoid')], {}, named);
      case 'mish':
        return this.node('Mul', [value, this.node('Tanh', [this.node('Softplus', [value])])], {}, named);
      case 'gelu':
        return this.halved(value, this.node('Erf', [this.times(value, Math.SQRT1_2)]), named);
      case 'gelu-tanh': {
        const cube = this.node('Mul', [this.node('Mul', [value, value]), value]);
        const inner = this.node('Add', [value, this.times(cube, 0.044715)]);
        return this.halved(value, this.node('Tanh', [this.times(inner, Math.sqrt(2 / Math.PI))]), named);
      }
      default:
        return this.node('LeakyRelu', [value], { alpha: Float32Array.of(slopeOf(activation)) }, named);
    }
  }

  private times(value: string, factor: number): string {
    return this.node('Mul', [value, this.scalar(factor)]);
  }

  /** `value / 2 · (1 + gate)` */
  private halved(value: string, gate: string, named: { name?: string }): string {
    return this.node('Mul', [this.times(value, 0.5), this.node('Add', [gate, this.scalar(1)])], {}, named);
  }

  /** The finished model. */
  finish(
    name: string,
    outputs: readonly { readonly name: string; readonly dims?: readonly Extent[]; readonly type?: number }[],
    metadata: readonly { readonly key: string; readonly value: string }[] = [],
  ): OnnxFiles {
    const listed = this.storage.listedAsInputs
      ? this.tensors.map((tensor) => valueInfo(tensor.name, tensor.dims.map(Number), tensor.dataType))
      : [];
    const model = create(ModelProtoSchema, {
      irVersion,
      producerName: 'fovea',
      opsetImport: [{ domain: '', version: BigInt(this.opset) }, ...this.domains],
      metadataProps: [...metadata],
      functions: [...this.functions.values()],
      graph: {
        name,
        node: this.nodes,
        initializer: this.tensors,
        input: [...this.inputs, ...listed],
        output: outputs.map((output) => valueInfo(output.name, output.dims, output.type ?? this.floatType())),
      },
    });
    const bytes = serialiseModel(model);
    if (this.storage.externalLocation === undefined) return { model: bytes };
    const external = new Uint8Array(this.outsideBytes);
    let offset = 0;
    for (const part of this.outside) {
      external.set(part, offset);
      offset += part.length;
    }
    return { model: bytes, external };
  }

  private floatType(): number {
    return this.storage.precision === 'float16' ? ElementType.FLOAT16 : ElementType.FLOAT;
  }

  private constant(tensor: TensorProto): string {
    if (this.storage.constants === 'node') {
      const value = create(AttributeProtoSchema, {
        name: 'value',
        type: AttributeProto_AttributeType.TENSOR,
        t: tensor,
      });
      this.nodes.push(
        create(NodeProtoSchema, {
          opType: 'Constant',
          name: tensor.name,
          output: [tensor.name],
          attribute: [value],
        }),
      );
    } else {
      this.tensors.push(tensor);
    }
    return tensor.name;
  }

  /** A float tensor in the form that the options ask for. */
  private stored(tensor: TensorProto, values: Float32Array): TensorProto {
    const { precision, data, externalLocation } = this.storage;
    const base = { name: tensor.name, dims: tensor.dims, dataType: this.floatType() };
    if (precision === 'float16') {
      const halves = Uint16Array.from(values, numberToHalf);
      if (data === 'typed') return create(TensorProtoSchema, { ...base, int32Data: Array.from(halves) });
      return this.placed(create(TensorProtoSchema, { ...base, rawData: new Uint8Array(halves.buffer) }));
    }
    if (data === 'typed') return create(TensorProtoSchema, { ...base, floatData: Array.from(values) });
    return externalLocation === undefined ? tensor : this.placed(tensor);
  }

  /** Moves raw data outside the model when the options ask for it. */
  private placed(tensor: TensorProto): TensorProto {
    const location = this.storage.externalLocation;
    if (location === undefined) return tensor;
    const bytes = tensor.rawData;
    const externalData = Object.entries({
      location,
      offset: `${this.outsideBytes}`,
      length: `${bytes.length}`,
    });
    this.outside.push(bytes);
    this.outsideBytes += bytes.length;
    return create(TensorProtoSchema, {
      name: tensor.name,
      dims: tensor.dims,
      dataType: tensor.dataType,
      dataLocation: TensorProto_DataLocation.EXTERNAL,
      externalData: externalData.map(([key, value]) => ({ key, value })),
    });
  }
}
