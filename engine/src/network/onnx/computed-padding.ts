import { FoveaError } from '../../errors.js';
import { loadRuntime, openModel, runModel } from '../../onnxruntime.js';
import { paddingOn } from '../shapes.js';
import { attributeOf } from './attribute.js';
import type { Budget } from './budget.js';
import { changed } from './changed.js';
import { cutPiece, openExtents, type Producers, producersOf } from './foreign-model.js';
import { type Graph, type GraphNode, graphNode, intOf, intsOf, stringOf } from './graph.js';
import { dimsOf, float32Values } from './tensor.js';

/** A Pad whose amounts the graph computes from the extents of what it pads, and the window that it is for. */
interface ComputedPad {
  readonly pad: GraphNode;
  readonly window: GraphNode;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
}

/**
 * Sizes that are tried: every extent up to a few strides of a large kernel, and some that maps have. Rules of padding
 * are periodic in the extent, by the stride, once the kernel fits.
 */
const triedExtents = [...Array.from({ length: 40 }, (_, i) => i + 1), 55, 56, 111, 112, 149, 150, 224, 225];

/**
 * Finds padding that a graph computes from the size of a map, which exporters write for TensorFlow's SAME where sizes are
 * open, and gives the window that reads it that rule. What is computed is run on many sizes and compared with the
 * rule, whatever operators it is written in. Padding by any other rule stays as it is.
 */
export async function withPaddingRules(graph: Graph, budget: Budget): Promise<Graph> {
  const producers = producersOf(graph);
  const replaced = new Map<GraphNode, GraphNode | undefined>();
  for (const found of computedPads(graph, producers)) {
    const rule = await ruleOf(found, graph, producers, budget);
    if (!rule) continue;
    const { pad, window } = found;
    const { proto } = window;
    replaced.set(pad, undefined);
    replaced.set(
      window,
      graphNode(
        changed(proto, {
          input: [pad.inputs[0]!, ...proto.input.slice(1)],
          attribute: [
            ...proto.attribute.filter(({ name }) => name !== 'pads' && name !== 'auto_pad'),
            attributeOf('auto_pad', rule),
          ],
        }),
      ),
    );
  }
  if (replaced.size === 0) return graph;
  const nodes = graph.nodes.flatMap((node) => {
    if (!replaced.has(node)) return [node];
    const other = replaced.get(node);
    return other ? [{ ...other, position: node.position }] : [];
  });
  return { ...graph, nodes };
}

function computedPads(graph: Graph, producers: Producers): ComputedPad[] {
  const reads = new Map<string, number>();
  for (const name of graph.nodes.flatMap((node) => [...node.inputs, ...node.captured])) {
    reads.set(name, (reads.get(name) ?? 0) + 1);
  }
  return graph.nodes.flatMap((window) => {
    const pad = window.domain === '' ? producers.get(window.inputs[0] ?? '') : undefined;
    if (pad?.op !== 'Pad' || pad.domain !== '') return [];
    const amounts = pad.inputs[1] ?? '';
    const { outputs, constants } = graph;
    const [padded] = pad.outputs;
    if (amounts === '' || constants.has(amounts) || reads.get(padded!) !== 1 || outputs.includes(padded!))
      return [];
    const weight = constants.get(window.inputs[1] ?? '');
    const kernel = window.op === 'Conv' ? weight && dimsOf(weight).slice(2) : intsOf(window, 'kernel_shape');
    const filling = fillingOf(pad, graph);
    const same =
      window.op === 'MaxPool'
        ? filling === Number.NEGATIVE_INFINITY
        : filling === 0 && (window.op === 'Conv' || countsPadding(window));
    const unpadded = (intsOf(window, 'pads') ?? []).every((amount) => amount === 0);
    const auto = stringOf(window, 'auto_pad', 'NOTSET');
    if (!same || !unpadded || auto.startsWith('SAME') || intOf(window, 'ceil_mode', 0) !== 0) return [];
    const stride = intsOf(window, 'strides') ?? [1, 1];
    const dilation = intsOf(window, 'dilations') ?? [1, 1];
    if (kernel?.length !== 2 || stride.length !== 2 || dilation.length !== 2) return [];
    const pair = (values: readonly number[]) => [values[0]!, values[1]!] as const;
    return [{ pad, window, kernel: pair(kernel), stride: pair(stride), dilation: pair(dilation) }];
  });
}

const countsPadding = (window: GraphNode) =>
  window.op === 'AveragePool' && intOf(window, 'count_include_pad', 0) !== 0;

/** What the map is surrounded with; NaN where it is no single number, or no number at all. */
function fillingOf(pad: GraphNode, { constants }: Graph): number {
  const [, , value = '', axes = ''] = pad.inputs;
  if (stringOf(pad, 'mode', 'constant') !== 'constant' || axes !== '') return Number.NaN;
  if (value === '') return 0;
  const tensor = constants.get(value);
  return tensor ? (float32Values(tensor)[0] ?? Number.NaN) : Number.NaN;
}

/** The rule that the amounts follow at all sizes that are tried; undefined where they follow none. */
async function ruleOf(
  { pad, kernel, stride, dilation }: ComputedPad,
  graph: Graph,
  producers: Producers,
  budget: Budget,
): Promise<'SAME_UPPER' | 'SAME_LOWER' | undefined> {
  const [map, wanted] = [pad.inputs[0]!, pad.inputs[1]!];
  if (!followsFromExtents(wanted, map, graph, producers)) return undefined;
  const { model } = cutPiece(
    graph,
    producers,
    [wanted],
    (name) => (name === map ? openExtents(map, 4) : undefined),
    budget,
  );
  const candidates = new Map(
    (['upper', 'lower'] as const).map((samePadding) => [
      samePadding === 'upper' ? 'SAME_UPPER' : 'SAME_LOWER',
      { kernel, stride, dilation, padding: [0, 0, 0, 0], samePadding } as const,
    ]),
  );
  try {
    const { Tensor } = await loadRuntime();
    const session = await openModel(model, { threads: 1, optimize: false }, graph.source);
    try {
      for (const [i, height] of triedExtents.entries()) {
        const width = triedExtents[triedExtents.length - 1 - i]!;
        const feed = new Tensor('float32', new Float32Array(height * width), [1, 1, height, width]);
        const { data } = (await runModel(session, { [map]: feed }, graph.source))[wanted]!;
        const amounts = Array.from(data as ArrayLike<number | bigint>, Number);
        for (const [name, rule] of candidates) {
          const [top, left, bottom, right] = paddingOn(rule, height, width);
          if (amounts.join() !== [0, 0, top, left, 0, 0, bottom, right].join()) candidates.delete(name);
        }
        if (candidates.size === 0) return undefined;
      }
    } finally {
      await session.release();
    }
  } catch (error) {
    // Without onnxruntime, or where it refuses the computation, the graph stays as it is.
    if (error instanceof FoveaError) return undefined;
    throw error;
  }
  return [...candidates.keys()][0] as 'SAME_UPPER' | 'SAME_LOWER';
}

/** Operators that the computation of a padding may have: more are no padding's. */
const mostOperators = 256;

/** Whether a value is computed from constants and the extents of one map alone, in not too many steps. */
function followsFromExtents(
  wanted: string,
  map: string,
  { constants }: Graph,
  producers: Producers,
): boolean {
  const pending = [wanted];
  const seen = new Set<string>();
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '' || seen.has(name) || constants.has(name)) continue;
    seen.add(name);
    const producer = producers.get(name);
    if (!producer || name === map || producer.captured.length > 0 || seen.size > mostOperators) return false;
    if (producer.op !== 'Shape' || producer.inputs[0] !== map) pending.push(...producer.inputs);
  }
  return true;
}
