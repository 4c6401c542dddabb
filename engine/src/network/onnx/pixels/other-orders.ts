import { floatOf, type GraphNode, intOf, intsOf, stringOf } from '../graph.js';
import { isFloatType } from '../tensor.js';
import type { PixelGraph } from './pixel-graph.js';
import { chosen, countsOf, isPlain, type PixelView, reshaped, rolled, sliced } from './pixel-view.js';

/** Operators that put a view's numbers into another order, or take some of its channels. */
export class OtherOrders {
  constructor(private readonly graph: PixelGraph) {}

  /** The same value under another name. */
  pass(node: GraphNode): boolean {
    const [input, output] = [node.inputs[0]!, node.outputs[0]!];
    if (node.op === 'Cast' && !isFloatType(intOf(node, 'to', 0))) return false;
    if (node.op === 'Dropout' && (node.inputs[2] ?? '') !== '') return false;
    const { views, products, weighed, contexts, sums } = this.graph;
    const tables: Map<string, unknown>[] = [views, products, weighed, contexts, sums];
    const table = tables.find((known) => known.has(input));
    table?.set(output, table.get(input));
    return table !== undefined;
  }

  /** The same numbers in the same order under other extents. */
  renamed(node: GraphNode, view: PixelView): PixelView | undefined {
    const dims = this.graph.dims(node.outputs[0]!);
    return dims && reshaped(view, dims);
  }

  /** Two parts of a value that have changed places: rows or columns, as Swin's shifted windows have them. */
  rolled(node: GraphNode): PixelView | undefined {
    const parts = node.inputs.map((name) => this.graph.writer(name));
    const [ahead, behind] = parts;
    if (parts.length !== 2 || ahead?.op !== 'Slice' || behind?.op !== 'Slice') return undefined;
    const source = ahead.inputs[0]!;
    const view = this.graph.view(source);
    if (behind.inputs[0] !== source || !view) return undefined;
    const rank = view.dimensions.length;
    const positive = (axis: number) => (axis < 0 ? axis + rank : axis);
    const axis = axisOf(node, view, 0);
    const extent = countsOf(view)[axis];
    const [last, first] = [ahead, behind].map((part) => {
      const cut = this.graph.sliceOf(part);
      if (!cut || extent === undefined || positive(cut.axis) !== axis) return undefined;
      const within = (place: number) => Math.min(Math.max(place < 0 ? place + extent : place, 0), extent);
      return { start: within(cut.start), end: within(cut.end) };
    });
    if (!last || !first || first.start !== 0 || last.end !== extent || first.end !== last.start)
      return undefined;
    return rolled(view, axis, last.start);
  }

  /** All parts of a value's channels. */
  split(node: GraphNode): boolean {
    const view = this.graph.view(node.inputs[0]!);
    if (!view) return false;
    const axis = axisOf(node, view, 0);
    const parts: PixelView[] = [];
    let first = 0;
    for (const output of node.outputs) {
      const extent = this.graph.dims(output)?.[axis];
      const part = extent === undefined ? undefined : sliced(view, axis, first, first + extent);
      if (extent === undefined || !part) return false;
      parts.push(part);
      first += extent;
    }
    node.outputs.forEach((output, i) => {
      this.graph.views.set(output, parts[i]!);
    });
    return true;
  }

  slice(node: GraphNode, view: PixelView): boolean {
    const cut = this.graph.sliceOf(node);
    if (!cut) return false;
    const axis = cut.axis < 0 ? cut.axis + view.dimensions.length : cut.axis;
    const extent = countsOf(view)[axis];
    if (extent === undefined) return false;
    const within = (place: number) => Math.min(Math.max(place < 0 ? place + extent : place, 0), extent);
    return this.graph.define(node, sliced(view, axis, within(cut.start), within(cut.end)));
  }

  /** Channels at some places. */
  gathered(node: GraphNode, view: PixelView): PixelView | undefined {
    const places = this.graph.integers(node, 1);
    const axis = axisOf(node, view, 0);
    const dims = this.graph.dims(node.outputs[0]!);
    if (!places || !dims) return undefined;
    if (dims.length === view.dimensions.length) return chosen(view, axis, places);
    const [place] = places;
    if (places.length !== 1 || dims.length !== view.dimensions.length - 1) return undefined;
    const at = place! < 0 ? place! + countsOf(view)[axis]! : place!;
    const part = sliced(view, axis, at, at + 1);
    return part && reshaped(part, dims);
  }

  /** Padding by nothing, as sizes that are computed have it, and by a column of ones behind the others. */
  padded(node: GraphNode, view: PixelView): PixelView | undefined {
    const pads = intsOf(node, 'pads') ?? this.graph.integers(node, 1);
    const value = node.inputs[2] ? this.graph.scalar(node.inputs[2]) : floatOf(node, 'value', 0);
    if (pads?.every((pad) => pad === 0)) return view;
    const ones =
      pads?.length === 2 * view.dimensions.length &&
      pads.every((pad, i) => pad === (i === pads.length - 1 ? 1 : 0));
    const constant = ['', 'constant'].includes(stringOf(node, 'mode', 'constant'));
    return ones && constant && value === 1 && !node.inputs[3] && isPlain(view)
      ? { ...view, one: true }
      : undefined;
  }
}

function axisOf(node: GraphNode, { dimensions }: PixelView, otherwise: number): number {
  const axis = intOf(node, 'axis', otherwise);
  return axis < 0 ? axis + dimensions.length : axis;
}
