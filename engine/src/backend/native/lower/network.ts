import { FoveaError } from '../../../errors.js';
import type { Masker } from '../../../mask/mask.js';
import type { BlockNode, ForeignNode, Network, NetworkNode } from '../../../network/network.js';
import { type BlockShape, convolutionOutput } from '../../../network/shapes.js';
import { pooledExtent } from '../../../network/walk.js';
import type { Plan } from '../../../plan/plan.js';
import type { Owner, Program, ProgramMap } from '../../../program/program.js';
import type { Shape } from '../../../tensor.js';
import { lowerBlock } from './block.js';
import { type AdaptiveBlock, type Decision, expectChannels, Lowering } from './lowering.js';

/** A lowered network: its program, and what is needed to describe a run of it. */
export interface LoweredNetwork {
  readonly program: Program;
  /** By block index; blocks that run densely are absent. */
  readonly adaptive: ReadonlyMap<number, AdaptiveBlock>;
  readonly shapes: ReadonlyMap<number, BlockShape>;
  /** Shape of the first value that each node reads. */
  readonly inputShapes: readonly Shape[];
  readonly outputShapes: readonly Shape[];
  readonly notes: readonly string[];
  /** By `node.group`: notes of one pass. */
  readonly passNotes: ReadonlyMap<string, string>;
}

/**
 * Lowers a network and its plan to a program for one input shape.
 * @param foreignShapes output shapes of foreign nodes, as far as they have been seen
 * @throws FoveaError `bad-shape` when the layers do not fit the input or each other
 */
export function lowerNetwork(
  network: Network,
  plan: Plan,
  input: Shape,
  maskers: readonly Masker[],
  decisions: readonly Decision[],
  foreignShapes: ReadonlyMap<string, Shape>,
): LoweredNetwork {
  const lowering = new Lowering(network, plan, maskers, decisions, input[0]);
  const { builder } = lowering;
  const inputMap = builder.map(input);
  lowering.define(network.input, { map: inputMap, activation: 'none' });
  const inputShapes: Shape[] = [];
  const outputShapes: Shape[] = [];
  let complete = true;
  for (const [position, node] of network.nodes.entries()) {
    const first = lowering.value(node.inputs[0]!, node);
    inputShapes.push(first.map.shape);
    if (node.kind === 'foreign') {
      complete = lowerForeign(lowering, node, position, foreignShapes);
      if (!complete) break;
    } else if (node.kind === 'block') {
      lowerBlock(lowering, node, position, network.nodes[position + 1]);
    } else {
      lowerNode(lowering, node, position);
    }
    outputShapes.push(lowering.value(node.output, node).map.shape);
    lowering.finishReads(node);
  }
  const output = complete ? lowering.value(network.output, network.nodes.at(-1)!).map : undefined;
  return {
    program: builder.finish(inputMap, output),
    adaptive: lowering.adaptive,
    shapes: lowering.shapes,
    inputShapes,
    outputShapes,
    notes: [...lowering.notes],
    passNotes: lowering.passNotes,
  };
}

function lowerForeign(
  lowering: Lowering,
  node: ForeignNode,
  position: number,
  shapes: ReadonlyMap<string, Shape>,
): boolean {
  const inputs = node.inputs.map((name) => lowering.value(name, node).map);
  const shape = shapes.get(node.name);
  const output = shape ? lowering.builder.map(shape) : undefined;
  lowering.builder.emit(
    { node: position, group: -1 },
    { kind: 'foreign', node, inputs, ...(output ? { output } : {}) },
  );
  if (output) lowering.define(node.output, { map: output, activation: 'none' });
  return output !== undefined;
}

function lowerNode(
  lowering: Lowering,
  node: Exclude<NetworkNode, ForeignNode | BlockNode>,
  position: number,
): void {
  const { builder } = lowering;
  const owner: Owner = { node: position, group: -1 };
  const [name, secondName] = node.inputs as readonly [string, string?];
  const { map, activation: before } = lowering.value(name, node);
  const [N, H, W, C] = map.shape;
  const make = (height: number, width: number, channels = C) => {
    if (!(height >= 1 && width >= 1)) {
      throw new FoveaError(
        'bad-shape',
        `input too small for ${lowering.network.name}: "${node.name}" would make a map of ${height} x ${width}`,
      );
    }
    return builder.map([N, height, width, channels]);
  };
  switch (node.kind) {
    case 'convolution': {
      const { convolution } = node;
      expectChannels(node.name, convolution.inChannels, C);
      const { height, width } = convolutionOutput(convolution, H, W);
      const output = make(height, width, convolution.outChannels);
      lowering.convolve(owner, convolution, map, output);
      lowering.define(node.output, { map: output, activation: convolution.activation });
      return;
    }
    case 'max-pool':
    case 'average-pool': {
      const [top, left, bottom, right] = node.padding;
      const destination = make(
        pooledExtent(H, top, bottom, node.kernel[0], node.stride[0], node.ceilMode),
        pooledExtent(W, left, right, node.kernel[1], node.stride[1], node.ceilMode),
      );
      builder.emit(owner, {
        kind: node.kind,
        source: map,
        destination,
        kernel: node.kernel,
        stride: node.stride,
        padding: node.padding,
        countPadding: node.kind === 'average-pool' && node.countIncludePad,
      });
      lowering.define(node.output, { map: destination, activation: before });
      return;
    }
    case 'global-pool': {
      const destination = make(1, 1);
      builder.emit(owner, { kind: 'global-pool', source: map, destination });
      lowering.define(node.output, { map: destination, activation: before });
      return;
    }
    case 'activation':
    case 'add': {
      let second: ProgramMap | undefined;
      if (node.kind === 'add') {
        second = lowering.value(secondName ?? '', node).map;
        if (second.shape.some((extent, axis) => extent !== map.shape[axis])) {
          throw new FoveaError('bad-shape', `"${node.name}" adds maps of different sizes`);
        }
      }
      const output = lowering.lastReader(name) ? map : make(H, W);
      lowering.add(owner, map, second, output, node.activation);
      lowering.define(node.output, { map: output, activation: node.activation });
      return;
    }
  }
}
