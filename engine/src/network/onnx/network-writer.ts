import { fromBinary } from '@bufbuild/protobuf';
import { Random } from '../../random.js';
import {
  type Block,
  type ConcatNode,
  type Convolution,
  type ForeignNode,
  hasShortcut,
  type NetworkNode,
  type PoolNode,
  type SliceNode,
} from '../network.js';
import { attendedMaps } from '../pixel-attention.js';
import { windowOf } from '../projection-pool.js';
import { paddingOn, padsAlikeAtAnySize } from '../shapes.js';
import type { NetworkShapes } from '../walk.js';
import type { GraphBuilder } from './builder.js';
import { changed } from './changed.js';
import { ModelProtoSchema } from './generated/onnx_pb.js';
import { renamedNode } from './renamed.js';
import { writeAttention } from './write-attention.js';
import { writeNormaliseMap } from './write-normalise-map.js';
import { writePixelAttention } from './write-pixel-attention.js';
import { writeResize } from './write-resize.js';

export interface WriterOptions {
  /** Writes batch norms; see `OnnxOptions`. */
  readonly batchNorm?: { readonly seed: number };
  readonly head?: 'flatten' | 'reshape';
  /** Rank of a foreign node's output, where it is known. */
  readonly rankOf?: (value: string) => 2 | 4 | undefined;
  /** Extents of the network's values, where the image's size is known. */
  readonly shapes?: NetworkShapes['values'];
}

/** What a batch norm has of each channel, in the order of its inputs. */
const normParts = ['scale', 'shift', 'mean', 'variance'] as const;

/** Writes nodes of a network into an ONNX graph, in NCHW. */
export class NetworkWriter {
  /** ONNX name of each of the network's values, and whether it is a map or a vector. */
  private readonly values = new Map<string, { name: string; rank: 2 | 4 }>();
  /** Values whose height and width are 1 at any input size. */
  private readonly pooled = new Set<string>();
  private readonly random: Random | undefined;
  /** Names of initialisers so far. */
  private readonly taken = new Set<string>();
  /** Initialisers of each layer. */
  private readonly layers = new Map<Convolution, readonly string[]>();

  constructor(
    private readonly graph: GraphBuilder,
    private readonly options: WriterOptions = {},
  ) {
    this.random = options.batchNorm && new Random(options.batchNorm.seed);
  }

  /** Makes a value of the network known by its name in the graph. */
  define(value: string, name: string, rank: 2 | 4): void {
    this.values.set(value, { name, rank });
  }

  /** The name of a value in the graph, whatever its rank. */
  nameOf(value: string): string {
    return this.values.get(value)!.name;
  }

  /** Adds a node; the values that it reads must be known. */
  node(node: NetworkNode): void {
    switch (node.kind) {
      case 'convolution':
        this.dense(node.convolution, node);
        return;
      case 'max-pool':
      case 'average-pool': {
        const op = node.kind === 'average-pool' ? 'AveragePool' : 'MaxPool';
        const pooled = this.pool(op, node, this.map(node.inputs[0]!), `${pathOf(node.name)}/${op}`);
        this.define(node.output, pooled, 4);
        return;
      }
      case 'global-pool':
        this.define(node.output, this.globalPool(this.map(node.inputs[0]!), node.name), 4);
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
        this.define(node.output, this.graph.activation(sum, node.activation), rank);
        return;
      }
      case 'activation': {
        const { name, rank } = this.values.get(node.inputs[0]!)!;
        if (this.pooled.has(node.inputs[0]!)) this.pooled.add(node.output);
        this.define(node.output, this.graph.activation(name, node.activation), rank);
        return;
      }
      case 'multiply': {
        const rank = node.inputs.every((name) => this.values.get(name)!.rank === 2) ? 2 : 4;
        const factors = node.inputs.map((name) =>
          rank === 4 ? this.map(name) : this.values.get(name)!.name,
        );
        const named = { name: `${pathOf(node.name)}/Mul` };
        if (node.inputs.every((name) => this.pooled.has(name))) this.pooled.add(node.output);
        this.define(node.output, this.graph.node('Mul', factors, {}, named), rank);
        return;
      }
      case 'concat':
      case 'slice':
        this.join(node);
        return;
      case 'resize': {
        const name = `${pathOf(node.name)}/Resize`;
        const larger = writeResize(this.graph, node, this.map(node.inputs[0]!), name);
        this.define(node.output, larger, 4);
        return;
      }
      case 'normalise-map': {
        const normed = writeNormaliseMap(this.graph, node, this.map(node.inputs[0]!), pathOf(node.name));
        if (this.pooled.has(node.inputs[0]!)) this.pooled.add(node.output);
        this.define(node.output, normed, 4);
        return;
      }
      case 'pixel-attention': {
        const maps = attendedMaps(
          node.attention,
          node.inputs.map((name) => this.map(name)),
        );
        const { key } = attendedMaps(node.attention, node.inputs);
        const size = this.options.shapes?.get(key);
        const attended = writePixelAttention(this.graph, node.attention, maps, pathOf(node.name), size);
        this.define(node.output, attended, 4);
        return;
      }
      case 'block':
        this.define(node.output, this.block(node.block, this.map(node.inputs[0]!)), 4);
        return;
      case 'foreign':
        this.foreign(node, this.options.rankOf?.(node.output) ?? 4);
        return;
      default:
        node satisfies never;
    }
  }

  /** Maps, or vectors, side by side, or some of their channels. */
  private join(node: ConcatNode | SliceNode): void {
    const { inputs, output } = node;
    const rank = inputs.every((name) => this.values.get(name)!.rank === 2) ? 2 : 4;
    const names = inputs.map((name) => (rank === 4 ? this.map(name) : this.values.get(name)!.name));
    const path = pathOf(node.name);
    const written =
      node.kind === 'concat'
        ? this.graph.node('Concat', names, { axis: 1 }, { name: `${path}/Concat` })
        : this.graph.channels(names[0]!, node.first, node.channels, `${path}/Slice`);
    if (inputs.every((name) => this.pooled.has(name))) this.pooled.add(output);
    this.define(output, written, rank);
  }

  /** A value as `[N, C, H, W]`. */
  map(value: string): string {
    const { name, rank } = this.values.get(value)!;
    return rank === 4 ? name : this.graph.unsqueezed(name, [2, 3]);
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
      this.define(output, this.convolution(this.map(input), convolution), 4);
      return;
    }
    const { name, outChannels, inChannels, weight, bias, activation, slopes, normalisation } = convolution;
    const product = this.graph.node(
      'Gemm',
      [
        this.vector(input),
        this.graph.floats(this.weightName(`${name}.weight`), [outChannels, inChannels], weight),
        this.graph.floats(this.weightName(`${name}.bias`), [outChannels], bias),
      ],
      { transB: 1, alpha: Float32Array.of(1), beta: Float32Array.of(1) },
      { name: `${pathOf(name)}/Gemm` },
    );
    const sum = this.normalised(product, normalisation, 2, pathOf(name));
    const of = slopes && { values: slopes, dims: [outChannels] };
    this.define(output, this.graph.activation(sum, activation, undefined, of), 2);
    this.pooled.add(output);
  }

  private convolution(input: string, convolution: Convolution): string {
    const { name, outChannels, kernel, stride, dilation, groups, activation, slopes } = convolution;
    const { normalisation } = convolution;
    const of = slopes && { values: slopes, dims: [outChannels, 1, 1] };
    const attributes = {
      dilations: dilation,
      group: groups,
      kernel_shape: kernel,
      ...paddingAttribute(convolution),
      strides: stride,
    };
    const path = pathOf(name);
    if (convolution.maximum) {
      const { group: _, dilations: __, ...window } = attributes;
      return this.graph.node('MaxPool', [input], window, { name: `${path}/MaxPool` });
    }
    const [weight, ...rest] = this.parameters(convolution);
    const inputs = [input, weight!];
    if (!this.random) {
      const product = this.graph.node('Conv', [...inputs, ...rest], attributes, { name: `${path}/Conv` });
      const sum = this.normalised(product, normalisation, 4, path);
      return this.graph.activation(sum, activation, `${path}/activation`, of);
    }
    const sum = this.graph.node('Conv', inputs, attributes, { name: `${path}/Conv` });
    const batchNorm = this.graph.node(
      'BatchNormalization',
      [sum, ...rest],
      { epsilon: Float32Array.of(1e-5) },
      { name: `${path}/BatchNormalization` },
    );
    const normed = this.normalised(batchNorm, normalisation, 4, path);
    return this.graph.activation(normed, activation, `${path}/activation`, of);
  }

  private normalised(value: string, by: Convolution['normalisation'], rank: 2 | 4, path: string): string {
    return by ? this.graph.layerNormalisation(value, by, rank, `${path}/LayerNormalization`) : value;
  }

  /** Weights and bias, or weights and a batch norm: written once for a layer that an attention applies to each pool. */
  private parameters(convolution: Convolution): readonly string[] {
    const known = this.layers.get(convolution);
    if (known) return known;
    const { name, outChannels, inChannels, groups, kernel, bias } = convolution;
    const named = (part: string, dims: readonly number[], values: Float32Array) =>
      this.graph.floats(this.weightName(`${name}.${part}`), dims, values);
    const dims = [outChannels, inChannels / groups, ...kernel];
    const parts = this.random && unfold(convolution, this.random);
    const written = parts
      ? [
          named('weight', dims, parts.weight),
          ...normParts.map((part) => named(`norm.${part}`, [outChannels], parts[part])),
        ]
      : [named('weight', dims, convolution.weight), named('bias', [outChannels], bias)];
    this.layers.set(convolution, written);
    return written;
  }

  private block(block: Block, input: string): string {
    const path = pathOf(block.name);
    let value = input;
    block.branch.forEach((convolution, i) => {
      value = this.convolution(value, convolution);
      if (block.attention?.after !== i) return;
      value = writeAttention(
        this.graph,
        block.attention,
        value,
        (input, layer) => this.convolution(input, layer),
        (map) => this.globalPool(map, `${block.name}.se`),
      );
    });
    if (!hasShortcut(block)) return this.graph.activation(value, block.activation);
    const read = block.projectionPool
      ? this.pool('AveragePool', windowOf(block.projectionPool), input, `${path}/AveragePool`)
      : input;
    const shortcut = block.projection ? this.convolution(read, block.projection) : read;
    const sum = this.graph.node('Add', [value, shortcut], {}, { name: `${path}/Add` });
    return this.graph.activation(sum, block.activation);
  }

  private pool(
    op: 'AveragePool' | 'MaxPool',
    window: Omit<PoolNode, 'kind' | 'name' | 'inputs' | 'output'>,
    value: string,
    name: string,
  ): string {
    const attributes = {
      kernel_shape: window.kernel,
      strides: window.stride,
      ...paddingAttribute(window),
      ...(window.ceilMode ? { ceil_mode: 1 } : {}),
      ...(op === 'AveragePool' ? { count_include_pad: window.countIncludePad ? 1 : 0 } : {}),
    };
    return this.graph.node(op, [value], attributes, { name });
  }

  private globalPool(value: string, name: string): string {
    return this.options.head === 'reshape'
      ? this.graph.mean(value, [2, 3], { name: `${pathOf(name)}/ReduceMean` })
      : this.graph.node('GlobalAveragePool', [value], {}, { name: `${pathOf(name)}/GlobalAveragePool` });
  }

  /** Puts the operators of a foreign node back, their names made unlike all others. */
  private foreign(node: ForeignNode, outputRank: 2 | 4): void {
    const { graph: piece, functions } = fromBinary(ModelProtoSchema, node.model);
    const graph = piece!;
    const prefix = this.graph.fresh('piece');
    const names = new Map<string, string>();
    for (const { name, type } of graph.input) {
      const rank = type?.value.case === 'tensorType' ? type.value.value.shape?.dim.length : 4;
      names.set(name, rank === 2 ? this.vector(name) : this.map(name));
    }
    const rename = (name: string) => (name === '' ? '' : (names.get(name) ?? `${prefix}/${name}`));
    this.graph.append(
      graph.node.map((node) => renamedNode(node, { rename, prefix })),
      graph.initializer.map((tensor) => changed(tensor, { name: rename(tensor.name) })),
      functions,
    );
    this.define(node.output, rename(node.output), outputRank);
  }

  /** Initialisers are named for their module; a name that is taken gets a number. */
  private weightName(name: string): string {
    const unique = this.taken.has(name) ? this.graph.fresh(name) : name;
    this.taken.add(unique);
    return unique;
  }
}

/** Whether a convolution's padding follows from the size beside a dilation, for which onnxruntime takes no rule. */
export function needsAmounts({ samePadding, dilation, ...window }: Convolution): boolean {
  return samePadding !== undefined && dilation.some((step) => step > 1) && !padsAlikeAtAnySize(window);
}

/** Padding as ONNX has it: amounts wherever they do, otherwise the rule by which they follow from the size. */
function paddingAttribute(window: Parameters<typeof paddingOn>[0]) {
  return window.samePadding === undefined || padsAlikeAtAnySize(window)
    ? { pads: paddingOn(window, 1, 1) }
    : { auto_pad: window.samePadding === 'upper' ? 'SAME_UPPER' : 'SAME_LOWER' };
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
