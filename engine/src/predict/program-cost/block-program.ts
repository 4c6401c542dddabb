import { LRUCache } from 'lru-cache';
import { attentionLayers } from '../../network/attention.js';
import type { Block, Network } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import { networkShapes } from '../../network/walk.js';
import type { BlockPlan, Plan } from '../../plan/plan.js';
import { type CostedProgram, programOfPlan } from './costed-program.js';

const kinds = new WeakMap<BlockShape, string>();
/** Kinds that are known again when another network has blocks like them. */
const KEPT_KINDS = 4096;
const kindNumbers = new LRUCache<string, number>({ max: KEPT_KINDS });
let kindsSeen = 0;

/** Says all that a block's cost depends on of its geometry: blocks of one kind are alike. */
export function blockKind(block: Block, shape: BlockShape): string {
  let kind = kinds.get(shape);
  if (kind === undefined) {
    const described = describe(block, shape);
    // A short name in the place of the long one: it is part of a key that is made for every candidate.
    const number = kindNumbers.get(described) ?? kindsSeen++;
    kindNumbers.set(described, number);
    kind = `#${number}`;
    kinds.set(shape, kind);
  }
  return kind;
}

function describe(block: Block, shape: BlockShape): string {
  const { attention } = block;
  const convolutions = [
    ...block.branch,
    ...(block.projection ? [block.projection] : []),
    ...attentionLayers(attention).map(({ convolution }) => convolution),
  ];
  return [
    shape.inHeight,
    shape.inWidth,
    block.activation,
    block.adaptive ? 'adaptive' : '',
    block.projection
      ? `projection ${block.projectionPool?.size ?? ''} ${block.projectionPool?.ceilMode ?? ''}`
      : '',
    attention ? `${attention.after},${attention.pools}` : '',
    ...convolutions.map(
      ({ inChannels, outChannels, kernel, stride, padding, samePadding, dilation, groups, activation }) =>
        `${inChannels},${outChannels},${kernel},${stride},${samePadding ?? padding},${dilation},${groups},${activation}`,
    ),
  ].join(';');
}

/** The node of a block that is costed alone: its input has been activated. */
export const BLOCK_NODE = 1;

function alone(block: Block, { inHeight, inWidth }: BlockShape): Network {
  const channels = block.branch[0]!.inChannels;
  return {
    name: block.name,
    format: 'built',
    inputShape: { channels, height: inHeight, width: inWidth },
    nodes: [
      { kind: 'activation', name: 'input', inputs: ['x'], output: 'a', activation: block.activation },
      {
        kind: 'block',
        name: block.name,
        inputs: ['a'],
        output: 'y',
        block: { ...block, index: 0, stage: 0 },
      },
    ],
    input: 'x',
    output: 'y',
    notes: [],
  };
}

/** A search over a large network needs some hundreds. */
const KEPT_PROGRAMS = 2000;
const programs = new LRUCache<string, CostedProgram>({ max: KEPT_PROGRAMS });

/** What the program of a block follows from, beside its shape. */
export type Schedule = Pick<BlockPlan, 'mode' | 'groups' | 'granularity' | 'excitation' | 'rewrite'>;

/** The program of a single block: it includes its own pool, and pools for no other block. */
export function programOfBlock(
  block: Block,
  shape: BlockShape,
  plan: Schedule,
  batch: number,
): CostedProgram {
  const { mode, groups, granularity, excitation, rewrite } = plan;
  const make = () => {
    const network = alone(block, shape);
    const { height, width } = network.inputShape;
    const whole: Plan = { network: network.name, strategy: 'alone', blocks: [{ ...plan, block: 0 }] };
    const shapes = networkShapes(network, { batch, height, width });
    return programOfPlan(network, Object.freeze(whole), shapes, undefined);
  };
  let key = `${blockKind(block, shape)} ${batch} ${mode} ${granularity} ${excitation} ${groups.map((group) => Object.values(group).join(':')).join('/')}`;
  // What a rewrite answers is known only once it is asked.
  const rewritten = rewrite && make();
  if (rewritten) key += ` ${rewritten.lowered.rewritten}`;
  let program = programs.get(key);
  if (!program) {
    program = rewritten ?? make();
    programs.set(key, program);
  }
  return program;
}
