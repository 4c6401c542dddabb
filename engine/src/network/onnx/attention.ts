import type { Activation } from '../activation.js';
import { type Attention, type AttentionPool, fitsChannels } from '../attention.js';
import type { Convolution, PlainConvolution } from '../network.js';
import type { ConvolutionDraft, Draft, DraftGraph } from './draft.js';
import type { FileFacts } from './file-facts.js';
import { type GraphNode, intsOf } from './graph.js';
import { isMatrixProduct } from './shortcut.js';
import { asLine, lineOf } from './sliding-layer.js';
import { numberValues } from './tensor.js';

/** An attention found from the product that ends it. */
export interface FoundAttention extends Omit<Attention, 'after'> {
  /** What it scales. */
  readonly input: string;
  /** All drafts that it takes the place of, the product included. */
  readonly drafts: readonly Draft[];
}

/** Attention seen from its last product: squeeze-and-excitation, ECA or CBAM; undefined for another product. */
export function attentionOf(graph: DraftGraph, product: Draft, facts: FileFacts): FoundAttention | undefined {
  if (!isProduct(product)) return undefined;
  const found = new Reader(graph, facts).read(product);
  if (!found) return undefined;
  // Everything of it is read inside it alone, but for its result and what it scales.
  const inside = found.drafts.every(
    (draft) => draft === product || draft.outputs.every((value) => graph.onlyReadBy(value, ...found.drafts)),
  );
  return inside ? found : undefined;
}

/** True for a product of two values that are computed. */
export function isProduct(draft: Draft): boolean {
  return draft.kind === 'multiply' || (operatorOf(draft) === 'Mul' && draft.inputs.length === 2);
}

/** The operator that a draft stands for, where the engine has no node for it. */
const operatorOf = (draft: Draft | undefined) =>
  draft?.kind === 'unknown' && draft.origins.length === 1 ? draft.origins[0]!.op : undefined;

const isPlain = (layer: Convolution): layer is PlainConvolution =>
  layer.activation !== 'prelu' && layer.normalisation === undefined;

/** Operators that only give values another shape. */
const reshaping = new Set(['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Transpose', 'Expand']);
/** Operators that shapes are computed with. */
const shaping = new Set([
  'Shape',
  'Gather',
  'Concat',
  'Slice',
  'Unsqueeze',
  'Squeeze',
  'Cast',
  'Constant',
  'ConstantOfShape',
  'Equal',
  'Where',
  'Mul',
  'Reshape',
]);

/** A vector's values on their way back: what made them, and what was passed. */
interface Step {
  readonly draft: Draft;
  readonly value: string;
}

/** What the gate of an attention reads. */
type Squeezed = Pick<FoundAttention, 'pools' | 'reduce'>;

class Reader {
  readonly #drafts = new Set<Draft>();

  constructor(
    readonly graph: DraftGraph,
    readonly facts: FileFacts,
  ) {}

  read(product: Draft): FoundAttention | undefined {
    const pairs = [product.inputs, [...product.inputs].reverse()] as [string, string][];
    for (const [input, gate] of pairs) {
      this.#drafts.clear();
      this.#drafts.add(product);
      const found = this.#channels(input, gate) ?? this.#pixels(input, gate);
      if (found) return { ...found, drafts: [...this.#drafts] };
    }
    return undefined;
  }

  /** Channels of `input` times a gate that is made of it. */
  #channels(input: string, gate: string): Omit<FoundAttention, 'drafts'> | undefined {
    const channels = this.facts.dims(input)?.[1];
    if (channels === undefined) return undefined;
    const last = this.#passed(gate, channels);
    const sum = last && this.#sum(last, channels);
    if (sum) return this.#summed(input, channels, sum);
    const response = last && this.#response(last.draft, input, channels);
    if (response) return response;
    const matrix = last && this.#matrix(last.draft, channels);
    if (!matrix) return this.#sliding(input, channels, last);
    const below = this.#passed(matrix.inputs[0]!, matrix.convolution.inChannels);
    const squeezed = below && this.#squeezed(below, input, channels);
    return squeezed && { input, ...squeezed, gate: matrix.convolution };
  }

  /** Channels scaled by their responses, as networks are written here. */
  #response(draft: Draft, input: string, channels: number): Omit<FoundAttention, 'drafts'> | undefined {
    if (draft.kind !== 'convolution' || !isPlain(draft.convolution)) return undefined;
    const { convolution: gate } = draft;
    const quotient = this.graph.producer(draft.inputs[0]!);
    const [norm, sum] = quotient?.inputs ?? [];
    if (operatorOf(quotient) !== 'Div' || norm === undefined || sum === undefined) return undefined;
    const norms = this.graph.producer(norm);
    const plus = this.graph.producer(sum);
    const axes = (of: Draft) => axesOf(of.origins[0]!, this.facts)?.join();
    if (operatorOf(norms) !== 'ReduceL2' || norms!.inputs[0] !== input || axes(norms!) !== '2,3')
      return undefined;
    if (operatorOf(plus) !== 'Add') return undefined;
    const mean = plus!.inputs.map((value) => this.graph.producer(value)).find((other) => other);
    if (operatorOf(mean) !== 'ReduceMean' || mean!.inputs[0] !== norm || axes(mean!) !== '1')
      return undefined;
    const constant = this.facts.constant(
      plus!.origins[0]!.inputs.find((value) => value !== mean!.outputs[0]) ?? '',
    );
    const epsilon = constant && numberValues(constant)[0];
    const found = { input, pools: ['response'] as const, epsilon: epsilon ?? 0, gate };
    if (!fitsChannels({ after: 0, ...found }, channels)) return undefined;
    for (const each of [draft, quotient!, norms!, plus!, mean!]) this.#drafts.add(each);
    return found;
  }

  /** What a gate reads: mean or maximum, or both added, each through the same matrix where there is one. */
  #squeezed(step: Step, input: string, channels: number): Squeezed | undefined {
    const { draft } = step;
    const adds = draft.kind === 'add' ? draft.activation === 'none' : operatorOf(draft) === 'Add';
    if (!adds) return this.#reduced(step, input, channels);
    const sides = draft.inputs.map((value): Squeezed | undefined => {
      const width = this.facts.dims(value)?.reduce((all, extent) => all * extent, 1);
      const side = width === undefined ? undefined : this.#passed(value, width);
      return side && this.#reduced(side, input, channels);
    });
    const [a, b] = sides;
    if (sides.length !== 2 || !a || !b || a.pools[0] === b.pools[0]) return undefined;
    if (a.reduce && b.reduce ? !sameLayer(a.reduce, b.reduce) : a.reduce !== b.reduce) return undefined;
    this.#drafts.add(draft);
    return { pools: ['mean', 'max'], ...(a.reduce ? { reduce: a.reduce } : {}) };
  }

  /** A pool of the map, or a matrix over one. */
  #reduced(step: Step, input: string, channels: number): Squeezed | undefined {
    const bare = this.#poolOf(step, input);
    if (bare) return { pools: [bare] };
    const { draft } = step;
    const reduce =
      draft.kind === 'convolution' ? this.#matrix(draft, draft.convolution.outChannels) : undefined;
    const pooled = reduce && this.#passed(reduce.inputs[0]!, channels);
    const pool = pooled && this.#poolOf(pooled, input);
    return pool && { pools: [pool], reduce: reduce.convolution };
  }

  /** A sum, and the activation behind it. */
  #sum(last: Step, channels: number): { draft: Draft; activation: Activation } | undefined {
    const { draft } = last;
    if (draft.kind === 'add' && draft.activation !== 'none') return { draft, activation: draft.activation };
    const activation = activationOf(draft);
    const below = activation && this.#passed(draft.inputs[0]!, channels);
    const adds = below && (below.draft.kind === 'add' || operatorOf(below.draft) === 'Add');
    if (!adds || (below.draft.kind === 'add' && below.draft.activation !== 'none')) return undefined;
    this.#drafts.add(below.draft);
    return { draft: below.draft, activation };
  }

  /** The same two matrices over mean and maximum, added: what CBAM scales channels by. */
  #summed(
    input: string,
    channels: number,
    { draft, activation }: { readonly draft: Draft; readonly activation: Activation },
  ): Omit<FoundAttention, 'drafts'> | undefined {
    if (draft.inputs.length !== 2) return undefined;
    const sides = draft.inputs.map((value) => this.#perceptron(value, channels));
    const [a, b] = sides;
    if (!a || !b || !sameLayer(a.gate, b.gate) || !sameLayer(a.reduce, b.reduce)) return undefined;
    if (!this.#arePools([a.pooled, b.pooled], input)) return undefined;
    // Each side has added the bias.
    const bias = a.gate.bias.map((value) => 2 * value);
    return {
      input,
      pools: ['mean', 'max'],
      reduce: a.reduce,
      gate: { ...a.gate, bias, activation },
    };
  }

  #perceptron(value: string, channels: number) {
    const last = this.#passed(value, channels);
    const gate = last && this.#matrix(last.draft, channels);
    const below = gate && this.#passed(gate.inputs[0]!, gate.convolution.inChannels);
    const reduce = below && this.#matrix(below.draft, gate.convolution.inChannels);
    const pooled = reduce && this.#passed(reduce.inputs[0]!, channels);
    if (!gate || !pooled || gate.convolution.activation !== 'none') return undefined;
    return { gate: gate.convolution, reduce: reduce.convolution, pooled };
  }

  /** A gate that slides over the channels, and its activation before or behind changes of shape. */
  #sliding(
    input: string,
    channels: number,
    last: Step | undefined,
  ): Omit<FoundAttention, 'drafts'> | undefined {
    const activation = last && activationOf(last.draft);
    const slide = activation ? this.#passed(last.draft.inputs[0]!, channels) : last;
    const layer = slide && this.#slidingLayer(slide, channels);
    if (!layer || (activation && layer.activation !== 'none')) return undefined;
    const gate = { ...layer, ...(activation ? { activation } : {}) };
    const pooled = this.#passed(slide.draft.inputs[0]!, channels);
    const squeezed = pooled && isPlain(gate) ? this.#squeezed(pooled, input, channels) : undefined;
    return squeezed && isPlain(gate) ? { input, ...squeezed, gate } : undefined;
  }

  /** A convolution of one channel along the axis that holds the vector's channels. */
  #slidingLayer({ draft, value }: Step, channels: number): Convolution | undefined {
    const read = this.facts.dims(draft.inputs[0]!);
    const axis = read?.lastIndexOf(channels) ?? -1;
    if (!read || axis < 2 || this.facts.dims(value)?.join() !== read.join()) return undefined;
    const layer = draft.kind === 'convolution' ? asLine(draft, axis) : lineOf(draft, axis, this.facts);
    if (!layer) return undefined;
    this.#drafts.add(draft);
    return layer;
  }

  /** Pixels of `input` times a convolution of its mean and maximum over channels, behind the scales of its channels. */
  #pixels(input: string, gate: string): Omit<FoundAttention, 'drafts'> | undefined {
    const draft = this.graph.producer(gate);
    if (draft?.kind !== 'convolution') return undefined;
    const { convolution } = draft;
    const { inChannels, outChannels, groups, stride, kernel, padding, dilation, samePadding } = convolution;
    const middle = kernel.every(
      (size, at) =>
        size % 2 === 1 && padding[at] === ((size - 1) / 2) * dilation[at]! && padding[at + 2] === padding[at],
    );
    const fits = inChannels === 2 && outChannels === 1 && groups === 1 && stride.every((step) => step === 1);
    if (!fits || !middle || samePadding || !isPlain(convolution)) return undefined;
    const joined = this.graph.producer(draft.inputs[0]!);
    if (joined?.kind !== 'concat' || joined.inputs.length !== 2) return undefined;
    const parts = joined.inputs.map((value) => this.#overChannels(value, input));
    const swapped = parts.join() === 'max,mean';
    if (!swapped && parts.join() !== 'mean,max') return undefined;
    this.#drafts.add(draft);
    this.#drafts.add(joined);
    const product = this.graph.producer(input);
    const before =
      product && isProduct(product) ? new Reader(this.graph, this.facts).read(product) : undefined;
    if (!before || before.spatial) return undefined;
    for (const each of before.drafts) this.#drafts.add(each);
    const { drafts: _, ...channels } = before;
    return { ...channels, spatial: swapped ? withChannelsSwapped(convolution) : convolution };
  }

  /** Whether a value is the mean or the maximum of another's channels. */
  #overChannels(value: string, of: string): 'mean' | 'max' | undefined {
    let draft = this.graph.producer(value);
    if (operatorOf(draft) === 'Unsqueeze') {
      this.#drafts.add(draft!);
      draft = this.graph.producer(draft!.inputs[0]!);
    }
    const operator = operatorOf(draft);
    if (!draft || draft.inputs[0] !== of || (operator !== 'ReduceMean' && operator !== 'ReduceMax'))
      return undefined;
    const [, , height, width] = this.facts.dims(of) ?? [];
    const [batch, one, ...rest] = this.facts.dims(value) ?? [];
    if (axesOf(draft.origins[0]!, this.facts)?.join() !== '1' || batch !== 1 || one !== 1) return undefined;
    if (rest.join() !== `${height},${width}`) return undefined;
    this.#drafts.add(draft);
    return operator === 'ReduceMean' ? 'mean' : 'max';
  }

  /** Whether two values are mean and maximum of a map, in either order. */
  #arePools([a, b]: readonly [Step, Step], of: string): boolean {
    return [this.#poolOf(a, of), this.#poolOf(b, of)].sort().join() === 'max,mean';
  }

  /** Which pool of a map a value is. */
  #poolOf({ draft }: Step, of: string): AttentionPool | undefined {
    if (draft.inputs[0] !== of) return undefined;
    const operator = operatorOf(draft);
    const spatial = operator === 'ReduceMax' && axesOf(draft.origins[0]!, this.facts)?.join() === '2,3';
    const pool =
      draft.kind === 'global-pool' ? 'mean' : operator === 'GlobalMaxPool' || spatial ? 'max' : undefined;
    if (pool) this.#drafts.add(draft);
    return pool;
  }

  #matrix(
    draft: Draft,
    outChannels: number,
  ): (ConvolutionDraft & { readonly convolution: PlainConvolution }) | undefined {
    if (draft.kind !== 'convolution' || !isMatrixProduct(draft.convolution) || !isPlain(draft.convolution))
      return undefined;
    if (draft.convolution.outChannels !== outChannels) return undefined;
    this.#drafts.add(draft);
    return draft as ConvolutionDraft & { readonly convolution: PlainConvolution };
  }

  /**
   * What made a vector of that many channels, changes of its shape passed over: all extents but the channels' are 1,
   * so none of them changes the order; the last may spread it over the map that it scales.
   */
  #passed(value: string, channels: number): Step | undefined {
    let current = value;
    for (;;) {
      const draft = this.graph.producer(current);
      if (!draft) return undefined;
      const operator = operatorOf(draft);
      if (operator === undefined || !reshaping.has(operator)) {
        if (draft.kind === 'add' || activationOf(draft)) this.#drafts.add(draft);
        return { draft, value: current };
      }
      const read = this.facts.dims(draft.inputs[0]!);
      if (!read || !isVector(read, channels)) return undefined;
      const written = this.facts.dims(current);
      if (operator !== 'Expand' ? !written || !isVector(written, channels) : written?.[1] !== channels)
        return undefined;
      if (operator === 'Expand' && current !== value) return undefined;
      if (operator === 'Transpose' && intsOf(draft.origins[0]!, 'perm')?.[0] !== 0) return undefined;
      this.#drafts.add(draft);
      for (const shape of draft.inputs.slice(1)) this.#shape(shape);
      current = draft.inputs[0]!;
    }
  }

  /** Takes what a shape is computed by as part of the attention. */
  #shape(value: string): void {
    const draft = this.graph.producer(value);
    const operator = operatorOf(draft);
    if (!draft || operator === undefined || !shaping.has(operator) || this.#drafts.has(draft)) return;
    this.#drafts.add(draft);
    if (operator !== 'Shape') for (const input of draft.inputs) this.#shape(input);
  }
}

/** One image's vector of that many channels, along any axis but the first. */
function isVector(dims: readonly number[], channels: number): boolean {
  return (
    dims[0] === 1 &&
    dims.slice(1).every((extent) => extent === 1 || extent === channels) &&
    product(dims) === channels
  );
}

const product = (dims: readonly number[]) => dims.reduce((all, extent) => all * extent, 1);

/** What a draft activates by, where it does nothing else. */
function activationOf(draft: Draft): Activation | undefined {
  if (draft.kind === 'activation') return draft.activation === 'prelu' ? undefined : draft.activation;
  return operatorOf(draft) === 'Sigmoid' ? 'sigmoid' : undefined;
}

/** Axes of a reduction, from the front. */
function axesOf(node: GraphNode, facts: FileFacts): number[] | undefined {
  const tensor = node.inputs[1] ? facts.constant(node.inputs[1]) : undefined;
  const listed = intsOf(node, 'axes') ?? (tensor && numberValues(tensor));
  return listed?.map((axis) => (axis < 0 ? axis + 4 : axis)).sort((a, b) => a - b);
}

function sameLayer(a: Convolution, b: Convolution): boolean {
  const same = (x: Float32Array, y: Float32Array) =>
    x.length === y.length && x.every((value, i) => value === y[i]);
  return a.activation === b.activation && same(a.weight, b.weight) && same(a.bias, b.bias);
}

/** A convolution of two channels that reads them the other way round. */
function withChannelsSwapped(convolution: PlainConvolution): PlainConvolution {
  const taps = convolution.weight.length / 2;
  const weight = Float32Array.from(
    convolution.weight,
    (_, i) => convolution.weight[(i + taps) % (2 * taps)]!,
  );
  return { ...convolution, weight };
}
