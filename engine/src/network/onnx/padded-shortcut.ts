import type { Convolution } from '../network.js';
import type { ConcatDraft, Draft, DraftGraph } from './draft.js';
import type { FileFacts } from './file-facts.js';
import { type GraphNode, intsOf, stringOf } from './graph.js';
import { numberValues } from './tensor.js';

/** A shortcut with fewer channels than the branch: the others have zeros added, so nothing. */
export interface PaddedShortcut {
  readonly input: string;
  /** Puts each channel in its place among the branch's. */
  readonly convolution: Convolution;
  readonly drafts: readonly Draft[];
}

/**
 * A padding of channels, which nothing but a sum reads, behind slices that take every n-th row and column: the shortcut
 * without weights of CIFAR's ResNets (He et al. 2016, option A).
 */
export function paddedShortcut(
  graph: DraftGraph,
  shortcut: string,
  facts: FileFacts,
): PaddedShortcut | undefined {
  const pad = graph.producer(shortcut);
  const node = operator(pad, 'Pad');
  const read = node && facts.dims(node.inputs[0]!);
  const channels = facts.dims(shortcut)?.[1];
  if (!pad || !node || read?.length !== 4 || channels === undefined) return undefined;
  const fill = node.inputs[2] ? numbersOf(node.inputs[2], facts) : [0];
  if (stringOf(node, 'mode', 'constant') !== 'constant' || fill?.[0] !== 0 || node.inputs[3])
    return undefined;
  const pads = intsOf(node, 'pads') ?? numbersOf(node.inputs[1] ?? '', facts);
  if (pads?.length !== 8 || pads.some((amount, at) => amount < 0 || (amount > 0 && at % 4 !== 1)))
    return undefined;
  const drafts: Draft[] = [pad];
  const stride: [number, number] = [1, 1];
  let input = pad.inputs[0]!;
  for (;;) {
    const draft = graph.producer(input);
    const step = draft && stepOf(draft, facts);
    if (!step || !graph.onlyReadBy(input, drafts.at(-1)!)) break;
    stride[step.axis] *= step.every;
    drafts.push(draft);
    input = draft.inputs[0]!;
  }
  return { input, convolution: placing(pad.label, read[1]!, channels, pads[1] ?? 0, stride), drafts };
}

/** A sum for some channels of a map, the others side by side with it (ReXNet, Han et al. 2021). */
export interface PartialSum extends PaddedShortcut {
  /** The whole map, and what reads it. */
  readonly branch: string;
  readonly readers: readonly Draft[];
}

/** The partial sum that a concatenation ends; undefined for another one. */
export function partialSumOf(
  graph: DraftGraph,
  concat: ConcatDraft,
  facts: FileFacts,
): PartialSum | undefined {
  const [sum, rest] = concat.inputs.map((value) =>
    graph.onlyReadBy(value, concat) ? graph.producer(value) : undefined,
  );
  if (concat.inputs.length !== 2 || sum?.kind !== 'add' || rest?.kind !== 'slice') return undefined;
  const [branch] = rest.inputs as [string];
  const channels = facts.dims(branch)?.[1];
  if (sum.activation !== 'none' || rest.first + rest.channels !== channels) return undefined;
  for (const [value, input] of [sum.inputs, [...sum.inputs].reverse()] as [string, string][]) {
    const head = graph.producer(value);
    if (head?.kind !== 'slice' || head.inputs[0] !== branch || !graph.onlyReadBy(value, sum)) continue;
    if (head.first !== 0 || head.channels !== rest.first) continue;
    const convolution = placing(sum.label, head.channels, channels, 0, [1, 1]);
    return { branch, readers: [head, rest], input, convolution, drafts: [head, rest, sum] };
  }
  return undefined;
}

const operator = (draft: Draft | undefined, op: string): GraphNode | undefined => {
  const node = draft?.kind === 'unknown' && draft.origins.length === 1 ? draft.origins[0] : undefined;
  return node?.op === op && node.domain === '' ? node : undefined;
};

function numbersOf(value: string, facts: FileFacts): number[] | undefined {
  const tensor = facts.constant(value);
  return tensor && numberValues(tensor);
}

/** A slice that takes every n-th row or column from the first. */
function stepOf(draft: Draft, facts: FileFacts): { axis: 0 | 1; every: number } | undefined {
  const node = operator(draft, 'Slice');
  const read = node && facts.dims(node.inputs[0]!);
  if (!node || read?.length !== 4) return undefined;
  const [start, end, axis, every] = [1, 2, 3, 4].map((index) => {
    const values = numbersOf(node.inputs[index] ?? '', facts);
    return values?.length === 1 ? values[0] : undefined;
  });
  const at = axis === 2 || axis === -2 ? 0 : axis === 3 || axis === -1 ? 1 : undefined;
  if (at === undefined || start !== 0 || end === undefined || every === undefined || every < 1)
    return undefined;
  // Ends that exporters write for an open one lie beyond every map.
  return end >= 2 ** 31 - 1 ? { axis: at, every } : undefined;
}

/** A pointwise convolution that puts each channel `first` channels further on, and zeros into the others. */
function placing(
  name: string,
  inChannels: number,
  outChannels: number,
  first: number,
  stride: readonly [number, number],
): Convolution {
  const weight = new Float32Array(outChannels * inChannels);
  for (let channel = 0; channel < inChannels; channel++) weight[(first + channel) * inChannels + channel] = 1;
  return {
    name,
    inChannels,
    outChannels,
    kernel: [1, 1],
    stride,
    padding: [0, 0, 0, 0],
    dilation: [1, 1],
    groups: 1,
    weight,
    bias: new Float32Array(outChannels),
    activation: 'none',
  };
}
