import { expectArgument, expectOptional } from '../arguments/expect.js';
import { aConvolution, aNumber, anObject, type Kind, later } from '../arguments/kinds.js';
import { FoveaError } from '../errors.js';
import type { Convolution } from '../network/network.js';
import type { Step } from './program.js';

/** The first step that computes a convolution; undefined when none does. */
export function stepOf(steps: readonly Step[], convolution: Convolution): Step | undefined {
  expectSteps(steps, 'stepOf: steps');
  expectArgument(convolution, aConvolution, 'stepOf: convolution');
  return steps.find(({ operations }) =>
    operations.some((operation) => operation.kind === 'convolve' && operation.convolution === convolution),
  );
}

/** @throws FoveaError `bad-argument` for something that is no list of steps */
export function expectSteps(steps: readonly Step[], where: string): void {
  expectArgument(steps, someSteps, where);
}

const someSteps: Kind = {
  accepted: "a program's list of steps",
  holds: (value) =>
    Array.isArray(value) &&
    value.every((step) => anObject.holds(step) && Array.isArray((step as Step).operations)),
};

/**
 * Makes one stream of several steps: their operations in the order given, at the place and in the pass of the last one.
 *
 * @param parts steps of the list; one that is given twice counts once
 * @returns a new list; the other steps stay where they are
 * @throws FoveaError `bad-argument` for no step, or one that is not in the list
 */
export function mergeSteps(steps: readonly Step[], ...parts: readonly (Step | undefined)[]): Step[] {
  const merged = [...new Set(parts)].map((part) => expectStep(steps, part));
  const last = expectStep(steps, merged.at(-1));
  const stream = { ...last, operations: merged.flatMap(({ operations }) => operations) };
  return steps.flatMap((step) => (step === last ? [stream] : merged.includes(step) ? [] : [step]));
}

/**
 * Cuts a stream in two, or with no position into its single operations, one after the other.
 *
 * @param at how many operations the first part has
 * @returns a new list; a part of one operation has no bands
 * @throws FoveaError `bad-argument` for a step that is not in the list, or a position that leaves a part empty
 */
export function splitStep(steps: readonly Step[], step: Step, at?: number): Step[] {
  expectStep(steps, step);
  expectOptional(at, aNumber, 'splitStep: at');
  const { owner, operations, bandPixels } = step;
  if (at !== undefined && !(Number.isInteger(at) && at >= 1 && at < operations.length))
    throw new FoveaError(
      'bad-argument',
      `a step of ${operations.length} operations cut at ${at}: an integer from 1 to ${operations.length - 1} is accepted`,
    );
  const lists =
    at === undefined
      ? operations.map((operation) => [operation])
      : [operations.slice(0, at), operations.slice(at)];
  const parts = lists.map(
    (list): Step => ({
      owner,
      operations: list,
      ...(bandPixels !== undefined && list.length > 1 ? { bandPixels } : {}),
    }),
  );
  return steps.flatMap((other) => (other === step ? parts : [other]));
}

function expectStep(steps: readonly Step[], step: Step | undefined): Step {
  expectSteps(steps, 'steps');
  expectArgument(step, later, 'a step');
  if (!step || !steps.includes(step))
    throw new FoveaError(
      'bad-argument',
      `${step ? 'a step that is not in the list' : 'no step'}; one of the list's own is accepted`,
    );
  return step;
}
