import { FoveaError } from '../errors.js';
import type { BlockNode, ForeignNode, NetworkNode } from '../network/network.js';
import { mapNormalisationProblem } from '../network/normalisation.js';
import { attendedMaps, attendedOutput, pixelAttentionProblem } from '../network/pixel-attention.js';
import { convolutionOutput, paddingOn } from '../network/shapes.js';
import { expectSliced, joined, pooledExtent, scaled } from '../network/walk.js';
import {
  expectChannels,
  expectPixels,
  type NetworkLowering,
  type Value,
} from '../primitives/network-lowering.js';
import type { Owner, ProgramMap } from '../program/program.js';
import type { Shape } from '../tensor.js';

/** A node outside of blocks that the engine computes itself. */
type DenseNode = Exclude<NetworkNode, ForeignNode | BlockNode>;
type NodeOf<Kind extends DenseNode['kind']> = Extract<DenseNode, { kind: Kind }>;

/** Lowers a dense node at a position of the network, and defines its value. */
export function lowerNode(lowering: NetworkLowering, node: DenseNode, position: number): void {
  lowering.define(node.output, new NodeLowering(lowering, node, position).value());
}

/** Lowers what onnxruntime runs; its value stays undefined where its shape is not known. */
export function lowerForeign(
  lowering: NetworkLowering,
  node: ForeignNode,
  position: number,
  shape: Shape | undefined,
): void {
  const inputs = node.inputs.map((name) => lowering.value(name, node).map);
  const output = shape ? lowering.builder.map(shape) : undefined;
  lowering.builder.emit(
    { node: position, group: -1 },
    { kind: 'foreign', node, inputs, ...(output ? { output } : {}) },
  );
  if (output) lowering.define(node.output, { map: output, activation: 'none' });
}

/** Emits the steps of one dense node. */
class NodeLowering {
  readonly #owner: Owner;
  /** The first value that the node reads. */
  readonly #input: Value;

  constructor(
    private readonly lowering: NetworkLowering,
    private readonly node: DenseNode,
    position: number,
  ) {
    this.#owner = { node: position, group: -1 };
    this.#input = this.#read(0);
  }

  value(): Value {
    const { node, lowering } = this;
    const { builder } = lowering;
    const { map, activation } = this.#input;
    const [, H, W, C] = map.shape;
    switch (node.kind) {
      case 'convolution':
        return this.#convolution(node);
      case 'max-pool':
      case 'average-pool':
        return this.#pool(node);
      case 'global-pool': {
        const destination = this.#make(1, 1);
        builder.emit(this.#owner, { kind: 'global-pool', source: map, destination });
        return { map: destination, activation };
      }
      case 'multiply':
        return this.#multiply(node);
      case 'concat':
        return this.#concat(node);
      case 'slice': {
        const { first: from, channels: count } = node;
        expectSliced(node, C);
        const destination = this.#make(H, W, count);
        builder.emit(this.#owner, { kind: 'copy-channels', source: map, destination, from, count, to: 0 });
        return { map: destination, activation };
      }
      case 'resize': {
        const { factor, interpolation } = node;
        const destination = this.#make(H * factor[0], W * factor[1]);
        builder.emit(this.#owner, { kind: 'resize', source: map, destination, interpolation });
        return { map: destination, activation };
      }
      case 'normalise-map': {
        const { by, groups, epsilon } = node;
        const problem = mapNormalisationProblem(node, C);
        if (problem) throw new FoveaError('bad-shape', `"${node.name}": ${problem}`);
        const destination = this.#inPlace();
        builder.emit(this.#owner, { kind: 'normalise-map', source: map, destination, by, groups, epsilon });
        return { map: destination, activation: 'none' };
      }
      case 'pixel-attention':
        return this.#pixelAttention(node);
      case 'activation':
        return this.#sum(node, undefined);
      case 'add': {
        const second = this.#read(1).map;
        if (second.shape.some((extent, axis) => extent !== map.shape[axis])) {
          throw new FoveaError('bad-shape', `"${node.name}" adds maps of different sizes`);
        }
        return this.#sum(node, second);
      }
    }
  }

  #convolution({ name, convolution }: NodeOf<'convolution'>): Value {
    const { map } = this.#input;
    const [, H, W, C] = map.shape;
    expectChannels(name, convolution.inChannels, C);
    const { height, width } = convolutionOutput(convolution, H, W);
    const output = this.#make(height, width, convolution.outChannels);
    this.lowering.convolve(this.#owner, convolution, map, output);
    return { map: output, activation: convolution.activation };
  }

  #pool(node: NodeOf<'max-pool' | 'average-pool'>): Value {
    const { map, activation } = this.#input;
    const [, H, W] = map.shape;
    const { kernel, stride, ceilMode } = node;
    const padding = paddingOn(node, H, W);
    const [top, left, bottom, right] = padding;
    const destination = this.#make(
      pooledExtent(H, top, bottom, kernel[0], stride[0], ceilMode),
      pooledExtent(W, left, right, kernel[1], stride[1], ceilMode),
    );
    const countPadding = node.kind === 'average-pool' && node.countIncludePad;
    this.lowering.builder.emit(this.#owner, {
      ...{ kind: node.kind, source: map, destination, kernel, stride, padding, countPadding },
    });
    return { map: destination, activation };
  }

  #multiply(node: NodeOf<'multiply'>): Value {
    const { lowering } = this;
    const { map } = this.#input;
    const other = this.#read(1).map;
    const { swapped } = scaled(node, map.shape, other.shape);
    const [a, b] = swapped ? [other, map] : [map, other];
    const last = lowering.lastReader(node.inputs[swapped ? 1 : 0]!);
    const destination = last ? a : lowering.builder.map(a.shape);
    lowering.builder.emit(this.#owner, { kind: 'multiply', a, b, destination });
    return { map: destination, activation: 'none' };
  }

  #pixelAttention(node: NodeOf<'pixel-attention'>): Value {
    const { attention } = node;
    const maps = attendedMaps(
      attention,
      node.inputs.map((_, i) => this.#read(i).map),
    );
    const { query, key, value } = maps;
    const shapes = { query: query?.shape, key: key.shape, value: value.shape };
    const problem = pixelAttentionProblem(attention, shapes);
    if (problem) throw new FoveaError('bad-shape', `"${node.name}": ${problem}`);
    const [, height, width, channels] = attendedOutput(attention, shapes);
    const destination = this.#make(height, width, channels);
    this.lowering.builder.emit(this.#owner, { kind: 'pixel-attention', attention, ...maps, destination });
    return { map: destination, activation: 'none' };
  }

  #concat(node: NodeOf<'concat'>): Value {
    const values = node.inputs.map((input) => this.lowering.value(input, node));
    const shapes = values.map(({ map }) => map.shape);
    const [, height, width, channels] = joined(node, shapes);
    const destination = this.#make(height, width, channels);
    let to = 0;
    for (const { map: source } of values) {
      const count = source.shape[3];
      this.lowering.builder.emit(this.#owner, {
        ...{ kind: 'copy-channels', source, destination, from: 0, count, to },
      });
      to += count;
    }
    const { activation } = this.#input;
    const alike = values.every((value) => value.activation === activation);
    return { map: destination, activation: alike ? activation : 'none' };
  }

  /** The activated sum of the input and another map; without one, the activated input. */
  #sum({ activation }: NodeOf<'activation' | 'add'>, second: ProgramMap | undefined): Value {
    const output = this.#inPlace();
    this.lowering.add(this.#owner, this.#input.map, second, output, activation);
    return { map: output, activation };
  }

  #read(index: number): Value {
    return this.lowering.value(this.node.inputs[index] ?? '', this.node);
  }

  /** A new map of the input's batch. */
  #make(height: number, width: number, channels = this.#input.map.shape[3]): ProgramMap {
    expectPixels(this.lowering.network, `"${this.node.name}"`, height, width);
    return this.lowering.builder.map([this.#input.map.shape[0], height, width, channels]);
  }

  /** The input itself where nothing reads it afterwards, else a new map of its size. */
  #inPlace(): ProgramMap {
    const { map } = this.#input;
    return this.lowering.lastReader(this.node.inputs[0]!) ? map : this.#make(map.shape[1], map.shape[2]);
  }
}
