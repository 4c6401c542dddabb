import type { PlainConvolution } from '../../network/network.js';
import { writeNormaliseMap } from '../../network/onnx/write-normalise-map.js';
import { writePixelAttention } from '../../network/onnx/write-pixel-attention.js';
import { writeResize } from '../../network/onnx/write-resize.js';
import type { ProgramMap, ProgramRegion } from '../../program/program.js';
import { GraphAttention, imagesOf } from './graph-attention.js';
import { GraphConvolutions } from './graph-convolutions.js';
import { type GraphValue, GraphValues, type WholeValue } from './graph-values.js';
import { HeldMaps } from './held-maps.js';
import type { ListRecipe } from './lists.js';
import type { GraphOperation, GraphPart } from './parts.js';

type Of<Kind extends GraphOperation['kind']> = Extract<GraphOperation, { kind: Kind }>;

/** What a run must know to use a part's graph. */
export interface GraphUse {
  /** Lists and matrices to make for the masks of the run, by input. */
  readonly lists: ReadonlyMap<string, ListRecipe>;
  readonly outputs: readonly GraphOutput[];
  /** True when the part changes nothing: its outputs are its inputs. */
  readonly idle: boolean;
}

/** A map that a part leaves behind. */
export interface GraphOutput extends Held {
  readonly map: ProgramMap;
  /** The graph's output, or the input that the map still is. */
  readonly name: string;
}

/** Where a map holds values: its rows at a region's pixels packed, or all of it. */
export interface Held {
  readonly region?: ProgramRegion;
}

/** The name of a map among a graph's inputs. */
export const inputName = (position: number) => `in ${position}`;

/** A part's graph, and what is needed to use it. */
export interface WrittenGraph {
  readonly use: GraphUse;
  finish(): Uint8Array;
}

/**
 * Writes the operations of a part as an ONNX graph, from NHWC to NHWC.
 * @param inputs where each of the part's inputs holds values; one that holds none, its region being empty, is not there
 * @param isEmpty whether a region has no pixel in this run: what is computed there is left out
 */
export function writeGraph(
  part: GraphPart,
  inputs: ReadonlyMap<ProgramMap, Held>,
  isEmpty: (region: ProgramRegion) => boolean,
): WrittenGraph {
  const writer = new GraphWriter(part, inputs, isEmpty);
  part.operations.forEach(({ operation }, i) => {
    writer.write(operation, part.operations[i + 1]?.operation);
  });
  return writer.finish();
}

class GraphWriter {
  readonly #values = new GraphValues();
  readonly #convolutions: GraphConvolutions;
  readonly #attention: GraphAttention;
  readonly #held = new HeldMaps(this.#values);
  /** Images of the first channels of maps that are being filled. */
  readonly #pieces = new Map<ProgramMap, readonly string[]>();
  /** Done as part of the operation before. */
  #done: GraphOperation | undefined;

  constructor(
    readonly part: GraphPart,
    inputs: ReadonlyMap<ProgramMap, Held>,
    readonly isEmpty: (region: ProgramRegion) => boolean,
  ) {
    this.#convolutions = new GraphConvolutions(this.#values, part.dense);
    this.#attention = new GraphAttention(this.#values, this.#convolutions);
    part.inputs.forEach((map, position) => {
      const held = inputs.get(map);
      if (!held) return;
      const name = inputName(position);
      const { region } = held;
      const { shape } = map;
      this.#values.graph.input(name, region ? [`length of ${name}`, shape[3]] : shape);
      this.#held.set(
        map,
        region ? { kind: 'packed', shape, region, rows: name } : this.#values.whole(shape, { nhwc: name }),
      );
    });
  }

  write(operation: GraphOperation, next: GraphOperation | undefined): void {
    if (operation === this.#done) return;
    switch (operation.kind) {
      case 'convolve':
        this.#convolve(operation, next);
        return;
      case 'max-pool':
      case 'average-pool':
        this.#pool(operation);
        return;
      case 'global-pool': {
        const image = this.#values.image(this.#held.whole(operation.source));
        this.#held.setImage(operation.destination, this.#values.graph.node('GlobalAveragePool', [image]));
        return;
      }
      case 'copy-channels':
        this.#copyChannels(operation);
        return;
      case 'resize': {
        const { source, destination, interpolation } = operation;
        const [H, W] = [destination.shape[1] / source.shape[1], destination.shape[2] / source.shape[2]];
        const image = this.#values.image(this.#held.whole(source));
        const resized = writeResize(this.#values.graph, { factor: [H, W], interpolation }, image);
        this.#held.setImage(destination, resized);
        return;
      }
      case 'normalise-map': {
        const { source, destination } = operation;
        const image = this.#values.image(this.#held.whole(source));
        const normed = writeNormaliseMap(this.#values.graph, operation, image, 'normalised', {
          centred: true,
        });
        this.#held.setImage(destination, normed);
        return;
      }
      case 'pixel-attention': {
        const { attention, query, key, value, destination } = operation;
        const image = (map: ProgramMap) => this.#values.image(this.#held.whole(map));
        const maps = { key: image(key), value: image(value), ...(query ? { query: image(query) } : {}) };
        this.#held.setImage(
          destination,
          writePixelAttention(this.#values.graph, attention, maps, 'attended', key.shape),
        );
        return;
      }
      case 'multiply': {
        const { a, b, destination } = operation;
        const [left, right] = [a, b].map((map) => this.#values.image(this.#held.whole(map)));
        this.#held.setImage(destination, this.#values.graph.node('Mul', [left!, right!]));
        return;
      }
      case 'add':
        this.#add(operation);
        return;
      case 'gather': {
        // Windows are read through lists of pixels, so that nothing need be copied first.
        const held = this.#held.find(operation.source);
        if (held) this.#held.set(operation.destination, held);
        return;
      }
      case 'scatter': {
        const { source, destination } = operation;
        const { layout } = source;
        if (layout.kind !== 'packed') throw new Error(`map ${source.id} is not packed`);
        const { region } = layout;
        const held = this.#held.find(source);
        if (held && !this.isEmpty(region))
          this.#held.setMixed(destination, region, this.#values.at(held, region), undefined);
        else this.#held.set(destination, this.#values.zeros(destination.shape));
        return;
      }
      case 'scatter-add': {
        const { source, destination, region, shortcut, activation } = operation;
        if (this.isEmpty(region)) return;
        this.#held.update(destination, region, this.#held.at(source, region), shortcut, activation);
        return;
      }
      case 'activate-others': {
        const { map, region, activation } = operation;
        const held = this.#held.get(map);
        if (this.isEmpty(region)) {
          this.#held.set(map, this.#values.activated(this.#values.complete(held), activation));
          return;
        }
        const before = held.kind === 'mixed' && held.region === region ? held.outside : held;
        const inside = this.#values.at(held, region);
        const outside = this.#values.activated(
          before ? this.#values.complete(before) : this.#values.zeros(map.shape),
          activation,
        );
        this.#held.setMixed(map, region, inside, outside);
        return;
      }
      case 'excite':
        this.#excite(operation);
        return;
      default:
        operation satisfies never;
    }
  }

  /** A map's channels are joined once all of them are there: a node's operations are never cut into several parts. */
  #copyChannels({ source, destination, from, count, to }: Of<'copy-channels'>): void {
    const { graph } = this.#values;
    const image = this.#values.image(this.#held.whole(source));
    const piece = count === source.shape[3] ? image : graph.channels(image, from, count);
    const pieces = [...(to > 0 ? this.#pieces.get(destination)! : []), piece];
    this.#pieces.set(destination, pieces);
    if (to + count < destination.shape[3]) return;
    this.#pieces.delete(destination);
    this.#held.setImage(destination, pieces.length > 1 ? graph.node('Concat', pieces, { axis: 1 }) : piece);
  }

  finish(): WrittenGraph {
    const { graph, lists } = this.#values;
    const outputs = this.part.outputs.flatMap((map): GraphOutput[] => {
      const held = this.#held.find(map);
      if (!held) return [];
      if (held.kind === 'packed') return [{ map, name: held.rows, region: held.region }];
      const whole = this.#values.complete(held);
      // Rows leave as they are: reshaping a graph's output would copy it.
      const { nhwc, rows } = whole.forms;
      return [{ map, name: nhwc ?? rows ?? this.#values.nhwc(whole) }];
    });
    const inputs = new Set(this.part.inputs.map((_, position) => inputName(position)));
    const idle = outputs.every(({ name }) => inputs.has(name));
    // Every output must come from an operator.
    const named = outputs.map((output, i) =>
      inputs.has(output.name) || outputs.findIndex(({ name }) => name === output.name) < i
        ? { ...output, name: idle ? output.name : graph.node('Identity', [output.name]) }
        : output,
    );
    const [first] = this.part.operations;
    const name = first?.operation.kind === 'convolve' ? first.operation.convolution.name : 'part';
    return {
      use: { lists, outputs: named, idle },
      finish: () =>
        graph.finish(
          name,
          named.map((output) => ({ name: output.name })),
        ).model,
    };
  }

  #convolve(operation: Of<'convolve'>, next: GraphOperation | undefined): void {
    const { convolution, source, destination, region, others, residual, activation } = operation;
    const values = this.#values;
    if (!region || others) {
      const whole = this.#convolutions.everywhere(this.#read(source), convolution);
      const sum = residual ? this.#sum(whole, this.#held.whole(residual)) : whole;
      const outside = values.activated(sum, activation, convolution.slopes);
      const before = region && this.#held.find(destination);
      if (before && region) this.#held.setMixed(destination, region, values.at(before, region), outside);
      else this.#held.set(destination, outside);
      return;
    }
    if (!residual && completes(operation, next)) {
      // Both have the same sums, so they are computed once.
      this.#done = next;
      const sums = this.#convolutions.everywhere(this.#read(source), convolution);
      const outside = values.activated(sums, next.activation, convolution.slopes);
      if (this.isEmpty(region)) this.#held.set(destination, outside);
      else {
        const inside = values.activatedRows(values.at(sums, region), activation, convolution.slopes);
        this.#held.setMixed(destination, region, inside, outside);
      }
      return;
    }
    if (this.isEmpty(region)) {
      if (!residual) this.#held.delete(destination);
      return;
    }
    const rows = this.#convolutions.atRegion(this.#read(source), convolution, region);
    if (residual) {
      this.#held.update(destination, region, rows, residual, activation);
      return;
    }
    const { shape } = destination;
    this.#held.set(destination, {
      kind: 'packed',
      shape,
      region,
      rows: values.activatedRows(rows, activation, convolution.slopes),
    });
  }

  /** What a convolution reads: of a map that holds values only in an empty region, the zeros around it alone. */
  #read(map: ProgramMap): GraphValue {
    return this.#held.find(map) ?? this.#values.zeros(map.shape);
  }

  #add({ a, b, destination, activation }: Of<'add'>): void {
    const values = this.#values;
    const left = this.#held.get(a);
    if (!b) {
      this.#held.set(destination, values.activated(values.complete(left), activation));
      return;
    }
    const right = this.#held.get(b);
    // Zeros outside a region change nothing there.
    for (const [added, other] of [
      [left, right],
      [right, left],
    ] as const) {
      if (added.kind !== 'mixed' || added.outside) continue;
      const sum = values.graph.node('Add', [added.inside, values.at(other, added.region)]);
      const inside = values.graph.activation(sum, activation);
      const outside = values.activated(values.complete(other), activation);
      this.#held.setMixed(destination, added.region, inside, outside);
      return;
    }
    const sum = this.#sum(values.complete(left), values.complete(right));
    this.#held.set(destination, values.activated(sum, activation));
  }

  #sum(a: WholeValue, b: WholeValue): WholeValue {
    const values = this.#values;
    const image = a.forms.image !== undefined && (this.part.dense || b.forms.image !== undefined);
    const form = image || this.part.dense ? 'image' : 'rows';
    return values.whole(a.shape, { [form]: values.graph.node('Add', [values[form](a), values[form](b)]) });
  }

  #pool({
    kind,
    source,
    destination,
    kernel,
    stride,
    padding,
    countPadding,
  }: Of<'max-pool' | 'average-pool'>): void {
    const [, H, W] = source.shape;
    const floor = (size: number, before: number, after: number, axis: 0 | 1) =>
      Math.floor((size + before + after - kernel[axis]) / stride[axis]) + 1;
    const [top, left, bottom, right] = padding;
    const roundsUp =
      floor(H, top, bottom, 0) !== destination.shape[1] || floor(W, left, right, 1) !== destination.shape[2];
    const average = kind === 'average-pool';
    const pooled = this.#values.graph.node(
      average ? 'AveragePool' : 'MaxPool',
      [this.#values.image(this.#held.whole(source))],
      {
        kernel_shape: kernel,
        strides: stride,
        pads: padding,
        ceil_mode: roundsUp ? 1 : 0,
        ...(average ? { count_include_pad: countPadding ? 1 : 0 } : {}),
      },
    );
    this.#held.setImage(destination, pooled);
  }

  #excite({ map, attention, pooledOver, scaled }: Of<'excite'>): void {
    if (scaled && this.isEmpty(scaled)) return;
    const values = this.#values;
    const { graph } = values;
    const { shape } = map;
    const [N, , , C] = shape;
    const held = this.#held.get(map);
    if (!scaled && this.part.dense && !pooledOver) {
      this.#held.setImage(map, this.#attention.image(values.image(values.complete(held)), attention));
      return;
    }
    const scales = this.#attention.scales(held, attention, pooledOver);
    const { spatial } = attention;
    const scaledRows = (region: ProgramRegion) =>
      graph.node('Mul', [values.at(held, region), values.gather(scales, imagesOf(values, region))]);
    const everywhere = () => {
      const images = values.reshape(values.rows(values.complete(held)), [N, -1, C]);
      const factors = graph.node('Unsqueeze', [scales, graph.integers([1])]);
      return values.whole(shape, { rows: values.reshape(graph.node('Mul', [images, factors]), [-1, C]) });
    };
    const pixelScales = (layer: PlainConvolution) => {
      const channels: GraphValue = pooledOver
        ? { kind: 'packed', shape, region: pooledOver, rows: scaledRows(pooledOver) }
        : everywhere();
      return this.#attention.pixelScales(channels, layer, pooledOver, scaled);
    };
    const factors = spatial && pixelScales(spatial);
    const product = (rows: string) => (factors === undefined ? rows : graph.node('Mul', [rows, factors]));
    if (scaled) {
      const rows = product(scaledRows(scaled));
      if (held.kind === 'packed' && held.region === scaled)
        this.#held.set(map, { kind: 'packed', shape, region: scaled, rows });
      else this.#held.setMixed(map, scaled, rows, held);
      return;
    }
    this.#held.set(map, values.whole(shape, { rows: product(values.rows(everywhere())) }));
  }
}

/** Whether `next` computes the pixels that `operation` leaves out, of the same sums. */
function completes(operation: Of<'convolve'>, next: GraphOperation | undefined): next is Of<'convolve'> {
  return (
    next?.kind === 'convolve' &&
    next.others &&
    next.region === operation.region &&
    next.convolution === operation.convolution &&
    next.source === operation.source &&
    next.destination === operation.destination &&
    next.residual === undefined
  );
}
