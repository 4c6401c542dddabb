import { fromBinary } from '@bufbuild/protobuf';
import { FoveaError } from '../../errors.js';
import { Random } from '../../random.js';
import type { Block, Convolution, ForeignNode, Network, NetworkNode } from '../network.js';
import { type Extent, GraphBuilder, type OnnxFiles, type StorageOptions } from './builder.js';
import { ModelProtoSchema, type NodeProto } from './generated/onnx_pb.js';

export type { OnnxFiles } from './builder.js';

export interface OnnxOptions extends Omit<StorageOptions, 'externalLocation'> {
  /** Images a run, or `dynamic`. Default `dynamic`. */
  readonly batch?: number | 'dynamic';
  /** Input height and width, or `dynamic`. Default: the network's nominal ones. */
  readonly size?: { readonly height: number; readonly width: number } | 'dynamic';
  /**
   * Writes `Conv` + `BatchNormalization` in place of folded convolutions; the split is random, its product the
   * folded weights. Default: folded.
   */
  readonly batchNorm?: { readonly seed: number };
  /** `GlobalAveragePool` + `Flatten`, or `ReduceMean` + `Reshape` as PyTorch's newer exporter. Default the former. */
  readonly head?: 'flatten' | 'reshape';
}

/**
 * Writes a network as a dense ONNX model, in the style of PyTorch's exporter: NCHW, module paths as names.
 * Maskers are not part of it.
 * @returns the model's bytes
 * @throws FoveaError `bad-argument` for a batch or size that is no positive integer
 */
export function toOnnx(network: Network, options: OnnxOptions = {}): Uint8Array<ArrayBuffer> {
  return write(network, options).model;
}

/**
 * The same with the weights kept outside the model.
 * @param location name of the file that will hold them, in the model's folder
 */
export function toOnnxWithExternalData(
  network: Network,
  location: string,
  options: OnnxOptions = {},
): OnnxFiles {
  return write(network, { ...options, externalLocation: location });
}

function write(network: Network, options: OnnxOptions & StorageOptions): OnnxFiles {
  const writer = new NetworkWriter(network, options);
  for (const node of network.nodes) writer.node(node);
  return writer.finish();
}

class NetworkWriter {
  private readonly graph: GraphBuilder;
  /** ONNX name of each of the network's values, and whether it is a map or a vector. */
  private readonly values = new Map<string, { name: string; rank: 2 | 4 }>();
  /** Values whose height and width are 1 at any input size. */
  private readonly pooled = new Set<string>();
  private readonly random: Random | undefined;
  /** Names of initialisers so far. */
  private readonly taken = new Set<string>();

  constructor(
    private readonly network: Network,
    private readonly options: OnnxOptions & StorageOptions,
  ) {
    const { batch = 'dynamic', size = network.inputShape } = options;
    this.graph = new GraphBuilder(options);
    this.random = options.batchNorm && new Random(options.batchNorm.seed);
    const extent = (name: string, value: number | 'dynamic'): Extent => {
      if (value === 'dynamic') return name;
      if (Number.isSafeInteger(value) && value >= 1) return value;
      throw new FoveaError(
        'bad-argument',
        `${name} ${value}: an integer of at least 1 or "dynamic" is accepted`,
      );
    };
    const sides = size === 'dynamic' ? { height: size, width: size } : size;
    this.graph.input(network.input, [
      extent('batch', batch),
      network.inputShape.channels,
      extent('height', sides.height),
      extent('width', sides.width),
    ]);
    this.values.set(network.input, { name: network.input, rank: 4 });
  }

  node(node: NetworkNode): void {
    switch (node.kind) {
      case 'convolution':
        this.dense(node.convolution, node);
        return;
      case 'max-pool':
      case 'average-pool': {
        const { kernel, stride, padding, ceilMode, countIncludePad } = node;
        const average = node.kind === 'average-pool';
        const attributes = {
          kernel_shape: kernel,
          strides: stride,
          pads: padding,
          ceil_mode: ceilMode ? 1 : 0,
          ...(average ? { count_include_pad: countIncludePad ? 1 : 0 } : {}),
        };
        const op = average ? 'AveragePool' : 'MaxPool';
        const name = `${pathOf(node.name)}/${op}`;
        this.set(node.output, this.graph.node(op, [this.map(node.inputs[0]!)], attributes, { name }), 4);
        return;
      }
      case 'global-pool':
        this.set(node.output, this.globalPool(this.map(node.inputs[0]!), node.name), 4);
        this.pooled.add(node.output);
        return;
      case 'add': {
        const [a, b] = node.inputs.map((name) => this.values.get(name)!);
        const rank = a!.rank === b!.rank ? a!.rank : 4;
        const of = (name: string) => (rank === 4 ? this.map(name) : this.values.get(name)!.name);
        const sum = this.graph.node(
          'Add',
          [of(node.inputs[0]!), of(node.inputs[1]!)],
          {},
          { name: `${pathOf(node.name)}/Add` },
        );
        this.set(node.output, this.graph.activation(sum, node.activation), rank);
        return;
      }
      case 'activation': {
        const { name, rank } = this.values.get(node.inputs[0]!)!;
        if (this.pooled.has(node.inputs[0]!)) this.pooled.add(node.output);
        this.set(node.output, this.graph.activation(name, node.activation), rank);
        return;
      }
      case 'block':
        this.set(node.output, this.block(node.block, this.map(node.inputs[0]!)), 4);
        return;
      case 'foreign':
        this.foreign(node);
        return;
    }
  }

  finish(): OnnxFiles {
    const { name } = this.values.get(this.network.output)!;
    return this.graph.finish(this.network.name, [{ name }]);
  }

  private set(value: string, name: string, rank: 2 | 4): void {
    this.values.set(value, { name, rank });
  }

  /** A value as `[N, C, H, W]`. */
  private map(value: string): string {
    const { name, rank } = this.values.get(value)!;
    return rank === 4 ? name : this.graph.node('Unsqueeze', [name, this.graph.integers([2, 3])]);
  }

  /** A value of 1x1 maps as `[N, C]`. */
  private vector(value: string): string {
    const { name, rank } = this.values.get(value)!;
    if (rank === 2) return name;
    return this.options.head === 'reshape'
      ? this.graph.node('Reshape', [name, this.graph.integers([0, -1])])
      : this.graph.node('Flatten', [name], { axis: 1 }, { name: '/Flatten' });
  }

  /** A convolution outside blocks; on a pooled vector it is a fully connected layer, as exporters write it. */
  private dense(convolution: Convolution, node: NetworkNode): void {
    const [input, output] = [node.inputs[0]!, node.output];
    const linear = convolution.kernel[0] * convolution.kernel[1] * convolution.groups === 1;
    if (!linear || (!this.pooled.has(input) && this.values.get(input)!.rank !== 2)) {
      this.set(output, this.convolution(this.map(input), convolution), 4);
      return;
    }
    const { name, outChannels, inChannels, weight, bias, activation } = convolution;
    const sum = this.graph.node(
      'Gemm',
      [
        this.vector(input),
        this.graph.floats(this.weightName(`${name}.weight`), [outChannels, inChannels], weight),
        this.graph.floats(this.weightName(`${name}.bias`), [outChannels], bias),
      ],
      { transB: 1, alpha: Float32Array.of(1), beta: Float32Array.of(1) },
      { name: `${pathOf(name)}/Gemm` },
    );
    this.set(output, this.graph.activation(sum, activation), 2);
    this.pooled.add(output);
  }

  private convolution(input: string, convolution: Convolution): string {
    const { name, outChannels, inChannels, kernel, stride, padding, dilation, groups, activation } =
      convolution;
    const dims = [outChannels, inChannels / groups, ...kernel];
    const attributes = {
      dilations: dilation,
      group: groups,
      kernel_shape: kernel,
      pads: padding,
      strides: stride,
    };
    const path = pathOf(name);
    const weightName = this.weightName(`${name}.weight`);
    if (!this.random) {
      const weight = this.graph.floats(weightName, dims, convolution.weight);
      const bias = this.graph.floats(this.weightName(`${name}.bias`), [outChannels], convolution.bias);
      const sum = this.graph.node('Conv', [input, weight, bias], attributes, { name: `${path}/Conv` });
      return this.graph.activation(sum, activation, `${path}/activation`);
    }
    const parts = unfold(convolution, this.random);
    const sum = this.graph.node(
      'Conv',
      [input, this.graph.floats(weightName, dims, parts.weight)],
      attributes,
      {
        name: `${path}/Conv`,
      },
    );
    const parameters = (['scale', 'shift', 'mean', 'variance'] as const).map((field) =>
      this.graph.floats(this.weightName(`${name}.norm.${field}`), [outChannels], parts[field]),
    );
    const normed = this.graph.node(
      'BatchNormalization',
      [sum, ...parameters],
      { epsilon: Float32Array.of(1e-5) },
      {
        name: `${path}/BatchNormalization`,
      },
    );
    return this.graph.activation(normed, activation, `${path}/activation`);
  }

  private block(block: Block, input: string): string {
    const path = pathOf(block.name);
    let value = input;
    block.branch.forEach((convolution, i) => {
      value = this.convolution(value, convolution);
      if (block.squeezeExcitation?.after !== i) return;
      const { reduce, expand } = block.squeezeExcitation;
      const pooled = this.globalPool(value, `${block.name}.se`);
      const gate = this.convolution(this.convolution(pooled, reduce), expand);
      value = this.graph.node('Mul', [value, gate]);
    });
    if (!block.adaptive) return this.graph.activation(value, block.activation);
    const shortcut = block.projection ? this.convolution(input, block.projection) : input;
    const sum = this.graph.node('Add', [value, shortcut], {}, { name: `${path}/Add` });
    return this.graph.activation(sum, block.activation);
  }

  private globalPool(value: string, name: string): string {
    return this.options.head === 'reshape'
      ? this.graph.node(
          'ReduceMean',
          [value],
          { axes: [-1, -2], keepdims: 1 },
          { name: `${pathOf(name)}/ReduceMean` },
        )
      : this.graph.node('GlobalAveragePool', [value], {}, { name: `${pathOf(name)}/GlobalAveragePool` });
  }

  /** Puts the operators of a foreign node back, their names made unlike all others. */
  private foreign(node: ForeignNode): void {
    const graph = fromBinary(ModelProtoSchema, node.model).graph!;
    const prefix = this.graph.fresh('piece');
    const names = new Map<string, string>();
    for (const { name, type } of graph.input) {
      const rank = type?.value.case === 'tensorType' ? type.value.value.shape?.dim.length : 4;
      names.set(name, rank === 2 ? this.vector(name) : this.map(name));
    }
    const rename = (name: string) => (name === '' ? '' : (names.get(name) ?? `${prefix}/${name}`));
    const nodes = graph.node.map((proto): NodeProto => {
      if (proto.attribute.some(({ g, graphs }) => g !== undefined || graphs.length > 0)) {
        throw new FoveaError(
          'unsupported',
          `"${node.name}": ${proto.opType} holds a graph of its own; it cannot be written again`,
        );
      }
      return {
        ...proto,
        name: `${prefix}/${proto.name}`,
        input: proto.input.map(rename),
        output: proto.output.map(rename),
      };
    });
    this.graph.append(
      nodes,
      graph.initializer.map((tensor) => ({ ...tensor, name: rename(tensor.name) })),
    );
    this.set(node.output, rename(node.output), 4);
  }

  /** Initialisers are named for their module; a name that is taken gets a number. */
  private weightName(name: string): string {
    const unique = this.taken.has(name) ? this.graph.fresh(name) : name;
    this.taken.add(unique);
    return unique;
  }
}

/** `layer1.0.conv1` → `/layer1/layer1.0/conv1`: a number belongs to the module before it. */
function pathOf(name: string): string {
  const segments: string[] = [];
  for (const part of name.split('.')) {
    const before = segments[segments.length - 1];
    segments.push(/^\d+$/.test(part) && before !== undefined ? `${before}.${part}` : part);
  }
  return `/${segments.join('/')}`;
}

/** A convolution and a batch norm whose product is the folded convolution. */
function unfold({ weight, bias, outChannels }: Convolution, random: Random) {
  const parts = {
    weight: new Float32Array(weight.length),
    scale: new Float32Array(outChannels),
    shift: new Float32Array(outChannels),
    mean: new Float32Array(outChannels),
    variance: new Float32Array(outChannels),
  };
  const perChannel = weight.length / outChannels;
  for (let c = 0; c < outChannels; c++) {
    parts.scale[c] = 0.5 + random.next();
    parts.variance[c] = 0.5 + random.next();
    parts.mean[c] = random.next() - 0.5;
    const factor = parts.scale[c]! / Math.sqrt(parts.variance[c]! + 1e-5);
    for (let i = c * perChannel; i < (c + 1) * perChannel; i++) parts.weight[i] = weight[i]! / factor;
    parts.shift[c] = bias[c]! + parts.mean[c]! * factor;
  }
  return parts;
}
