import { didYouMean } from '../did-you-mean.js';
import { FoveaError } from '../errors.js';
import { checkExcitation } from '../mask/excitation.js';
import { type Block, blocksOf, type Network } from '../network/network.js';
import { primitiveNames, primitives } from '../primitives/registry.js';
import { MOST_BAND_PIXELS } from '../program/program.js';
import { checkGranularity } from './granularity.js';
import type { BlockPlan, Plan } from './plan.js';
import type { Rewrite } from './rewrite.js';
import type { Strategy } from './strategy.js';

/** What a plan says itself, for every block. */
const saidByPlan = ['strategy', 'granularity', 'excitation'] as const;

/**
 * Checks a plan that is to be used as it stands: as `checkPlan` does, and that nothing else says how to make one.
 *
 * @param options what was given beside the plan
 * @returns the plan as given
 * @throws FoveaError `bad-argument` naming the plan and the option beside it, and as `checkPlan` does
 */
export function checkGivenPlan(
  network: Network,
  plan: Plan,
  options: { readonly [field in (typeof saidByPlan)[number]]?: unknown },
): Plan {
  const beside = saidByPlan.find((field) => options[field] !== undefined);
  if (beside) {
    const value = options[beside] as string | { readonly name?: string };
    const said = typeof value === 'object' && value.name !== undefined ? value.name : String(value);
    throw new FoveaError(
      'bad-argument',
      `plan "${plan?.strategy}" and ${beside} ${said}: a plan says its own ${beside} for every block; give one of the two`,
    );
  }
  return checkPlan(network, plan);
}

/**
 * Checks a whole plan that was written by hand or read from a file: one entry for each block of the network, in their
 * order, and each fit for its block.
 *
 * @returns the plan as given
 * @throws FoveaError `bad-argument` naming the entry that is missing, repeated, misplaced or wrong
 */
function checkPlan(network: Network, plan: Plan): Plan {
  const blocks = blocksOf(network);
  const entries: unknown = plan?.blocks;
  if (!Array.isArray(entries)) {
    throw new FoveaError(
      'bad-argument',
      `a plan without a list of blocks; ${network.name} needs one with ${blocks.length} entries`,
    );
  }
  if (entries.length !== blocks.length) {
    throw new FoveaError(
      'bad-argument',
      `plan of ${entries.length} blocks; ${network.name} has ${blocks.length}, and needs an entry for each`,
    );
  }
  for (const [i, entry] of plan.blocks.entries()) {
    if (entry?.block !== i) {
      throw new FoveaError(
        'bad-argument',
        `plan entry ${i} is for block ${said(entry?.block)}; entries are in the order of the blocks, so block ${i} is accepted`,
      );
    }
    checkBlockPlan(entry, blocks[i]!);
  }
  return plan;
}

/**
 * Checks that a plan computes what its block is: every primitive known, each of the block's own there exactly
 * once, in an order in which each has what it reads.
 *
 * @returns the plan as given
 * @throws FoveaError `bad-argument` naming block, primitive and what is missing or misplaced
 */
export function checkBlockPlan(plan: BlockPlan, block: Block): BlockPlan {
  const where = `plan of block ${block.index} (${block.name})`;
  checkForm(plan, block);
  if (plan.rewrite !== undefined) checkRewrite(plan.rewrite, block);
  checkGranularity(plan.granularity, where);
  checkExcitation(plan.excitation, where);
  const name = `${plan.mode} ${plan.groups.map((group) => `${group.primitives}:${group.bandPixels}:${Object.keys(group)}`).join(' ')}`;
  let sound = foundSound.get(block);
  if (!sound) {
    sound = new Set();
    foundSound.set(block, sound);
  }
  if (!sound.has(name)) {
    examine(plan, block);
    sound.add(name);
  }
  return plan;
}

/**
 * Checks what a strategy answered, before its plans are put together.
 *
 * @returns the answer as given
 * @throws FoveaError `bad-argument` naming the strategy and the block, and as `checkBlockPlan` does for what is no plan at all
 */
export function checkAnswer<Answer extends Pick<BlockPlan, 'groups'>>(
  answer: Answer,
  strategy: Strategy,
  block: Block,
): Answer {
  const asks = (problem: string): never => {
    throw new FoveaError(
      'bad-argument',
      `strategy "${strategy.name}" answered ${problem} for block ${block.index} (${block.name}); { mode, groups } is accepted`,
    );
  };
  if (typeof (answer as { then?: unknown } | undefined)?.then === 'function')
    asks('a promise, but cannot be async,');
  if (typeof answer !== 'object' || answer === null) asks(said(answer));
  checkForm(answer, block);
  return answer;
}

/** Fields of a block's plan. */
const planFields: ReadonlySet<string> = new Set<keyof BlockPlan>([
  ...(['block', 'mode', 'granularity', 'excitation', 'groups'] as const),
  ...(['rewrite', 'reason', 'caution'] as const),
]);

/** Checks that a plan has the fields of plans, with values of the right types: the rest of the engine relies on it. */
function checkForm(plan: Pick<BlockPlan, 'groups'> & Partial<BlockPlan>, block: Block): void {
  const fail = (problem: string): never => {
    throw new FoveaError('bad-argument', `plan of block ${block.index} (${block.name}): ${problem}`);
  };
  const unknown = Object.keys(plan).find((field) => !planFields.has(field));
  if (unknown !== undefined)
    fail(
      `a field "${unknown}"; ${[...planFields].join(', ')} are accepted${didYouMean(unknown, planFields)}`,
    );
  const { groups, granularity, reason, caution } = plan;
  if (!Array.isArray(groups)) fail('groups that each list their primitives are needed');
  for (const group of groups) {
    if (!Array.isArray(group?.primitives)) fail('groups that each list their primitives are needed');
    for (const primitive of group.primitives) {
      if (typeof primitive !== 'string' || !Object.hasOwn(primitives, primitive))
        fail(
          `unknown primitive ${said(primitive)}; known are ${primitiveNames.join(', ')}${didYouMean(primitive, primitiveNames)}`,
        );
    }
    const { bandPixels } = group;
    if (bandPixels !== undefined && typeof bandPixels !== 'number')
      fail(`bandPixels ${said(bandPixels)}; an integer from 1 to ${MOST_BAND_PIXELS} is accepted`);
  }
  if (granularity !== undefined && typeof granularity !== 'number')
    fail(`granularity S = ${said(granularity)}; a number is accepted, Infinity for the whole map`);
  for (const [field, value] of Object.entries({ reason, caution }))
    if (value !== undefined && typeof value !== 'string')
      fail(`${field} ${said(value)}; a sentence is accepted`);
}

/** A value for a message. */
function said(value: unknown): string {
  if (typeof value === 'string') return `"${value.slice(0, 60)}"`;
  return typeof value === 'object' && value !== null
    ? `a${Array.isArray(value) ? ' list' : 'n object'}`
    : String(value);
}

/** A rewrite is code: of one that went through JSON or between processes only the name is left. */
function checkRewrite(rewrite: Rewrite, block: Block): void {
  const where = `plan of block ${block.index} (${block.name})`;
  // It has a name and a method `apply` of its own, and neither is what is asked for.
  if (typeof rewrite === 'function')
    throw new FoveaError('bad-argument', `${where}: the rewrite is a function; { name, apply } is accepted`);
  if (typeof rewrite?.name !== 'string' || rewrite.name === '')
    throw new FoveaError('bad-argument', `${where}: a rewrite without a name; { name, apply } is accepted`);
  if (typeof rewrite.apply !== 'function')
    throw new FoveaError(
      'bad-argument',
      `${where}: rewrite "${rewrite.name}" has no function "apply"; saved plans lose it, so make the plan from its strategy again`,
    );
}

/** Modes and groups that passed the check, by content: a search checks the same few many times. */
const foundSound = new WeakMap<Block, Set<string>>();

function examine(plan: BlockPlan, block: Block): void {
  const where = `plan of block ${block.index} (${block.name})`;
  const fail = (problem: string): never => {
    throw new FoveaError('bad-argument', `${where}: ${problem}`);
  };
  if (plan.mode !== 'dense' && plan.mode !== 'adaptive')
    fail(`mode "${plan.mode}"; "dense" or "adaptive" are accepted`);
  if (plan.mode === 'adaptive' && !block.adaptive)
    fail('the block has no shortcut, only mode "dense" is possible');
  const sequence = plan.groups.flatMap((group) => group.primitives);
  for (const primitive of sequence) {
    if (sequence.indexOf(primitive) !== sequence.lastIndexOf(primitive)) fail(`"${primitive}" appears twice`);
  }
  for (const group of plan.groups) {
    const unknown = Object.keys(group).find((field) => field !== 'primitives' && field !== 'bandPixels');
    if (unknown)
      fail(
        `a group with "${unknown}"; primitives and bandPixels are accepted${didYouMean(unknown, ['primitives', 'bandPixels'])}`,
      );
    const { bandPixels } = group;
    if (
      bandPixels !== undefined &&
      !(Number.isInteger(bandPixels) && bandPixels >= 1 && bandPixels <= MOST_BAND_PIXELS)
    )
      fail(`bandPixels ${bandPixels}; an integer from 1 to ${MOST_BAND_PIXELS} is accepted`);
  }
  for (const name of primitiveNames) {
    const record = primitives[name];
    const at = sequence.indexOf(name);
    const standing = record.standing(block, plan.mode);
    if (at < 0 && standing === 'required') fail(`"${name}" is missing`);
    if (at < 0) continue;
    if (standing === 'absent') fail(`"${name}" has no meaning in this block in mode "${plan.mode}"`);
    // The nearest predecessor is the one worth naming.
    for (const earlier of record.after(block).toReversed()) {
      if (sequence.indexOf(earlier) > at) fail(`"${earlier}" must come before "${name}"`);
    }
  }
}
