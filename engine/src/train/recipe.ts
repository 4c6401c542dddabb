import { expectArgument } from '../arguments/expect.js';
import { aText, later } from '../arguments/kinds.js';
import { saidAsJson } from '../arguments/said.js';
import { didYouMean } from '../did-you-mean.js';
import { FoveaError } from '../errors.js';
import { readFileBytes } from '../file.js';
import type { Architecture } from './architecture.js';

/** One phase's optimisation: SGD with Nesterov momentum, the rate falling to zero along a cosine. */
export interface Optimisation {
  readonly epochs: number;
  /** Learning rate at the start of the cosine. */
  readonly rate: number;
  /** Weight decay, on everything. */
  readonly decay: number;
  /** Steps over which the rate rises from zero; 0 when left out. */
  readonly warmUp?: number;
  /** Label smoothing, 0…1; 0 when left out. */
  readonly smoothing?: number;
}

/** The second phase: masks learned by hard Gumbel-softmax, imitating the dense network. */
export interface MaskOptimisation extends Optimisation {
  /** Wanted ratio of multiply-adds to those of the dense network, t. */
  readonly target: number;
  /**
   * What the bounds on the share of each block's branch that is computed loosen to, lower and upper; 0 and 1 when left out, as
   * LASNet has them. A lower bound keeps every block in use.
   */
  readonly bounds?: readonly [number, number];
  /** λ of the FLOPs loss; 10 when left out, as LASNet has it. */
  readonly flopsWeight?: number;
  /** α and T of the distillation; 0.5 and 4 when left out, as LASNet has them. */
  readonly distillation?: { readonly weight: number; readonly temperature: number };
  /** Gumbel temperature at the start and the end; 5 and 0.1 when left out, as LASNet has them. */
  readonly temperature?: readonly [number, number];
  /**
   * Share of the Gumbel noise at the start and from three quarters of the phase on; 1 and 1 when left out, as LASNet
   * has it. Ending at 0 makes the bounds hold for the masks of inference, which are drawn without noise; the
   * temperature must then stay near 1, or margins below zero lose their slope.
   */
  readonly noise?: readonly [number, number];
  /** Learning rate of the maskers relative to the backbone's; 1 when left out. */
  readonly maskerRate?: number;
  /**
   * Share of each batch that runs with every cell active, so that the network stays a good dense one;
   * 0 when left out.
   */
  readonly alwaysActive?: number;
}

/** Everything that a training run follows from. */
export interface Recipe {
  readonly name: string;
  readonly seed: number;
  readonly batch: number;
  readonly architecture: Architecture;
  /** Generated images, or a folder with one folder per class; every `testEvery`-th of those is kept for testing. */
  readonly data:
    | { readonly kind: 'generated'; readonly train: number; readonly test: number }
    | { readonly kind: 'folder'; readonly path: string; readonly testEvery?: number };
  readonly dense: Optimisation;
  readonly adaptive?: MaskOptimisation;
}

/** Names every field of `Type`, so that the compiler notices when one is added or goes. */
const fieldsOf = <Type>(fields: Readonly<Record<keyof Type, true>>) => Object.keys(fields);

const optimisationFields = { epochs: true, rate: true, decay: true, warmUp: true, smoothing: true } as const;

/** The fields that each part of a recipe may have. */
const accepted = {
  recipe: fieldsOf<Recipe>({
    ...{ name: true, seed: true, batch: true, architecture: true, data: true, dense: true, adaptive: true },
  }),
  architecture: fieldsOf<Architecture>({
    ...{ kind: true, layers: true, width: true, size: true, classes: true, granularity: true },
  }),
  generated: fieldsOf<Extract<Recipe['data'], { kind: 'generated' }>>({
    kind: true,
    train: true,
    test: true,
  }),
  folder: fieldsOf<Extract<Recipe['data'], { kind: 'folder' }>>({ kind: true, path: true, testEvery: true }),
  dense: fieldsOf<Optimisation>(optimisationFields),
  adaptive: fieldsOf<MaskOptimisation>({
    ...optimisationFields,
    ...{ target: true, bounds: true, flopsWeight: true, distillation: true, temperature: true },
    ...{ noise: true, maskerRate: true, alwaysActive: true },
  }),
  distillation: fieldsOf<NonNullable<MaskOptimisation['distillation']>>({ weight: true, temperature: true }),
};

/**
 * Reads a recipe from a JSON file.
 * @throws FoveaError `io` when it cannot be read, `bad-file` naming the field that is wrong
 */
export async function readRecipe(path: string): Promise<Recipe> {
  const text = new TextDecoder().decode(await readFileBytes(path));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FoveaError('bad-file', `${path} is not valid JSON: ${(cause as Error).message}`);
  }
  return parseRecipe(value, path);
}

/**
 * Checks a recipe read from JSON.
 * @throws FoveaError `bad-file` naming the field that is wrong, or that no recipe has
 */
export function parseRecipe(value: unknown, source: string): Recipe {
  expectArgument(source, aText, 'parseRecipe: source');
  expectArgument(value, later, 'parseRecipe: value');
  const check = new RecipeCheck(source);
  const recipe = check.object('the recipe', value);
  check.fields('the recipe', recipe, accepted.recipe);
  if (typeof recipe.name !== 'string' || recipe.name === '') check.fail('name is missing');
  check.number('seed', recipe.seed, 0, 2 ** 31 - 1, true);
  check.number('batch', recipe.batch, 2, 1024, true);
  check.fields('architecture', check.object('architecture', recipe.architecture), accepted.architecture);
  checkData(check, check.object('data', recipe.data));
  checkOptimisation(check, 'dense', recipe.dense);
  if (recipe.adaptive !== undefined) {
    checkMaskOptimisation(check, checkOptimisation(check, 'adaptive', recipe.adaptive));
  }
  return recipe as unknown as Recipe;
}

type Fields = Readonly<Record<string, unknown>>;

/** Refuses what a recipe may not hold, by the place where it stands. */
class RecipeCheck {
  constructor(private readonly source: string) {}

  fail(what: string): never {
    throw new FoveaError('bad-file', `${this.source}: ${what}`);
  }

  object(name: string, given: unknown): Fields {
    if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given as Fields;
    return this.fail(`${name} is not an object`);
  }

  number(name: string, given: unknown, low: number, high: number, whole = false): void {
    if (typeof given === 'number' && given >= low && given <= high && (!whole || Number.isInteger(given)))
      return;
    const kind = whole ? 'an integer' : 'a number';
    this.fail(`${name} ${saidAsJson(given)}; ${kind} from ${low} to ${high} is accepted`);
  }

  /** A number that may be left out. */
  optional(name: string, given: unknown, low: number, high: number, whole = false): void {
    if (given !== undefined) this.number(name, given, low, high, whole);
  }

  /** Two of something, which may be left out; `names` says what they are. */
  pair(name: string, given: unknown, names: string): readonly unknown[] {
    if (given === undefined) return [];
    if (!Array.isArray(given) || given.length !== 2) return this.fail(`${name} is not ${names}`);
    return given;
  }

  fields(name: string, given: Fields, known: readonly string[]): void {
    const unknown = Object.keys(given).find((field) => !known.includes(field));
    if (unknown === undefined) return;
    this.fail(
      `${name} has a field ${JSON.stringify(unknown)}; ${known.join(', ')} are accepted${didYouMean(unknown, known)}`,
    );
  }
}

function checkData(check: RecipeCheck, data: Fields): void {
  const { kind } = data;
  if (kind === 'generated') {
    check.number('data.train', data.train, 2, 1e6, true);
    check.number('data.test', data.test, 1, 1e6, true);
  } else if (kind === 'folder') {
    if (typeof data.path !== 'string') check.fail('data.path is missing');
    check.optional('data.testEvery', data.testEvery, 2, 1000, true);
  } else check.fail(`data.kind ${saidAsJson(kind)}; "generated" and "folder" are accepted`);
  check.fields('data', data, accepted[kind as 'generated' | 'folder']);
}

/** Checks what both phases have. */
function checkOptimisation(check: RecipeCheck, phase: 'dense' | 'adaptive', value: unknown): Fields {
  const given = check.object(phase, value);
  check.fields(phase, given, accepted[phase]);
  check.number(`${phase}.epochs`, given.epochs, phase === 'dense' ? 0 : 1, 10000, true);
  check.number(`${phase}.rate`, given.rate, 0, 1e6);
  check.number(`${phase}.decay`, given.decay, 0, 1);
  check.optional(`${phase}.warmUp`, given.warmUp, 0, 1e7, true);
  check.optional(`${phase}.smoothing`, given.smoothing, 0, 0.9);
  return given;
}

/** Checks what the phase with masks has beside. */
function checkMaskOptimisation(check: RecipeCheck, given: Fields): void {
  check.number('adaptive.target', given.target, 0.01, 1);
  check.optional('adaptive.flopsWeight', given.flopsWeight, 0, 1e4);
  check.optional('adaptive.maskerRate', given.maskerRate, 0, 100);
  check.optional('adaptive.alwaysActive', given.alwaysActive, 0, 0.9);
  if (given.distillation !== undefined) {
    const distillation = check.object('adaptive.distillation', given.distillation);
    check.fields('adaptive.distillation', distillation, accepted.distillation);
    check.number('adaptive.distillation.weight', distillation.weight, 0, 1000);
    check.number('adaptive.distillation.temperature', distillation.temperature, 0.1, 1000);
  }
  const target = given.target as number;
  for (const [i, bound] of check.pair('adaptive.bounds', given.bounds, '[lower, upper]').entries()) {
    check.number(`adaptive.bounds[${i}]`, bound, i === 0 ? 0 : target, i === 0 ? target : 1);
  }
  for (const [field, low, high] of [
    ['temperature', 1e-3, 1e3],
    ['noise', 0, 1],
  ] as const) {
    for (const [i, entry] of check.pair(`adaptive.${field}`, given[field], '[start, end]').entries()) {
      check.number(`adaptive.${field}[${i}]`, entry, low, high);
    }
  }
}
