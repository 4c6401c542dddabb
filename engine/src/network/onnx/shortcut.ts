import { everyNth } from '../every-nth.js';
import type { Convolution, ProjectionPool } from '../network.js';
import { isPointwise } from '../shapes.js';
import type { AddDraft, Draft, DraftGraph } from './draft.js';
import type { FileFacts } from './file-facts.js';
import { paddedShortcut } from './padded-shortcut.js';

/** The convolution of a shortcut, with what belongs to it. */
export interface Projection {
  readonly input: string;
  readonly convolution: Convolution;
  readonly pool?: ProjectionPool;
  readonly drafts: readonly Draft[];
}

/**
 * A convolution that only the addition reads; a pointwise one may stand behind an average pool (ResNet-D). A
 * pool of single pixels alone, as Keras' ResNetV2 has it, is a convolution too, and so is a padding of channels.
 */
export function projectionOf(
  graph: DraftGraph,
  shortcut: string,
  add: AddDraft,
  facts: FileFacts,
): Projection | undefined {
  const draft = graph.producer(shortcut);
  if (draft?.kind === 'unknown' && graph.onlyReadBy(shortcut, add))
    return paddedShortcut(graph, shortcut, facts);
  if (draft?.kind === 'max-pool' && graph.onlyReadBy(shortcut, add)) {
    const channels = facts.dims(draft.inputs[0]!)?.[1];
    const single = [...draft.kernel, ...draft.padding].join() === '1,1,0,0,0,0';
    if (!single || channels === undefined || draft.ceilMode) return undefined;
    return {
      input: draft.inputs[0]!,
      convolution: everyNth(draft.label, channels, draft.stride),
      drafts: [draft],
    };
  }
  if (draft?.kind !== 'convolution' || !graph.onlyReadBy(shortcut, add)) return undefined;
  const input = draft.inputs[0]!;
  const plain = { input, convolution: draft.convolution, drafts: [draft] };
  const pool = graph.producer(input);
  if (pool?.kind !== 'average-pool' || !isPointwise(draft.convolution) || !graph.onlyReadBy(input, draft)) {
    return plain;
  }
  const { kernel, stride, padding, ceilMode } = pool;
  const tiles = kernel[0] === stride[0] && kernel[1] === stride[1] && padding.every((pad) => pad === 0);
  if (!tiles || pool.samePadding) return plain;
  return {
    input: pool.inputs[0]!,
    convolution: draft.convolution,
    pool: { size: stride, ceilMode },
    drafts: [draft, pool],
  };
}

/** A matrix product for each pixel. */
export const isMatrixProduct = (convolution: Convolution) =>
  convolution.groups === 1 && isPointwise(convolution);
