import type { Convolution } from '../network.js';
import type { Budget } from './budget.js';
import type { AddDraft, ConvolutionDraft, Draft, DraftGraph } from './draft.js';

/**
 * Makes one convolution of several that read one value and are added up, as networks are trained that are meant to
 * be re-parameterised (RepVGG, Ding et al. 2021; MobileOne, Vasu et al. 2023): those of one kernel; depthwise ones of
 * any kernels; and a scale of channels beside a pointwise one where a third, larger one is left to be a block's branch.
 * A convolution and a cheaper one beside it stay apart: they are a residual block.
 */
export function joinParallel(graph: DraftGraph, budget: Budget): void {
  for (const draft of graph.all()) {
    let root: Draft | undefined = draft;
    if (root.kind !== 'add' || parentOf(graph, root)) continue;
    const [sum] = root.outputs as [string];
    while (root?.kind === 'add' && joinTwo(graph, root, budget)) root = graph.producer(sum);
  }
}

/** A value that a sum adds up, and the addition that reads it. */
interface Term {
  readonly convolution: ConvolutionDraft;
  readonly parent: AddDraft;
}

/** The addition that alone reads another, which has no activation. */
function parentOf(graph: DraftGraph, draft: AddDraft): AddDraft | undefined {
  const [value] = draft.outputs as [string];
  const [reader] = graph.readersOf(value);
  return draft.activation === 'none' && reader?.kind === 'add' && graph.onlyReadBy(value, reader)
    ? reader
    : undefined;
}

/** Convolutions without an activation that nothing but their sum reads. */
function termsOf(graph: DraftGraph, parent: AddDraft): Term[] {
  const [a, b] = parent.inputs;
  if (a === b) return [];
  return parent.inputs.flatMap((value): Term[] => {
    const draft = graph.producer(value);
    if (!draft || !graph.onlyReadBy(value, parent)) return [];
    if (draft.kind === 'add') return draft.activation === 'none' ? termsOf(graph, draft) : [];
    if (draft.kind !== 'convolution') return [];
    const { activation, normalisation } = draft.convolution;
    return activation === 'none' && !normalisation ? [{ convolution: draft, parent }] : [];
  });
}

/** Joins two terms of a sum; false where no two are left to join. */
function joinTwo(graph: DraftGraph, root: AddDraft, budget: Budget): boolean {
  const terms = termsOf(graph, root);
  for (const kept of terms) {
    for (const taken of terms) {
      const [a, b] = [kept.convolution, taken.convolution];
      if (kept === taken || a.inputs[0] !== b.inputs[0]) continue;
      const larger = terms.some(
        ({ convolution: { inputs, convolution } }) => inputs[0] === a.inputs[0] && area(convolution) > 1,
      );
      const joined = sumOf(a.convolution, b.convolution, larger);
      if (!joined) continue;
      budget.spend(4 * joined.weight.length);
      const origins = [...a.origins, ...b.origins];
      const draft: ConvolutionDraft = { ...a, origins, convolution: joined };
      graph.replace(a, [b], draft);
      withoutTerm(graph, root, taken.parent, b.outputs[0]!);
      return true;
    }
  }
  return false;
}

/** Takes a term out of a sum, and with it the addition that read it. */
function withoutTerm(graph: DraftGraph, root: AddDraft, parent: AddDraft, term: string): void {
  const left = parent.inputs.find((value) => value !== term)!;
  if (parent !== root) {
    const above = parentOf(graph, parent)!;
    const [value] = parent.outputs;
    graph.replace(above, [parent], {
      ...above,
      inputs: above.inputs.map((input) => (input === value ? left : input)),
      origins: [...parent.origins, ...above.origins],
    });
    return;
  }
  // What is left contains the convolution that the term was joined to: it is that one or a sum.
  const last = graph.producer(left) as AddDraft | ConvolutionDraft;
  const { outputs, activation } = root;
  const shared = { outputs, origins: [...last.origins, ...root.origins] };
  graph.replace(
    root,
    [last],
    last.kind === 'add'
      ? { ...last, ...shared, activation }
      : { ...last, ...shared, convolution: { ...last.convolution, activation } },
  );
}

const isDepthwise = ({ groups, inChannels, outChannels }: Convolution) =>
  groups === inChannels && groups === outChannels;

/**
 * One convolution that computes the sum of two, the first with more weights where they differ; undefined where the second's
 * taps are not among the first's, or where they are to stay apart.
 * @param larger whether the same sum has a convolution of more taps than one
 */
function sumOf(a: Convolution, b: Convolution, larger: boolean): Convolution | undefined {
  if (a.stride.join() !== b.stride.join() || a.outChannels !== b.outChannels) return undefined;
  const diagonal = isDepthwise(b) && !(a.groups === b.groups);
  if (diagonal ? !larger || area(a) > 1 : a.groups !== b.groups) return undefined;
  if (area(a) !== area(b) && !isDepthwise(a)) return undefined;
  if (a.samePadding || b.samePadding) {
    if (a.samePadding !== b.samePadding || a.kernel.join() !== b.kernel.join()) return undefined;
    if (a.dilation.join() !== b.dilation.join()) return undefined;
  }
  const shifts = [0, 1].map((axis) => shiftOf(a, b, axis as 0 | 1));
  const [down, right] = shifts;
  if (down === undefined || right === undefined) return undefined;
  const weight = a.weight.slice();
  const [inputs, read] = [b.inChannels / b.groups, a.inChannels / a.groups];
  for (let output = 0, at = 0; output < b.outChannels; output++) {
    for (let input = 0; input < inputs; input++) {
      const channel = diagonal ? output % read : input;
      for (let y = 0; y < b.kernel[0]; y++) {
        for (let x = 0; x < b.kernel[1]; x++, at++) {
          const row = (output * read + channel) * a.kernel[0] + y + down;
          const to = row * a.kernel[1] + x + right;
          weight[to] = weight[to]! + b.weight[at]!;
        }
      }
    }
  }
  return { ...a, weight, bias: a.bias.map((value, channel) => value + b.bias[channel]!) };
}

const area = ({ kernel }: Convolution) => kernel[0] * kernel[1];

/** How many taps of `a` come before the first of `b`; undefined where not all of `b` are taps of `a`. */
function shiftOf(a: Convolution, b: Convolution, axis: 0 | 1): number | undefined {
  if (b.kernel[axis] > 1 && a.dilation[axis] !== b.dilation[axis]) return undefined;
  const shift = (a.padding[axis] - b.padding[axis]) / a.dilation[axis];
  return Number.isInteger(shift) && shift >= 0 && shift + b.kernel[axis] <= a.kernel[axis]
    ? shift
    : undefined;
}
