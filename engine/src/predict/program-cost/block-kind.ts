import { LRUCache } from 'lru-cache';
import { attentionLayers } from '../../network/attention.js';
import type { Block, Convolution } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import type { BlockPlan } from '../../plan/plan.js';

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
    attention
      ? `${attention.after},${attention.pools},${attentionLayers(attention).map(({ role }) => role)}`
      : '',
    ...convolutions.map(convolutionText),
  ].join(';');
}

/** All of a convolution that its cost depends on, as text. */
export function convolutionText(convolution: Convolution): string {
  const { inChannels, outChannels, kernel, stride, padding, samePadding, dilation, groups } = convolution;
  const { activation, normalisation, maximum } = convolution;
  const sizes = `${inChannels},${outChannels},${kernel},${stride},${samePadding ?? padding},${dilation},${groups}`;
  return `${sizes},${activation}${normalisation ? ',normalised' : ''}${maximum ? ',maximum' : ''}`;
}

/** What the program of a block follows from, beside its shape. */
export type Schedule = Pick<BlockPlan, 'mode' | 'groups' | 'granularity' | 'excitation' | 'rewrite'>;

/** All that a program follows from of a block's schedule, as text; what a rewrite answers is not in it. */
export function scheduleText({ mode, groups, granularity, excitation }: Schedule): string {
  let text = `${mode} ${granularity} ${excitation} `;
  for (const group of groups) text += `${Object.values(group).join(':')}/`;
  return text;
}
