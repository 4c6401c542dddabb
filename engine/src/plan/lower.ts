import { FoveaError } from '../errors.js';
import type { BlockNode, ForeignNode, Network, NetworkNode } from '../network/network.js';
import { mapNormalisationProblem } from '../network/normalisation.js';
import { paddedFor } from '../network/padded.js';
import { type BlockShape, convolutionOutput, paddingOn } from '../network/shapes.js';
import { expectSliced, joined, pooledExtent, scaled } from '../network/walk.js';
import { BlockLowering } from '../primitives/block-lowering.js';
import type { Decision } from '../primitives/decision.js';
import {
  type AdaptiveBlock,
  expectChannels,
  expectPixels,
  NetworkLowering,
} from '../primitives/network-lowering.js';
import { primitives } from '../primitives/registry.js';
import type { Owner, Program, ProgramMap } from '../program/program.js';
import { Verifier } from '../program/verify.js';
import type { Shape } from '../tensor.js';
import { applyRewrite, startOf } from './apply-rewrite.js';
import type { Plan } from './plan.js';

/** A lowered network: its program, and what is needed to describe a run of it. */
export interface LoweredNetwork {
  readonly program: Program;
  /** By block index; blocks that run densely are absent. */
  readonly adaptive: ReadonlyMap<number, AdaptiveBlock>;
  readonly shapes: ReadonlyMap<number, BlockShape>;
  /** By `node.group`: notes of one pass. */
  readonly passNotes: ReadonlyMap<string, string>;
  /** What the plan's rewrites answered, as text: beside plan, decisions and shapes, all that the program follows from. */
  readonly rewritten: string;
}

/**
 * Lowers a network and its plan to a program for one input shape.
 * @param decisions how each block's mask comes about, by block index
 * @param foreignShapes output shapes of foreign nodes, as far as they have been seen
 * @throws FoveaError `bad-shape` when the layers do not fit the input or each other, `bad-argument` for a rewrite that
 *   cannot be
 */
export function lowerNetwork(
  unpadded: Network,
  plan: Plan,
  input: Shape,
  decisions: readonly Decision[],
  foreignShapes: ReadonlyMap<string, Shape>,
): LoweredNetwork {
  const network = paddedFor(unpadded, { height: input[1], width: input[2] });
  const lowering = new NetworkLowering(network, plan.blocks, decisions, input[0]);
  const { builder } = lowering;
  const inputMap = builder.map(input);
  lowering.define(network.input, { map: inputMap, activation: 'none' });
  const verifier = new Verifier({ ...builder.made, given: lowering.given }, inputMap);
  let rewritten = '';
  let complete = true;
  for (const [position, node] of network.nodes.entries()) {
    const answered = lowerOne(lowering, verifier, plan, position, foreignShapes);
    if (answered !== undefined) rewritten += `${position}: ${answered}\n`;
    verifier.upTo(builder.made.steps);
    complete = lowering.has(node.output);
    if (!complete) break;
    lowering.finishReads(node);
  }
  const output = complete ? lowering.value(network.output, network.nodes.at(-1)!).map : undefined;
  if (output) verifier.finish(output);
  return {
    program: builder.finish(inputMap, output, lowering.given),
    adaptive: lowering.adaptive,
    shapes: lowering.shapes,
    passNotes: lowering.passNotes,
    rewritten,
  };
}

/**
 * Lowers the node at a position of the network; its steps are still to be verified. The value of a foreign node whose
 * shape is not known stays undefined.
 * @returns what a block's rewrite answered, as text; undefined without one
 */
export function lowerOne(
  lowering: NetworkLowering,
  verifier: Verifier,
  plan: Plan,
  position: number,
  foreignShapes: ReadonlyMap<string, Shape>,
): string | undefined {
  const node = lowering.network.nodes[position]!;
  if (node.kind === 'foreign') {
    lowerForeign(lowering, node, position, foreignShapes.get(node.name));
    return undefined;
  }
  if (node.kind !== 'block') {
    lowerNode(lowering, node, position);
    return undefined;
  }
  const { rewrite } = plan.blocks[node.block.index]!;
  const block = new BlockLowering(lowering, node, position, lowering.network.nodes[position + 1]);
  const start = startOf(block);
  for (const primitive of block.sequence) primitives[primitive].lower(block);
  const answered = rewrite && applyRewrite(rewrite, block, start, verifier);
  block.noteUnusedBands(lowering.builder.made.steps.slice(start.steps));
  lowering.define(node.output, { map: block.output!, activation: block.block.activation });
  return answered;
}

function lowerForeign(
  lowering: NetworkLowering,
  node: ForeignNode,
  position: number,
  shape: Shape | undefined,
): void {
  const inputs = node.inputs.map((name) => lowering.value(name, node).map);
  const output = shape ? lowering.builder.map(shape) : undefined;
  lowering.builder.emit(
    { node: position, group: -1 },
    { kind: 'foreign', node, inputs, ...(output ? { output } : {}) },
  );
  if (output) lowering.define(node.output, { map: output, activation: 'none' });
}

function lowerNode(
  lowering: NetworkLowering,
  node: Exclude<NetworkNode, ForeignNode | BlockNode>,
  position: number,
): void {
  const { builder } = lowering;
  const owner: Owner = { node: position, group: -1 };
  const [name, secondName] = node.inputs as readonly [string, string?];
  const { map, activation: before } = lowering.value(name, node);
  const [N, H, W, C] = map.shape;
  const make = (height: number, width: number, channels = C) => {
    expectPixels(lowering.network, `"${node.name}"`, height, width);
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
      const padding = paddingOn(node, H, W);
      const [top, left, bottom, right] = padding;
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
        padding,
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
    case 'multiply': {
      const other = lowering.value(secondName ?? '', node);
      const { swapped } = scaled(node, map.shape, other.map.shape);
      const [a, b] = swapped ? [other.map, map] : [map, other.map];
      const last = lowering.lastReader(swapped ? secondName! : name);
      const destination = last ? a : builder.map(a.shape);
      builder.emit(owner, { kind: 'multiply', a, b, destination });
      lowering.define(node.output, { map: destination, activation: 'none' });
      return;
    }
    case 'concat': {
      const values = node.inputs.map((input) => lowering.value(input, node));
      const [, , , channels] = joined(
        node,
        values.map((value) => value.map.shape),
      );
      const destination = make(H, W, channels);
      let to = 0;
      for (const { map: source } of values) {
        const count = source.shape[3];
        builder.emit(owner, { kind: 'copy-channels', source, destination, from: 0, count, to });
        to += count;
      }
      const alike = values.every(({ activation }) => activation === before);
      lowering.define(node.output, { map: destination, activation: alike ? before : 'none' });
      return;
    }
    case 'slice': {
      const { first: from, channels: count } = node;
      expectSliced(node, C);
      const destination = make(H, W, count);
      builder.emit(owner, { kind: 'copy-channels', source: map, destination, from, count, to: 0 });
      lowering.define(node.output, { map: destination, activation: before });
      return;
    }
    case 'resize': {
      const { factor, interpolation } = node;
      const destination = make(H * factor[0], W * factor[1]);
      builder.emit(owner, { kind: 'resize', source: map, destination, interpolation });
      lowering.define(node.output, { map: destination, activation: before });
      return;
    }
    case 'normalise-map': {
      const { by, groups, epsilon } = node;
      const problem = mapNormalisationProblem(node, C);
      if (problem) throw new FoveaError('bad-shape', `"${node.name}": ${problem}`);
      const destination = lowering.lastReader(name) ? map : make(H, W);
      builder.emit(owner, { kind: 'normalise-map', source: map, destination, by, groups, epsilon });
      lowering.define(node.output, { map: destination, activation: 'none' });
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
    default:
      node satisfies never;
  }
}
