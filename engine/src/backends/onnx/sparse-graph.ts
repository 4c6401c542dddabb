import type { Block, Convolution } from '../../network/network.js';
import { GraphBuilder } from '../../network/onnx/builder.js';
import { ElementType } from '../../network/onnx/tensor.js';
import type { BlockShape } from '../../network/shapes.js';
import { isPointwise, patchExtent, type SparseForm } from './sparse-shape.js';

/**
 * Builds the ONNX graph of an adaptive block. Values are rows of pixels, `[pixels, channels]`: gathering and
 * scattering whole rows runs at the speed of memory, where gathering pixels out of NCHW maps does not.
 * Inputs are `x` (`[N, H, W, C]`) and the index lists of {@link sparseLists}; the output is `y`, the output map's rows.
 *
 * @param settled true when the block's activation leaves its input as it is (a ReLU after a ReLU)
 */
export function sparseGraph(
  block: Block,
  shape: BlockShape,
  batch: number,
  form: SparseForm,
  settled: boolean,
): Uint8Array {
  return new SparseGraph(block, shape, batch).build(form, settled);
}

/** The graph of an adaptive block none of whose pixels is active: the shortcut alone. */
export function skipGraph(block: Block, shape: BlockShape, batch: number): Uint8Array {
  return new SparseGraph(block, shape, batch).buildSkip();
}

class SparseGraph {
  private readonly graph = new GraphBuilder();

  constructor(
    private readonly block: Block,
    private readonly shape: BlockShape,
    private readonly batch: number,
  ) {
    this.graph.input('x', [batch, shape.inHeight, shape.inWidth, shape.inChannels]);
  }

  build(form: SparseForm, settled: boolean): Uint8Array {
    const { graph, block, shape } = this;
    const { squeezeExcitation } = block;
    let rows = this.reshape('x', [-1, shape.inChannels]);
    let map = { height: shape.inHeight, width: shape.inWidth };
    block.branch.forEach((convolution, i) => {
      const after = shape.branch[i]!;
      rows = this.layer(rows, convolution, i, form, map);
      map = after;
      if (squeezeExcitation?.after !== i) return;
      const everywhere = form.excitation === 'exact';
      rows = everywhere ? this.exciteMap(rows, convolution.outChannels) : this.exciteRows(rows);
    });
    const shortcut = this.shortcut();
    graph.input('active', ['active pixels', 1], ElementType.INT64);
    // A single column, so that the same list serves both to gather and to scatter.
    const list = this.reshape('active', [-1]);
    const atActive = (map: string) => graph.node('Gather', [map, list], { axis: 0 });
    // A last layer computed everywhere is added under the mask all the same.
    const added = form.layers.at(-1) === 'dense' ? atActive(rows) : rows;
    const sum = graph.node('Add', [added, atActive(shortcut)]);
    const updated = graph.activation(sum, block.activation);
    const rest = settled ? shortcut : graph.activation(shortcut, block.activation);
    return this.finish(graph.node('ScatterND', [rest, 'active', updated], {}, { output: 'y' }));
  }

  buildSkip(): Uint8Array {
    const rows = this.graph.activation(this.shortcut(), this.block.activation);
    return this.finish(this.graph.node('Identity', [rows], {}, { output: 'y' }));
  }

  /** Rows leave as they are: reshaping a graph's output would copy it. */
  private finish(output: string): Uint8Array {
    return this.graph.finish(this.block.name, [{ name: output }]).model;
  }

  private layer(
    rows: string,
    convolution: Convolution,
    i: number,
    form: SparseForm,
    map: { height: number; width: number },
  ): string {
    switch (form.layers[i]!) {
      case 'dense':
        return isPointwise(convolution)
          ? this.product(rows, convolution)
          : this.denseMap(rows, convolution, map);
      case 'rows':
        return this.product(rows, convolution);
      case 'picked':
        return this.product(this.gather(rows, `rows.${i}`), convolution);
      case 'taps': {
        const { kernel, inChannels } = convolution;
        const windows = this.gather(this.withZeros(rows, inChannels), `taps.${i}`);
        return this.product(this.reshape(windows, [-1, kernel[0] * kernel[1] * inChannels]), convolution);
      }
      case 'tiles':
        return this.tiles(rows, convolution, i, form.tile);
    }
  }

  /** Rows times weights; with several taps a row holds the window's pixels one after the other. */
  private product(
    rows: string,
    { name, kernel, inChannels, outChannels, weight, bias, activation }: Convolution,
  ) {
    const taps = kernel[0] * kernel[1];
    const columns = taps * inChannels;
    const matrix = this.graph.floats(
      this.graph.fresh(name),
      [outChannels, columns],
      byTap(weight, outChannels, inChannels, taps),
    );
    const offsets = this.graph.floats(this.graph.fresh(name), [outChannels], bias);
    const sum = this.graph.node('Gemm', [rows, matrix, offsets], { transB: 1 });
    return this.graph.activation(sum, activation);
  }

  /** A convolution of the whole map, in NCHW, which is what onnxruntime's kernels take. */
  private denseMap(
    rows: string,
    convolution: Convolution,
    { height, width }: { height: number; width: number },
  ) {
    const image = this.reshape(rows, [this.batch, height, width, convolution.inChannels]);
    const result = this.convolve(this.transpose(image, [0, 3, 1, 2]), convolution, convolution.padding);
    return this.reshape(this.transpose(result, [0, 2, 3, 1]), [-1, convolution.outChannels]);
  }

  private tiles(
    rows: string,
    convolution: Convolution,
    i: number,
    [tileHeight, tileWidth]: readonly [number, number],
  ) {
    const { inChannels, outChannels } = convolution;
    const patches = this.gather(this.withZeros(rows, inChannels), `patches.${i}`);
    const height = patchExtent(convolution, tileHeight, 0);
    const width = patchExtent(convolution, tileWidth, 1);
    const maps = this.transpose(this.reshape(patches, [-1, height, width, inChannels]), [0, 3, 1, 2]);
    const result = this.convolve(maps, convolution, [0, 0, 0, 0]);
    return this.gather(this.reshape(this.transpose(result, [0, 2, 3, 1]), [-1, outChannels]), `kept.${i}`);
  }

  private convolve(map: string, convolution: Convolution, padding: Convolution['padding']): string {
    const { name, outChannels, inChannels, groups, kernel, stride, dilation, weight, bias, activation } =
      convolution;
    const dims = [outChannels, inChannels / groups, ...kernel];
    const sum = this.graph.node(
      'Conv',
      [
        map,
        this.graph.floats(this.graph.fresh(name), dims, weight),
        this.graph.floats(this.graph.fresh(name), [outChannels], bias),
      ],
      { kernel_shape: kernel, strides: stride, dilations: dilation, pads: padding, group: groups },
    );
    return this.graph.activation(sum, activation);
  }

  /** Squeeze-and-excitation with the mean over whole maps. */
  private exciteMap(rows: string, channels: number): string {
    const images = this.reshape(rows, [this.batch, -1, channels]);
    const mean = this.graph.mean(images, [1], { keepdims: 0 });
    const gate = this.graph.node('Unsqueeze', [this.gate(mean), this.graph.integers([1])]);
    return this.reshape(this.graph.node('Mul', [images, gate]), [-1, channels]);
  }

  /** Squeeze-and-excitation with the mean over each image's active rows, given as a matrix of weights. */
  private exciteRows(rows: string): string {
    const { graph } = this;
    graph.input('mean', [this.batch, 'pooled pixels'], ElementType.FLOAT);
    const gate = this.gate(graph.node('MatMul', ['mean', rows]));
    return graph.node('Mul', [rows, this.gather(gate, 'image')]);
  }

  private gate(mean: string): string {
    const { reduce, expand } = this.block.squeezeExcitation!;
    return this.product(this.product(mean, reduce), expand);
  }

  /** The shortcut at every output pixel. */
  private shortcut(): string {
    const { projection } = this.block;
    const { inChannels, inHeight, inWidth } = this.shape;
    const rows = () => this.reshape('x', [-1, inChannels]);
    if (!projection) return rows();
    const { kernel, stride, padding, groups } = projection;
    const onePixel = kernel[0] * kernel[1] * groups === 1 && padding.every((pad) => pad === 0);
    if (!onePixel) return this.denseMap(rows(), projection, { height: inHeight, width: inWidth });
    if (stride[0] * stride[1] === 1) return this.product(rows(), projection);
    const { graph } = this;
    const picked = graph.node('Slice', [
      'x',
      graph.integers([0, 0]),
      graph.integers([inHeight, inWidth]),
      graph.integers([1, 2]),
      graph.integers([...stride]),
    ]);
    return this.product(this.reshape(picked, [-1, inChannels]), projection);
  }

  /** Adds a row of zeros at the end, which stands for every pixel outside the image. */
  private withZeros(rows: string, channels: number): string {
    const zeros = this.graph.floats(this.graph.fresh('zeros'), [1, channels], new Float32Array(channels));
    return this.graph.node('Concat', [rows, zeros], { axis: 0 });
  }

  /** Rows picked by an index list that is an input of the graph. */
  private gather(rows: string, list: string): string {
    this.graph.input(list, [`length of ${list}`], ElementType.INT64);
    return this.graph.node('Gather', [rows, list], { axis: 0 });
  }

  private reshape(value: string, dims: readonly number[]): string {
    return this.graph.node('Reshape', [value, this.graph.integers(dims)]);
  }

  private transpose(value: string, perm: readonly number[]): string {
    return this.graph.node('Transpose', [value], { perm });
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
