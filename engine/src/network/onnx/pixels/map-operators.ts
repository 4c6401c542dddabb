import { changed } from '../changed.js';
import type { TensorProto } from '../generated/onnx_pb.js';
import { floatOf, type GraphNode, intOf, intsOf } from '../graph.js';
import { type Attributes, madeOperator, rewrittenOperator } from '../made-operator.js';
import { countOf, dimsOf, float32Values, floatTensor, isFloatType } from '../tensor.js';
import { patchChannels } from './patch-channels.js';
import type { PixelGraph } from './pixel-graph.js';
import {
  adjacentChannels,
  type Digit,
  type Dimension,
  isChannels,
  isComplete,
  isMap,
  isPlain,
  isRolled,
  onMap,
  type PixelView,
} from './pixel-view.js';
import type { TokenMaps } from './token-maps.js';

const toLast = [0, 2, 3, 1];
const toFirst = [0, 3, 1, 2];

/** Writes operators on views of maps as operators on the maps. */
export class MapOperators {
  /** Maps by the views that they were made for. */
  readonly #made = new Map<string, string>();
  /** Maps of patches by the values that they hold. */
  readonly #patches = new Map<string, PixelView>();

  constructor(
    private readonly graph: PixelGraph,
    private readonly tokens: TokenMaps,
  ) {}

  /** A view's numbers as all of a map in its own order: a slice of the channels, positive and scaled where the view is. */
  #asMap(view: PixelView): PixelView | undefined {
    if (view.one) return undefined;
    if (isComplete(view) && isPlain(view)) return view;
    const channels = adjacentChannels(view);
    if (!channels) return undefined;
    const [C] = view.extents;
    const key = JSON.stringify([view.map, channels, view.positive, view.scale]);
    let map = this.#made.get(key);
    if (map === undefined) {
      map = view.map;
      const named = (op: string) => `${view.map}/${op}`;
      const put = (op: string, inputs: readonly string[]) => {
        const made = this.graph.fresh(view.map);
        this.graph.put(madeOperator(op, named(op), inputs, made));
        return made;
      };
      if (channels.count < C) {
        const [starts, ends, axes] = [[channels.first], [channels.first + channels.count], [1]];
        map = put('Slice', [
          map,
          ...[starts, ends, axes].map((values) => this.graph.listed(view.map, values)),
        ]);
      }
      if (view.positive) map = put('Relu', [map]);
      if (view.scale !== 1)
        map = put('Mul', [
          map,
          this.graph.constant(view.map, floatTensor('', [], Float32Array.of(view.scale))),
        ]);
      this.#made.set(key, map);
    }
    return { ...onMap(view, map), extents: [channels.count, view.extents[1], view.extents[2]] };
  }

  /**
   * The same operator on the maps of views of one order, and constants.
   * @param swapped whether a constant comes first
   */
  onMaps(
    node: GraphNode,
    views: readonly PixelView[],
    constants: readonly string[],
    swapped = false,
  ): boolean {
    if (views.every(isMap)) return false;
    const maps = views.map((view) => this.#asMap(view));
    const [first] = maps;
    if (!first || maps.some((map) => map?.extents.join() !== first.extents.join())) return false;
    const names = maps.map((map) => map!.map);
    return this.#replace(node, swapped ? [...constants, ...names] : [...names, ...constants], first);
  }

  #replace(
    node: GraphNode,
    inputs: readonly string[],
    view: PixelView,
    attributes: Attributes = {},
    channels = view.extents[0],
  ) {
    const map = this.graph.fresh(node.outputs[0]!);
    this.graph.put(rewrittenOperator(node, inputs, map, attributes));
    this.graph.replaced.add(node);
    return this.graph.define(node, onMap(view, map, channels));
  }

  /** The map whose channels a value's last extent is: that of a view, or one that is made of the value. */
  #ofRows(name: string, view: PixelView | undefined): PixelView | undefined {
    const map = view && !isMap(view) ? this.#asMap(view) : undefined;
    if (map && isChannels(map.dimensions.at(-1), map)) return map;
    const known = this.#patches.get(name) ?? (view && patchChannels(this.graph, view));
    if (known) this.#patches.set(name, known);
    return known ?? this.tokens.of(name);
  }

  /** A constant of a view's channels as one of a map's, and one number as it is. */
  channelConstant(name: string, view: PixelView): string | undefined {
    const tensor = this.graph.constants.get(name);
    if (!tensor) return undefined;
    const dims = dimsOf(tensor);
    const axis = view.dimensions.findIndex((dimension) => isChannels(dimension, view));
    const own = axis - (view.dimensions.length - dims.length);
    if (
      axis < 0 ||
      own < 0 ||
      !dims.every((extent, i) => (i === own ? extent === view.extents[0] : extent === 1))
    )
      return undefined;
    return this.graph.constant(name, changed(tensor, { dims: [1n, BigInt(view.extents[0]), 1n, 1n] }));
  }

  /** A layer of the channels of each pixel, which come last. */
  linear(node: GraphNode, view: PixelView | undefined): boolean {
    const matrix = this.graph.constants.get(node.inputs[1]!)!;
    const dims = dimsOf(matrix);
    if (dims.length !== 2 || countOf(dims) === 0 || !isFloatType(matrix.dataType)) return false;
    const [rows, columns] = dims as [number, number];
    return this.#layer(node, view, { matrix, rows, columns, turned: false }, undefined);
  }

  gemm(node: GraphNode, view: PixelView | undefined): boolean {
    const matrix = this.graph.constants.get(node.inputs[1]!);
    const dims = matrix ? dimsOf(matrix) : [];
    const alone =
      intOf(node, 'transA', 0) === 0 && floatOf(node, 'alpha', 1) === 1 && floatOf(node, 'beta', 1) === 1;
    if (!matrix || !alone || dims.length !== 2 || countOf(dims) === 0 || !isFloatType(matrix.dataType))
      return false;
    const turned = intOf(node, 'transB', 0) !== 0;
    const [rows, columns] = (turned ? [dims[1], dims[0]] : dims) as [number, number];
    const bias = node.inputs[2] ? this.graph.constants.get(node.inputs[2]) : undefined;
    if (node.inputs[2] && (!bias || dimsOf(bias).join() !== `${columns}`)) return false;
    return this.#layer(node, view, { matrix, rows, columns, turned }, node.inputs[2]);
  }

  #layer(
    node: GraphNode,
    view: PixelView | undefined,
    {
      matrix,
      rows,
      columns,
      turned,
    }: { matrix: TensorProto; rows: number; columns: number; turned: boolean },
    bias: string | undefined,
  ): boolean {
    if (columns < 2 || this.graph.dims(node.inputs[0]!)?.at(-1) !== rows) return false;
    const map = this.#ofRows(node.inputs[0]!, view);
    if (map?.extents[0] !== rows) return false;
    this.graph.budget.spend(8 * rows * columns);
    const values = float32Values(matrix);
    const weights = turned ? values : new Float32Array(values.length);
    if (!turned)
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) weights[j * rows + i] = values[i * columns + j]!;
    const weight = this.graph.constant(node.inputs[1]!, floatTensor('', [columns, rows, 1, 1], weights));
    const output = this.graph.fresh(node.outputs[0]!);
    this.graph.put(madeOperator('Conv', node.name, [map.map, weight, ...(bias ? [bias] : [])], output));
    this.graph.replaced.add(node);
    return this.graph.define(node, onMap(map, output, columns));
  }

  /** A convolution of each pixel of a map in another order. */
  convolved(node: GraphNode, view: PixelView): boolean {
    const weight = this.graph.constants.get(node.inputs[1]!);
    const dims = weight ? dimsOf(weight) : [];
    if (isMap(view) || dims.slice(2).some((extent) => extent !== 1) || view.dimensions.length !== dims.length)
      return false;
    const plain = [...(intsOf(node, 'strides') ?? [1]), ...(intsOf(node, 'dilations') ?? [1])].every(
      (step) => step === 1,
    );
    if (!plain || (intsOf(node, 'pads') ?? []).some((pad) => pad !== 0)) return false;
    const map = this.#asMap(view);
    if (!map || !isChannels(map.dimensions[1], map) || map.dimensions[0]!.length > 0 || dims[0]! < 2)
      return false;
    const two = {
      kernel_shape: [1, 1],
      strides: [1, 1],
      dilations: [1, 1],
      pads: [0, 0, 0, 0],
      auto_pad: 'NOTSET',
    };
    const inputs = [
      map.map,
      this.graph.constant(
        node.inputs[1]!,
        changed(weight!, { dims: [dims[0]!, dims[1]!, 1, 1].map(BigInt) }),
      ),
    ];
    return this.#replace(node, [...inputs, ...node.inputs.slice(2)], map, two, dims[0]!);
  }

  layerNormalised(node: GraphNode, view: PixelView | undefined): boolean {
    const rank = this.graph.dims(node.inputs[0]!)?.length ?? 0;
    if (![-1, rank - 1].includes(intOf(node, 'axis', -1))) return false;
    const map = this.#ofRows(node.inputs[0]!, view);
    if (!map) return false;
    const [turned, normed, output] = [0, 1, 2].map(() => this.graph.fresh(node.outputs[0]!)) as [
      string,
      string,
      string,
    ];
    this.graph.put(madeOperator('Transpose', turned, [map.map], turned, { perm: toLast }));
    this.graph.put(rewrittenOperator(node, [turned, ...node.inputs.slice(1)], normed, { axis: -1 }));
    this.graph.put(madeOperator('Transpose', output, [normed], output, { perm: toFirst }));
    this.graph.replaced.add(node);
    return this.graph.define(node, onMap(map, output));
  }

  /** Groups of channels of a whole image, which PyTorch makes rows of. */
  groupNormalised(node: GraphNode, view: PixelView): boolean {
    const map = isMap(view) ? undefined : this.#asMap(view);
    if (!map || map.dimensions[0]!.length > 0) return false;
    const [C] = map.extents;
    if (isChannels(map.dimensions[1], map)) return this.onMaps(node, [view], node.inputs.slice(1));
    const groups = this.graph.dims(node.inputs[0]!)?.[1];
    const [slowest] = map.dimensions[1]!;
    const ofGroups =
      groups === 1 ? map.dimensions[1]!.length === 0 : slowest?.of === 'C' && slowest.step * groups! === C;
    const given = [1, 2].map((index) => this.graph.constants.get(node.inputs[index]!));
    if (
      node.op !== 'InstanceNormalization' ||
      groups === undefined ||
      !ofGroups ||
      map.dimensions[1]!.length > 1
    )
      return false;
    if (given.some((tensor) => !tensor || countOf(dimsOf(tensor)) !== groups)) return false;
    const [scale, shift] = given.map((tensor, i) => {
      const values = float32Values(tensor!);
      const all = Float32Array.from({ length: C }, (_, c) => values[Math.floor((c * groups) / C)]!);
      return this.graph.constant(node.inputs[i + 1]!, floatTensor('', [C], all));
    });
    const output = this.graph.fresh(node.outputs[0]!);
    const attributes = { epsilon: Float32Array.of(floatOf(node, 'epsilon', 1e-5)), num_groups: groups };
    this.graph.put(
      madeOperator('GroupNormalization', node.name, [map.map, scale!, shift!], output, attributes),
    );
    this.graph.replaced.add(node);
    return this.graph.define(node, onMap(map, output));
  }

  /** Every so many rows and columns, as a pool of one pixel takes them (LeViT). */
  everyNth(node: GraphNode, view: PixelView): boolean {
    const cuts = this.graph.cutsOf(node);
    const map = cuts && this.#asMap(view);
    if (!map || isRolled(map)) return false;
    const strides = [1, 1];
    for (const { axis, start, end, step } of cuts) {
      const dimension: Dimension | undefined = map.dimensions[axis < 0 ? axis + map.dimensions.length : axis];
      const digit: Digit | undefined = dimension?.[0];
      if (!digit || dimension!.length > 1 || digit.of === 'C') return false;
      const along = digit.of === 'H' ? 0 : 1;
      const whole =
        digit.step === 1 && digit.extent === map.extents[1 + along] && start === 0 && end >= digit.extent;
      if (!whole || step < 1 || strides[along] !== 1) return false;
      strides[along] = step;
    }
    if (strides.every((stride) => stride === 1)) return false;
    const output = this.graph.fresh(node.outputs[0]!);
    const window = { kernel_shape: [1, 1], strides };
    this.graph.put(madeOperator('MaxPool', node.name, [map.map], output, window));
    this.graph.replaced.add(node);
    const [C, H, W] = map.extents;
    const extents = [C, Math.ceil(H / strides[0]!), Math.ceil(W / strides[1]!)] as const;
    const dimensions = map.dimensions.map((dimension) =>
      dimension.flatMap((digit) => {
        const extent =
          digit.of === 'C' ? digit.extent : Math.ceil(digit.extent / strides[digit.of === 'H' ? 0 : 1]!);
        return extent > 1 ? [{ ...digit, extent }] : [];
      }),
    );
    return this.graph.define(node, { ...map, map: output, extents, dimensions });
  }

  /** The mean of all pixels. */
  pooled(node: GraphNode, view: PixelView): boolean {
    const axes = (intsOf(node, 'axes') ?? this.graph.integers(node, 1))?.map((axis) =>
      axis < 0 ? axis + view.dimensions.length : axis,
    );
    const map = isMap(view) ? undefined : this.#asMap(view);
    const [C] = view.extents;
    if (!map || !axes || this.graph.dims(node.outputs[0]!)?.join() !== `1,${C}`) return false;
    const left = map.dimensions.filter((_, axis) => !axes.includes(axis)).flat();
    if (left.length !== 1 || !isChannels(left, map)) return false;
    const pooled = this.graph.fresh(node.outputs[0]!);
    this.graph.put(madeOperator('GlobalAveragePool', node.name, [map.map], pooled));
    this.graph.replaced.add(node);
    this.graph.put(madeOperator('Flatten', `${node.name}/flat`, [pooled], node.outputs[0]!, { axis: 1 }));
    this.graph.gone.add(node);
    return true;
  }
}
