import { didYouMean } from '../did-you-mean.js';
import { isActivation } from '../network/activation.js';
import { attentionLayers } from '../network/attention.js';
import type { Block, Convolution } from '../network/network.js';
import { convolutionName } from '../primitives/primitive.js';
import type {
  Operation,
  OperationOf,
  Owner,
  Program,
  ProgramMap,
  ProgramMask,
  ProgramRegion,
  Step,
} from '../program/program.js';
import type { WholeMapOperation } from '../program/whole-map-checks.js';

/** Operations that a block is made of: of those on whole maps, pools in branches' shortcuts and additions. */
type Kind = Exclude<
  Operation['kind'],
  Exclude<WholeMapOperation['kind'], 'average-pool' | 'add'> | 'foreign'
>;
type FieldsOf<K extends Kind> = Exclude<keyof OperationOf<K>, 'kind'>;

/** What the steps of a rewritten block may be made of. */
export interface Ingredients {
  /** The program so far. */
  readonly program: Pick<Program, 'maps' | 'masks' | 'regions'>;
  readonly block: Block;
  /** Position of the block in the network, and number of its plan's groups. */
  readonly node: number;
  readonly groups: number;
  /** What the block was lowered to. */
  readonly original: readonly Step[];
}

/** Says what is accepted, or undefined if the value is. */
type Rule = (value: unknown, among: Ingredients) => string | undefined;

/** Most steps that a rewrite may answer with; the built-in strategies need a dozen. */
const MOST_STEPS = 256;
/** More operations than any stream has; how many may stream, and which, the verifier says. */
const MOST_OPERATIONS = 16;

const isIn = (table: readonly { readonly id: number }[], value: unknown) =>
  typeof value === 'object' && value !== null && table[(value as { id: number }).id] === value;

const map: Rule = (value, { program }) =>
  isIn(program.maps, value) ? undefined : 'a map of the steps, or one made with tools.map, is accepted';
const region: Rule = (value, { program }) =>
  isIn(program.regions, value) ? undefined : 'a region of the steps is accepted';
const mask: Rule = (value, { program }) =>
  isIn(program.masks, value) ? undefined : 'a mask of the steps is accepted';
const flag: Rule = (value) => (typeof value === 'boolean' ? undefined : 'true or false is accepted');
const activation: Rule = (value) =>
  isActivation(value) ? undefined : 'the name of an activation is accepted';
const convolution: Rule = (value, { block }) =>
  rolesOf(block).has(value as Convolution) ? undefined : "one of the block's own convolutions is accepted";
/** Each cell of the mask once: that is the verifier's to say, which knows how many there are. */
const order: Rule = (value) =>
  Array.isArray(value) && value.every(Number.isInteger)
    ? undefined
    : 'a list with the number of each cell once is accepted';
const asLowered =
  (kind: 'decide' | 'ask' | 'grid-pool' | 'average-pool' | 'excite', field: string): Rule =>
  (value, { original }) =>
    original.some(({ operations }) =>
      operations.some((operation) => operation.kind === kind && operation[field as never] === value),
    )
      ? undefined
      : `what the operation has in the steps that were given is accepted`;
const optional =
  (rule: Rule): Rule =>
  (value, among) =>
    value === undefined ? undefined : rule(value, among);

const fields: { readonly [K in Kind]: { readonly [F in FieldsOf<K>]-?: Rule } } = {
  convolve: {
    ...{ convolution, source: map, destination: map, region: optional(region), others: flag },
    ...{ residual: optional(map), activation },
  },
  add: { a: map, b: optional(map), destination: map, activation },
  'average-pool': {
    ...{ source: map, destination: map, kernel: asLowered('average-pool', 'kernel') },
    ...{ stride: asLowered('average-pool', 'stride'), padding: asLowered('average-pool', 'padding') },
    countPadding: flag,
  },
  'grid-pool': {
    ...{ source: map, pooled: map, mask },
    changed: optional(asLowered('grid-pool', 'changed')),
  },
  decide: { mask, pooled: map, decider: asLowered('decide', 'decider') },
  ask: { block: asLowered('ask', 'block'), mask, pooled: map },
  index: { mask, order: optional(order) },
  gather: { source: map, destination: map },
  scatter: { source: map, destination: map },
  'scatter-add': { source: map, destination: map, region, shortcut: map, activation },
  'activate-others': { map, region, activation },
  excite: {
    ...{ map, attention: asLowered('excite', 'attention') },
    ...{ pooledOver: optional(region), scaled: optional(region) },
  },
};

/** A block's convolutions by what they are in it. */
export function rolesOf({ branch, projection, attention }: Block): Map<Convolution, string> {
  const roles = new Map<Convolution, string>(branch.map((each, i) => [each, convolutionName(i)]));
  if (projection) roles.set(projection, 'projection');
  for (const { role, convolution } of attentionLayers(attention)) roles.set(convolution, role);
  return roles;
}

/**
 * Copies what a rewrite answered, so that it cannot be changed afterwards, and checks that it is steps: of the operations
 * that blocks are made of, with the fields that these have.
 * @param fail throws with what is wrong and what is accepted
 */
export function checkedSteps(
  answer: unknown,
  among: Ingredients,
  fail: (problem: string) => never,
): readonly Step[] {
  if (typeof (answer as { then?: unknown } | undefined)?.then === 'function')
    fail('it answered with a promise; a list of steps is accepted, so it cannot be async');
  if (!Array.isArray(answer)) fail(`it answered with ${said(answer)}; a list of steps is accepted`);
  const list = answer as readonly unknown[];
  if (list.length > MOST_STEPS)
    fail(`it answered with ${list.length} steps; at most ${MOST_STEPS} are accepted`);
  return Array.from(list, (step, at) =>
    checkedStep(step, among, (problem) => fail(`step ${at}: ${problem}`)),
  );
}

function checkedStep(step: unknown, among: Ingredients, fail: (problem: string) => never): Step {
  if (typeof step !== 'object' || step === null)
    fail(`${said(step)}; a step with owner and operations is accepted`);
  const { owner, operations, bandPixels, ...rest } = step as Partial<Step>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    fail(
      `a field "${unknown}"; owner, operations and bandPixels are accepted${didYouMean(unknown, ['owner', 'operations', 'bandPixels'])}`,
    );
  const { node, group } = (owner ?? {}) as Partial<Owner>;
  if (node !== among.node || !Number.isInteger(group) || !(group! >= 0 && group! < among.groups))
    fail(`owner ${said(owner)}; the owner of one of the given steps is accepted`);
  if (bandPixels !== undefined && typeof bandPixels !== 'number')
    fail(`bandPixels ${said(bandPixels)}; a number is accepted`);
  if (!Array.isArray(operations) || operations.length === 0 || operations.length > MOST_OPERATIONS)
    fail(`operations ${said(operations)}; a list of 1 to ${MOST_OPERATIONS} operations is accepted`);
  return {
    owner: { node: node!, group: group! },
    operations: Array.from(operations as readonly unknown[], (operation) =>
      checkedOperation(operation, among, fail),
    ),
    ...(bandPixels === undefined ? {} : { bandPixels }),
  };
}

function checkedOperation(
  operation: unknown,
  among: Ingredients,
  fail: (problem: string) => never,
): Operation {
  if (typeof operation !== 'object' || operation === null) fail(`an operation that is ${said(operation)}`);
  const { kind, ...given } = operation as { kind?: unknown } & Record<string, unknown>;
  if (typeof kind !== 'string' || !Object.hasOwn(fields, kind))
    fail(
      `an operation of kind ${said(kind)}; ${Object.keys(fields).join(', ')} are accepted in a block${didYouMean(kind, Object.keys(fields))}`,
    );
  const rules = Object.entries(fields[kind as Kind]) as [string, Rule][];
  const unknown = Object.keys(given).find((name) => !rules.some(([field]) => field === name));
  if (unknown !== undefined)
    fail(
      `${kind} with a field "${unknown}"; ${rules.map(([field]) => field).join(', ')} are accepted${didYouMean(
        unknown,
        rules.map(([field]) => field),
      )}`,
    );
  const copy: Record<string, unknown> = { kind };
  for (const [field, rule] of rules) {
    const accepted = rule(given[field], among);
    if (accepted) fail(`${kind}: ${field} is ${said(given[field])}; ${accepted}`);
    const value = given[field];
    if (value !== undefined)
      copy[field] = field === 'order' ? Object.freeze([...(value as number[])]) : value;
  }
  return copy as unknown as Operation;
}

/** A value for a message. */
function said(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) {
    const { id, name } = value as { id?: unknown; name?: unknown };
    if (typeof name === 'string') return `"${name}"`;
    return typeof id === 'number' ? `number ${id} of another program` : 'another object';
  }
  return typeof value === 'string' ? `"${value.slice(0, 60)}"` : String(value).slice(0, 60);
}

/** Equal for rewritten steps that are the same, given all else that a program follows from. */
export function stepsText(steps: readonly Step[], block: Block): string {
  const roles = rolesOf(block);
  return JSON.stringify(steps, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    if ('layout' in value) {
      const { id, shape, layout } = value as ProgramMap;
      const of = layout.kind === 'packed' ? layout.region.id : layout.kind === 'halo' ? layout.halo.id : '';
      return `%${id} ${shape} ${layout.kind} ${of}`;
    }
    if ('pixels' in value) return `@${(value as ProgramRegion).id}`;
    if ('rows' in value) return `mask ${(value as ProgramMask).id}`;
    if ('weight' in value) return roles.get(value as Convolution);
    return 'branch' in value ? 'block' : value;
  });
}
