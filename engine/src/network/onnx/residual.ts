import { everyNth } from '../every-nth.js';
import { LONGEST_BRANCH } from '../longest-branch.js';
import type { Attention, Block, BlockKind, Convolution } from '../network.js';
import { attentionOf, type FoundAttention, isProduct } from './attention.js';
import type { AddDraft, BlockDraft, ConcatDraft, ConvolutionDraft, Draft, DraftGraph } from './draft.js';
import type { FileFacts } from './file-facts.js';
import { commonPath } from './node-labels.js';
import { partialSumOf } from './padded-shortcut.js';
import { isPool, poolInBranch } from './pool-in-branch.js';
import { responseOf } from './response.js';
import { isPadded, withScaledInputs } from './scale-forward.js';
import { isMatrixProduct, type Projection, projectionOf } from './shortcut.js';

/**
 * Finds residual blocks by structure: an addition whose one side is a chain of convolutions that nothing else
 * reads, and whose other side is the chain's own input, bare or through one convolution. Then inverted
 * bottlenecks without a shortcut, which MobileNets have wherever a block changes its shape. An addition that is no
 * block gets the reason.
 */
export function findBlocks(graph: DraftGraph, facts: FileFacts): void {
  for (const draft of graph.all()) {
    if (draft.kind === 'add') residualBlock(graph, draft, facts);
    else if (draft.kind === 'concat') partialBlock(graph, draft, facts);
  }
  for (const draft of graph.all()) {
    if (draft.kind === 'convolution') invertedBlock(graph, draft, facts);
  }
  number(graph);
}

/** A chain of convolutions with what belongs to it, from its input to its output. */
interface Branch {
  readonly input: string;
  readonly convolutions: readonly Convolution[];
  readonly attention?: Attention;
  readonly drafts: readonly Draft[];
}

function residualBlock(graph: DraftGraph, add: AddDraft, facts: FileFacts): void {
  const [a, b] = add.inputs as [string, string];
  if (a === b) {
    graph.replace(add, [], { ...add, dense: 'it adds a value to itself' });
    return;
  }
  const tried = [
    [a, b],
    [b, a],
  ].flatMap(([end, shortcut]): { walked: Branch | DeadEnd; projection?: Projection }[] => {
    const projection = projectionOf(graph, shortcut!, add, facts);
    // Identity first: a chain may itself contain the convolution that would pass for a projection.
    return [
      { walked: walk(graph, end!, [add], shortcut!, facts) },
      ...(projection ? [{ walked: walk(graph, end!, [add], projection.input, facts), projection }] : []),
    ];
  });
  const usable = tried.flatMap(({ walked, projection }) =>
    'reason' in walked ? [] : [{ branch: walked, projection }],
  );
  usable.sort(
    (x, y) => y.branch.convolutions.length - x.branch.convolutions.length || size(y.branch) - size(x.branch),
  );
  const best = usable[0];
  if (!best) {
    const ends = tried.flatMap(({ walked }) => ('reason' in walked ? [walked] : []));
    ends.sort((x, y) => y.convolutions - x.convolutions);
    const [longest] = ends;
    // What a side begins with is read elsewhere too where the other side does not lead there: that one says more.
    const telling = longest!.reason === sharedValue ? ends.find(({ operator }) => operator) : longest;
    graph.replace(add, [], { ...add, dense: (telling ?? longest)!.reason });
    return;
  }
  const { branch, projection } = best;
  const drafts = [...branch.drafts, ...(projection?.drafts ?? [])];
  replaceByBlock(graph, add, drafts, {
    branch,
    ...(projection ? { projection: projection.convolution } : {}),
    ...(projection?.pool ? { projectionPool: projection.pool } : {}),
    activation: add.activation,
    adaptive: true,
    labels: [...branch.convolutions.map(({ name }) => name), ...(add.label.includes('/') ? [] : [add.label])],
  });
}

/** A block whose shortcut has fewer channels than its branch. */
function partialBlock(graph: DraftGraph, concat: ConcatDraft, facts: FileFacts): void {
  const sum = partialSumOf(graph, concat, facts);
  const branch = sum && walk(graph, sum.branch, sum.readers, sum.input, facts);
  if (!branch || 'reason' in branch) return;
  replaceByBlock(graph, concat, [...branch.drafts, ...sum.drafts], {
    branch,
    projection: sum.convolution,
    activation: 'none',
    adaptive: true,
    labels: branch.convolutions.map(({ name }) => name),
  });
}

/** Weights of a branch: of two single convolutions the one that computes more is the branch, which masks can skip. */
function size({ convolutions }: Branch): number {
  return convolutions.reduce((sum, { weight }) => sum + weight.length, 0);
}

/** Where a walk ended, and after how many convolutions. */
interface DeadEnd {
  readonly reason: string;
  readonly convolutions: number;
  /** True at what no branch has: an operator that the engine has no node for, or one that joins maps. */
  readonly operator?: boolean;
}

const noBranchHas = ({ kind }: Draft) =>
  [
    'unknown',
    'concat',
    'slice',
    'resize',
    'normalise-map',
    'pixel-attention',
    'max-pool',
    'average-pool',
    'global-pool',
  ].includes(kind);

const otherProduct = 'a product that is no attention';
const sharedValue = 'a value of its branch is read elsewhere too';

/** Walks a branch backwards from its end to `start`, unless it is no chain, or too long a one. */
function walk(
  graph: DraftGraph,
  end: string,
  endReaders: readonly Draft[],
  start: string,
  facts: FileFacts,
): Branch | DeadEnd {
  const chain: Convolution[] = [];
  const drafts: Draft[] = [];
  let attention: { readonly found: FoundAttention; readonly position: number } | undefined;
  let value = end;
  let readers = endReaders;
  while (value !== start || chain.length === 0) {
    const draft = graph.producer(value);
    const dead = (reason: string): DeadEnd => ({ reason, convolutions: chain.length });
    if (!draft) return dead('its sides have no common input');
    if (!graph.onlyReadBy(value, ...readers)) return dead(sharedValue);
    const response = attention ? undefined : responseOf(graph, draft);
    if (response) {
      const { shift, ...found } = response;
      const next = chain.at(-1);
      if (shift && (!next || isPadded(next) || next.maximum))
        return dead('a global response normalisation whose shift no convolution takes lies in its branch');
      if (shift) chain.push(withScaledInputs(chain.pop()!, new Float32Array(shift.length).fill(1), shift));
      attention = { found, position: chain.length };
      drafts.push(...found.drafts);
      value = found.input;
      readers = found.drafts;
      continue;
    }
    if (isProduct(draft) && !attention) {
      const found = attentionOf(graph, draft, facts);
      if (!found)
        return { ...dead(`${otherProduct} lies in its branch`), operator: draft.kind === 'unknown' };
      attention = { found, position: chain.length };
      drafts.push(...found.drafts);
      value = found.input;
      readers = found.drafts;
      continue;
    }
    const convolution = convolutionOf(draft, chain.length > 0, facts);
    if (!convolution)
      return { ...dead(`${described(draft)} lies in its branch`), operator: noBranchHas(draft) };
    if (chain.length === LONGEST_BRANCH)
      return dead(`its branch is longer than ${LONGEST_BRANCH} convolutions`);
    chain.push(convolution);
    drafts.push(draft);
    value = draft.inputs[0]!;
    readers = [draft];
    // Behind a pool the chain may be a shortcut, whose convolution the mask cannot skip.
    if (value === start && isPool(draft)) return dead(`its branch begins with ${described(draft)}`);
  }
  const convolutions = chain.toReversed();
  if (!attention) return { input: start, convolutions, drafts };
  const after = convolutions.length - 1 - attention.position;
  return after < 0
    ? { reason: 'its attention precedes every convolution', convolutions: chain.length }
    : { input: start, convolutions, drafts, attention: placed(attention.found, after) };
}

/**
 * What a draft is in a branch: a convolution, a pool, or an activation that a convolution follows, behind a depthwise one
 * that leaves values as they are (Xception's branches begin with a ReLU that the shortcut does not have).
 */
function convolutionOf(draft: Draft, isFollowed: boolean, facts: FileFacts): Convolution | undefined {
  if (draft.kind === 'convolution') return draft.convolution;
  const channels = facts.dims(draft.inputs[0]!)?.[1];
  if (channels === undefined) return undefined;
  if (isPool(draft)) return poolInBranch(draft, channels);
  if (draft.kind !== 'activation' || !isFollowed) return undefined;
  const { label, activation, slopes } = draft;
  return { ...everyNth(label, channels, [1, 1]), activation, ...(slopes ? { slopes } : {}) };
}

/** An attention behind a convolution of the branch. */
function placed({ input: _, drafts: __, ...attention }: FoundAttention, after: number): Attention {
  return { after, ...attention };
}

/** What stands where a convolution would have to, in a word. */
function described(draft: Draft): string {
  if (draft.kind === 'unknown') {
    const op = draft.origins[0]?.op ?? 'an operator';
    return op === 'Mul' ? otherProduct : op;
  }
  if (draft.kind === 'activation') return `${draft.activation} behind no convolution`;
  if (draft.kind === 'block') return 'another block';
  return draft.kind === 'add' ? 'another addition' : draft.kind;
}

function pointwise(graph: DraftGraph, value: string): ConvolutionDraft | undefined {
  const draft = graph.producer(value);
  return draft?.kind === 'convolution' && isMatrixProduct(draft.convolution) ? draft : undefined;
}

const isDepthwise = ({ groups, inChannels, outChannels }: Convolution) =>
  groups > 1 && groups === inChannels && groups === outChannels;

/** Expand → depthwise → linear projection, seen from the projection. */
function invertedBlock(graph: DraftGraph, project: ConvolutionDraft, facts: FileFacts): void {
  if (!isMatrixProduct(project.convolution) || project.convolution.activation !== 'none') return;
  let value = project.inputs[0]!;
  let readers: readonly Draft[] = [project];
  const drafts: Draft[] = [project];
  const product = graph.producer(value);
  const attention = product && attentionOf(graph, product, facts);
  if (attention && graph.onlyReadBy(value, project)) {
    drafts.push(...attention.drafts);
    value = attention.input;
    readers = attention.drafts;
  }
  const depthwise = graph.producer(value);
  if (
    depthwise?.kind !== 'convolution' ||
    !isDepthwise(depthwise.convolution) ||
    !graph.onlyReadBy(value, ...readers)
  )
    return;
  if (depthwise.convolution.kernel[0] * depthwise.convolution.kernel[1] === 1) return;
  drafts.push(depthwise);
  const expand = pointwise(graph, depthwise.inputs[0]!);
  const expands =
    expand && expand.convolution.activation !== 'none' && graph.onlyReadBy(expand.outputs[0]!, depthwise);
  const first = expands ? expand : depthwise;
  if (expands) drafts.push(expand);
  const convolutions = [...(expands ? [expand.convolution] : []), depthwise.convolution, project.convolution];
  replaceByBlock(graph, project, drafts.slice(1), {
    branch: {
      input: first.inputs[0]!,
      convolutions,
      drafts,
      ...(attention ? { attention: placed(attention, convolutions.length - 2) } : {}),
    },
    activation: 'none',
    adaptive: false,
    labels: convolutions.map(({ name }) => name),
  });
}

function replaceByBlock(
  graph: DraftGraph,
  last: Draft,
  others: readonly Draft[],
  found: Pick<Block, 'activation' | 'adaptive' | 'projection' | 'projectionPool'> & {
    branch: Branch;
    labels: readonly string[];
  },
): void {
  const { branch, labels, ...rest } = found;
  const draft: BlockDraft = {
    kind: 'block',
    inputs: [branch.input],
    outputs: last.outputs,
    origins: [...others, last].flatMap(({ origins }) => origins),
    label: commonPath(labels) ?? '',
    block: {
      index: -1,
      stage: -1,
      name: '',
      kind: branch.drafts.some(isPool) ? 'residual' : kindOf(branch.convolutions),
      branch: branch.convolutions,
      ...(branch.attention ? { attention: branch.attention } : {}),
      ...rest,
    },
  };
  graph.replace(last, others, draft);
}

function kindOf(branch: readonly Convolution[]): BlockKind {
  const area = branch.map(({ kernel }) => kernel[0] * kernel[1]);
  if (branch.length >= 2 && branch.some((convolution, i) => area[i]! > 1 && isDepthwise(convolution)))
    return 'inverted';
  if (branch.length === 2 && area[0]! > 1 && area[1]! > 1) return 'basic';
  return branch.length === 3 && area[0] === 1 && area[1]! > 1 && area[2] === 1 ? 'bottleneck' : 'residual';
}

/** Numbers blocks and stages in order: a stage ends where the resolution or the channel count changes. */
function number(graph: DraftGraph): void {
  const names = new Set<string>();
  let index = 0;
  let stage = 0;
  let channels: number | undefined;
  for (const draft of graph.all()) {
    if (draft.kind !== 'block') continue;
    const { branch } = draft.block;
    const written = branch[branch.length - 1]!.outChannels;
    const strided = branch.some(({ stride }) => stride[0] > 1 || stride[1] > 1);
    if (channels !== undefined && (strided || written !== channels)) stage++;
    channels = written;
    const label = draft.label;
    const name = label !== '' && !names.has(label) ? label : `block${index}`;
    names.add(name);
    graph.replace(draft, [], { ...draft, label: name, block: { ...draft.block, index, stage, name } });
    index++;
  }
}
