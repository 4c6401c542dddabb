import { FoveaError } from '../errors.js';
import type { Convolution } from '../network/network.js';
import type { BlockLowering } from '../primitives/block-lowering.js';
import { valueCount } from '../program/buffers.js';
import { Formulas } from '../program/formulas.js';
import { operationText } from '../program/print.js';
import type { ProgramMap, ProgramMask, ProgramRegion, Step } from '../program/program.js';
import type { Verifier } from '../program/verify.js';
import type { Shape } from '../tensor.js';
import type { Rewrite } from './rewrite.js';
import { checkedSteps, rolesOf, stepsText } from './rewritten-steps.js';

/** Most values of a map, as the native kernels index them. */
const MOST_VALUES = 2 ** 31 - 1;
/** How much of a formula a message shows. */
const FORMULA_CHARACTERS = 240;

/** What there was before a block's first step. */
export interface BlockStart {
  /** How many steps and maps the program had. */
  readonly steps: number;
  readonly maps: number;
  /** The block's input on its mask's grid, if its predecessor pooled for it. */
  readonly pooled: ProgramMap | undefined;
}

/** Where a block starts in the program. */
export function startOf({ network, adaptive }: BlockLowering): BlockStart {
  const { steps, maps } = network.builder.made;
  return { steps: steps.length, maps: maps.length, pooled: adaptive?.pooled };
}

/**
 * Lets a rewrite change the steps that a block was lowered to, and checks them.
 *
 * @param verifier has seen every step before the block's
 * @returns what was answered as text, equal for equal answers
 * @throws FoveaError `bad-argument` naming rewrite, block, step and operation, when the answer is no list of steps, breaks
 *   a rule of programs or computes something else
 */
export function applyRewrite(
  rewrite: Rewrite,
  lowering: BlockLowering,
  start: BlockStart,
  verifier: Verifier,
): string {
  const { block, network, position } = lowering;
  const { builder } = network;
  const name = `rewrite "${rewrite.name}" of block "${block.name}"`;
  const fail = (problem: string): never => {
    throw new FoveaError('bad-argument', `${name}: ${problem}`);
  };
  const original = freeze(builder.made.steps.slice(start.steps));
  const made: ProgramMap[] = [];
  let answering = true;
  const answer = ask(
    rewrite,
    original,
    (shape, region) => {
      if (!answering) fail('a map was made after the answer');
      if (made.length >= 256) fail('more than 256 maps were made');
      const map = makeMap(lowering, shape, region, fail);
      made.push(map);
      return map;
    },
    name,
  );
  answering = false;
  const steps = checkedSteps(
    answer,
    {
      ...{ program: builder.made, block, node: position, original },
      groups: network.schedules[block.index]!.groups.length,
    },
    fail,
  );
  const text = stepsText(steps, block);
  const unused = made.find((map) => !text.includes(`"%${map.id} `));
  if (unused) fail(`map ${unused.id} was made, but no step uses it`);
  builder.replaceSteps(start.steps, steps);
  for (const [at, step] of steps.entries()) verifier.step(step, `${name}: step ${at}, ${textOf(step)}`);
  expectTheSame(lowering, start, original, steps, fail);
  noteMoved(lowering, rewrite, original, steps);
  if (lowering.adaptive) lowering.adaptive.conv1Region = regionOf(steps, block.branch[0]!);
  return text;
}

function ask(rewrite: Rewrite, steps: readonly Step[], map: MakeMap, name: string): unknown {
  try {
    return rewrite.apply(steps, Object.freeze({ map }));
  } catch (error) {
    if (error instanceof FoveaError && error.message.startsWith(name)) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new FoveaError('bad-argument', `${name} failed: ${message}`, { cause: error });
  }
}

type MakeMap = (shape: Shape, region?: ProgramRegion) => ProgramMap;

function makeMap(
  { network }: BlockLowering,
  shape: unknown,
  region: unknown,
  fail: (problem: string) => never,
): ProgramMap {
  const { builder } = network;
  const extents = Array.isArray(shape) ? [...shape] : [];
  const isShape = extents.length === 4 && extents.every((extent) => Number.isInteger(extent) && extent >= 1);
  if (!isShape || valueCount(extents as unknown as Shape) > MOST_VALUES)
    fail(
      `a map of [${String(shape)}]; [N, H, W, C] of at least 1 each and fewer than 2^31 values is accepted`,
    );
  const of = region as ProgramRegion | undefined;
  if (of !== undefined && builder.made.regions[of?.id] !== of)
    fail('a map packed for a region that is not in the steps; one of theirs is accepted');
  return freeze(
    builder.map(
      Object.freeze(extents) as unknown as Shape,
      of ? { kind: 'packed', region: of } : { kind: 'map' },
    ),
  );
}

/** Compares the final content of the maps that may still be read, and how masks are decided. */
function expectTheSame(
  lowering: BlockLowering,
  start: BlockStart,
  original: readonly Step[],
  steps: readonly Step[],
  fail: (problem: string) => never,
): void {
  const { input, output, inPlace, network, block, adaptive } = lowering;
  const roles = rolesOf(block);
  const [wanted, got] = [original, steps].map((list) => {
    const formulas = new Formulas((convolution) => roles.get(convolution) ?? convolution.name);
    formulas.begin(input.map, input.activation);
    if (start.pooled) formulas.beginPooled(start.pooled, input.map, adaptive!.mask);
    for (const { operations } of list) for (const operation of operations) formulas.perform(operation);
    return formulas;
  }) as [Formulas, Formulas];
  const instead = (what: string, now: string | undefined, before: string | undefined) =>
    fail(
      `${what} ${shown(now)} instead of ${shown(before)}; a rewrite changes how a block is computed, not what is`,
    );
  for (const mask of new Set<ProgramMask>([...wanted.decisions.keys(), ...got.decisions.keys()])) {
    const [now, before] = [got.decisions.get(mask), wanted.decisions.get(mask)];
    if (now !== before) instead(`mask ${mask.id} is`, now, before);
  }
  const pooled = new Set([...network.adaptive.values()].map((other) => other.pooled));
  for (const map of network.builder.made.maps) {
    const lasts =
      map === output || pooled.has(map) || (map.id < start.maps && !(map === input.map && inPlace));
    const [now, before] = [got.of(map), wanted.of(map)];
    if (lasts && now !== before)
      instead(`map ${map.id}${map === output ? ", the block's output," : ''} would hold`, now, before);
  }
}

function shown(formula: string | undefined): string {
  const text = formula ?? 'nothing';
  return text.length > FORMULA_CHARACTERS ? `${text.slice(0, FORMULA_CHARACTERS)}…` : text;
}

/** Where steps compute a convolution; undefined when everywhere. */
function regionOf(steps: readonly Step[], convolution: Convolution): ProgramRegion | undefined {
  for (const { operations } of steps) {
    for (const operation of operations)
      if (operation.kind === 'convolve' && operation.convolution === convolution) return operation.region;
  }
  return undefined;
}

/** Says in the profile which passes a rewrite has changed. */
function noteMoved(
  { network, position }: BlockLowering,
  { name }: Rewrite,
  original: readonly Step[],
  steps: readonly Step[],
): void {
  const textsOf = (list: readonly Step[], group: number) =>
    list.filter(({ owner }) => owner.group === group).map((step) => `${textOf(step)} ${step.bandPixels}`);
  for (const group of new Set(original.map(({ owner }) => owner.group))) {
    const [before, after] = [textsOf(original, group), textsOf(steps, group)];
    if (before.join('\n') === after.join('\n')) continue;
    const sentence = after.length === 0 ? `nothing is left of it after "${name}"` : `rewritten by "${name}"`;
    // Replaces the note of the original pass, which may no longer be true.
    network.passNotes.set(`${position}.${group}`, sentence);
  }
}

function textOf({ operations }: Step): string {
  return operations.map(operationText).join('; ');
}

/** Freezes program data, not the network's own that it refers to. */
function freeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if ('weight' in value || 'branch' in value) return value;
  Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}
