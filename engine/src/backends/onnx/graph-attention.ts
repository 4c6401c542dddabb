import { type Attention, scalesByResponse, slidesOverChannels } from '../../network/attention.js';
import type { PlainConvolution } from '../../network/network.js';
import { writeAttention } from '../../network/onnx/write-attention.js';
import { writeResponse } from '../../network/onnx/write-normalise-map.js';
import type { ProgramRegion } from '../../program/program.js';
import type { GraphConvolutions } from './graph-convolutions.js';
import type { GraphValue, GraphValues } from './graph-values.js';
import { imageOfPixels, meanWeights, pixelsOfImage, sumWeights } from './lists.js';

/** What of a builder pools a map's pixels. */
const reductions = { mean: 'mean', max: 'most', response: 'norm' } as const;

/** Attention as nodes of a graph: to whole maps in NCHW, and to rows of pixels. */
export class GraphAttention {
  constructor(
    readonly values: GraphValues,
    readonly convolutions: GraphConvolutions,
  ) {}

  /** A map in NCHW, scaled. */
  image(map: string, attention: Attention): string {
    const { graph } = this.values;
    return writeAttention(graph, attention, map, (input, layer) => this.#imageLayer(input, layer));
  }

  /** The channels' scales, `[N, C]`. */
  scales(held: GraphValue, attention: Attention, pooledOver: ProgramRegion | undefined): string {
    const { values } = this;
    const { graph } = values;
    const [, , , C] = held.shape;
    const { pools, epsilon, reduce, gate } = attention;
    if (scalesByResponse(attention)) {
      const response = writeResponse(graph, this.#pooled(held, 'response', pooledOver), epsilon!);
      return values.reshape(this.#imageLayer(values.reshape(response, [-1, C, 1, 1]), gate), [-1, C]);
    }
    const parts = pools.map((pool) => {
      const pooled = this.#pooled(held, pool, pooledOver);
      return reduce ? this.#vectorLayer(pooled, reduce) : pooled;
    });
    const sum = parts.reduce((a, b) => graph.node('Add', [a, b]));
    if (!slidesOverChannels(gate)) return this.#vectorLayer(sum, gate);
    return values.reshape(this.#imageLayer(values.reshape(sum, [-1, 1, 1, C]), gate), [-1, C]);
  }

  /**
   * Rows of the pixels' scales, one value each.
   * @param held the map whose channels have been scaled
   * @param pooledOver the pixels of which mean and maximum over channels are taken; all when left out
   * @param scaled the pixels whose scale is wanted; all when left out
   */
  pixelScales(
    held: GraphValue,
    spatial: PlainConvolution,
    pooledOver: ProgramRegion | undefined,
    scaled: ProgramRegion | undefined,
  ): string {
    const { values, convolutions } = this;
    const { graph } = values;
    const shape = [...held.shape.slice(0, 3), 2] as unknown as GraphValue['shape'];
    const read = pooledOver ? values.at(held, pooledOver) : values.rows(values.complete(held));
    const rows = graph.node('Concat', [graph.mean(read, [1]), graph.most(read, [1])], { axis: 1 });
    const summaries: GraphValue = pooledOver
      ? { kind: 'packed', shape, region: pooledOver, rows }
      : values.whole(shape, { rows });
    const sums = scaled
      ? convolutions.atRegion(summaries, spatial, scaled)
      : values.rows(convolutions.everywhere(summaries, spatial));
    return graph.activation(sums, spatial.activation);
  }

  /** Each image's channels pooled, `[N, C]`; of `response` the norms. */
  #pooled(held: GraphValue, pool: Attention['pools'][number], pooledOver: ProgramRegion | undefined): string {
    const { values } = this;
    const { graph } = values;
    const [N, , , C] = held.shape;
    if (!pooledOver) {
      const images = values.reshape(values.rows(values.complete(held)), [N, -1, C]);
      return graph[reductions[pool]](images, [1], { keepdims: 0 });
    }
    const rows = values.at(held, pooledOver);
    const number = values.numberOf(pooledOver);
    if (pool === 'mean') {
      const weights = values.matrix(`mean of ${number}`, N, meanWeights(pooledOver));
      return graph.node('MatMul', [weights, rows]);
    }
    if (pool === 'response') {
      const weights = values.matrix(`sum of ${number}`, N, sumWeights(pooledOver));
      return graph.node('Sqrt', [graph.node('MatMul', [weights, graph.node('Mul', [rows, rows])])]);
    }
    // An image without pixels has one row of zeros.
    const padded = values.withZeros(rows, C);
    const each = Array.from({ length: N }, (_, n) => {
      const list = values.list(`pixels of image ${n} in ${number}`, pixelsOfImage(pooledOver, n));
      return graph.most(values.gather(padded, list), [0]);
    });
    return each.length === 1 ? each[0]! : graph.node('Concat', each, { axis: 0 });
  }

  #vectorLayer(rows: string, convolution: PlainConvolution): string {
    return this.values.graph.activation(this.convolutions.product(rows, convolution), convolution.activation);
  }

  #imageLayer(input: string, convolution: PlainConvolution): string {
    const { graph } = this.values;
    return graph.activation(
      this.convolutions.image(input, convolution, convolution.padding),
      convolution.activation,
    );
  }
}

/** The image that each row of a region belongs to, as a list that a graph reads. */
export function imagesOf(values: GraphValues, region: ProgramRegion): string {
  return values.list(`images of ${values.numberOf(region)}`, imageOfPixels(region));
}
