import type { BlockNode, ForeignNode, Network, NetworkNode } from '../../network/network.js';
import { GraphBuilder } from '../../network/onnx/builder.js';
import { NetworkWriter } from '../../network/onnx/network-writer.js';

interface SegmentBase {
  readonly name: string;
  /** Values that nobody reads any more once the segment has run. */
  readonly finished: readonly string[];
}

/** One step of a run: a stretch of dense nodes, an adaptive block, or a foreign node. */
export type Segment =
  | (SegmentBase & {
      readonly kind: 'dense';
      readonly nodes: readonly NetworkNode[];
      /** Values read from before, and values read afterwards. */
      readonly inputs: readonly string[];
      readonly outputs: readonly string[];
    })
  | (SegmentBase & { readonly kind: 'adaptive'; readonly node: BlockNode })
  | (SegmentBase & { readonly kind: 'foreign'; readonly node: ForeignNode });

/**
 * What a stretch of dense nodes may cost: some tens of milliseconds on one core, so that a run can be stopped
 * soon, and many times what the changes of layout at its ends cost.
 */
const mostFlops = 1.5e9;

/**
 * Cuts a network into steps. Dense nodes that follow each other make one step, and so one change of layout, as
 * long as they do not cost too much together.
 * @param flopsOf multiply-adds times two of a dense node
 */
export function denseSegments(
  network: Network,
  isAdaptive: (block: number) => boolean,
  flopsOf: (node: NetworkNode) => number,
): Segment[] {
  let flops = 0;
  const steps: (NetworkNode[] | BlockNode | ForeignNode)[] = [];
  for (const node of network.nodes) {
    const last = steps[steps.length - 1];
    if (node.kind === 'foreign' || (node.kind === 'block' && isAdaptive(node.block.index))) steps.push(node);
    else if (Array.isArray(last) && flops + flopsOf(node) <= mostFlops) last.push(node);
    else {
      steps.push([node]);
      flops = 0;
    }
    flops += flopsOf(node);
  }
  const readLast = new Map<string, number>([[network.output, steps.length]]);
  steps.forEach((step, i) => {
    for (const node of Array.isArray(step) ? step : [step]) {
      for (const value of node.inputs) readLast.set(value, Math.max(i, readLast.get(value) ?? 0));
    }
  });
  return steps.map((step, i): Segment => {
    const finished = [...readLast].flatMap(([value, last]) => (last === i ? [value] : []));
    if (!Array.isArray(step)) {
      const base = { name: step.name, finished };
      return step.kind === 'block'
        ? { ...base, kind: 'adaptive', node: step }
        : { ...base, kind: 'foreign', node: step };
    }
    const written = new Set(step.map(({ output }) => output));
    const read = step.flatMap(({ inputs }) => inputs);
    return {
      kind: 'dense',
      name: step[step.length - 1]!.name,
      finished,
      nodes: step,
      inputs: [...new Set(read)].filter((value) => !written.has(value)),
      outputs: [...written].filter((value) => (readLast.get(value) ?? -1) > i),
    };
  });
}

/** A stretch of dense nodes as an ONNX model from NHWC to NHWC. */
export function segmentModel(
  { name, nodes, inputs, outputs }: Segment & { kind: 'dense' },
  shapeOf: (value: string) => readonly number[],
): Uint8Array {
  const graph = new GraphBuilder();
  const writer = new NetworkWriter(graph);
  for (const value of inputs) {
    graph.input(`in ${value}`, shapeOf(value));
    writer.define(value, graph.node('Transpose', [`in ${value}`], { perm: [0, 3, 1, 2] }), 4);
  }
  for (const node of nodes) writer.node(node);
  const named = outputs.map((value) => ({
    name: graph.node('Transpose', [writer.map(value)], { perm: [0, 2, 3, 1] }, { output: `out ${value}` }),
  }));
  return graph.finish(name, named).model;
}
