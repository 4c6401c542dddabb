import type { Convolution } from '../../network/network.js';
import { convolutionOutput, isPointwise } from '../../network/shapes.js';
import type { ProgramRegion } from '../../program/program.js';
import type { GraphValue, GraphValues, WholeValue } from './graph-values.js';
import { cellPatches, patchExtent, pixelsOfTiles, tileOf, windowTaps } from './lists.js';

/**
 * Convolutions as nodes of a graph, without their activation. On rows of pixels one of 1x1 is a matrix product; at the
 * pixels of a region any is: gathering whole rows runs at the speed of memory, where gathering pixels out of NCHW
 * maps does not.
 */
export class GraphConvolutions {
  /** @param keepsImages true where maps stay in NCHW, which is what onnxruntime's own convolutions take */
  constructor(
    readonly values: GraphValues,
    readonly keepsImages: boolean,
  ) {}

  /** The convolution at every pixel. */
  everywhere(value: GraphValue, convolution: Convolution): WholeValue {
    const whole = this.#sums(value, convolution);
    if (!convolution.normalisation) return whole;
    return this.values.whole(whole.shape, { rows: this.#normalised(this.values.rows(whole), convolution) });
  }

  /** Rows of the convolution at the pixels of a region. */
  atRegion(source: GraphValue, convolution: Convolution, region: ProgramRegion): string {
    return this.#normalised(this.#sumsAt(source, convolution, region), convolution);
  }

  #normalised(rows: string, { normalisation }: Convolution): string {
    return normalisation ? this.values.graph.layerNormalisation(rows, normalisation, 2) : rows;
  }

  #sums(value: GraphValue, convolution: Convolution): WholeValue {
    const { values } = this;
    const source = values.complete(value);
    const [N, H, W, C] = source.shape;
    const { height, width } = convolutionOutput(convolution, H, W);
    const shape = [N, height, width, convolution.outChannels] as const;
    const { kernel, stride, padding, groups } = convolution;
    const onePixel = kernel[0] * kernel[1] * groups === 1 && padding.every((pad) => pad === 0);
    const asRows = onePixel && (H * W === 1 || (!this.keepsImages && source.forms.image === undefined));
    if (!asRows) {
      return values.whole(shape, { image: this.image(values.image(source), convolution, padding) });
    }
    if (stride[0] * stride[1] === 1 || H * W === 1)
      return values.whole(shape, { rows: this.product(values.rows(source), convolution) });
    const picked = values.graph.node('Slice', [
      values.nhwc(source),
      values.graph.integers([0, 0]),
      values.graph.integers([H, W]),
      values.graph.integers([1, 2]),
      values.graph.integers([...stride]),
    ]);
    return values.whole(shape, { rows: this.product(values.reshape(picked, [-1, C]), convolution) });
  }

  #sumsAt(source: GraphValue, convolution: Convolution, region: ProgramRegion): string {
    if (convolution.maximum) return this.values.at(this.#sums(source, convolution), region);
    if (convolution.groups === 1 && isPointwise(convolution))
      return this.product(this.values.at(source, region), convolution);
    if (convolution.groups === 1) return this.#taps(source, convolution, region);
    // Tiles are whole cells, so only the mask's own pixels can be tiled.
    if (!region.reads) return this.#tiles(source, convolution, region);
    return this.values.at(this.#sums(source, convolution), region);
  }

  /** Rows times weights; with several taps a row holds the window's pixels one after the other. */
  product(rows: string, { name, kernel, inChannels, outChannels, weight, bias }: Convolution): string {
    const { graph } = this.values;
    const taps = kernel[0] * kernel[1];
    const matrix = graph.floats(
      graph.fresh(name),
      [outChannels, taps * inChannels],
      byTap(weight, outChannels, inChannels, taps),
    );
    return graph.node('Gemm', [rows, matrix, graph.floats(graph.fresh(name), [outChannels], bias)], {
      transB: 1,
    });
  }

  /** A convolution of a map in NCHW. */
  image(map: string, convolution: Convolution, padding: Convolution['padding']): string {
    const { graph } = this.values;
    const { name, outChannels, inChannels, groups, kernel, stride, dilation, weight, bias, maximum } =
      convolution;
    if (maximum)
      return graph.node('MaxPool', [map], { kernel_shape: kernel, strides: stride, pads: padding });
    return graph.node(
      'Conv',
      [
        map,
        graph.floats(graph.fresh(name), [outChannels, inChannels / groups, ...kernel], weight),
        graph.floats(graph.fresh(name), [outChannels], bias),
      ],
      { kernel_shape: kernel, strides: stride, dilations: dilation, pads: padding, group: groups },
    );
  }

  /** Every pixel's window gathered into one row, then one matrix product. */
  #taps(source: GraphValue, convolution: Convolution, region: ProgramRegion): string {
    const { values } = this;
    const { kernel, inChannels, name } = convolution;
    const { rows, packed } = this.#sourceRows(source);
    const list = values.list(
      values.graph.fresh(`taps of ${name}`),
      windowTaps(region, convolution, source.shape, packed),
    );
    const windows = values.gather(values.withZeros(rows, inChannels), list);
    return this.product(values.reshape(windows, [-1, kernel[0] * kernel[1] * inChannels]), convolution);
  }

  /** The windows of whole cells gathered and convolved as a batch of small maps. */
  #tiles(source: GraphValue, convolution: Convolution, region: ProgramRegion): string {
    const { values } = this;
    const { inChannels, outChannels, name } = convolution;
    const { rows, packed } = this.#sourceRows(source);
    const list = values.list(
      values.graph.fresh(`patches of ${name}`),
      cellPatches(region, convolution, source.shape, packed),
    );
    const patches = values.gather(values.withZeros(rows, inChannels), list);
    const [tileHeight, tileWidth] = tileOf(region);
    const height = patchExtent(convolution, tileHeight, 0);
    const width = patchExtent(convolution, tileWidth, 1);
    const maps = values.transpose(values.reshape(patches, [-1, height, width, inChannels]), [0, 3, 1, 2]);
    const result = values.transpose(this.image(maps, convolution, [0, 0, 0, 0]), [0, 2, 3, 1]);
    const kept = values.list(`tiles of ${values.numberOf(region)}`, pixelsOfTiles(region));
    return values.gather(values.reshape(result, [-1, outChannels]), kept);
  }

  /** The rows that a value holds, and where it holds them: everywhere when undefined. */
  #sourceRows(source: GraphValue): { rows: string; packed: ProgramRegion | undefined } {
    if (source.kind === 'packed') return { rows: source.rows, packed: source.region };
    return { rows: this.values.rows(this.values.complete(source)), packed: undefined };
  }
}

/** Weights `(K, C, taps)` as `(K, taps, C)`. */
function byTap(weight: Float32Array, outChannels: number, inChannels: number, taps: number): Float32Array {
  if (taps === 1) return weight;
  const result = new Float32Array(weight.length);
  for (let k = 0; k < outChannels; k++) {
    for (let c = 0; c < inChannels; c++) {
      for (let tap = 0; tap < taps; tap++) {
        result[(k * taps + tap) * inChannels + c] = weight[(k * inChannels + c) * taps + tap]!;
      }
    }
  }
  return result;
}
