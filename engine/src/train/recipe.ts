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
    throw new FoveaError('bad-file', `${path} is not valid JSON: ${(cause as Error).message}`, { cause });
  }
  return parseRecipe(value, path);
}

/**
 * Checks a recipe read from JSON.
 * @throws FoveaError `bad-file` naming the field that is wrong, or that no recipe has
 */
export function parseRecipe(value: unknown, source: string): Recipe {
  const fail = (what: string): never => {
    throw new FoveaError('bad-file', `${source}: ${what}`);
  };
  const object = (name: string, given: unknown): Record<string, unknown> =>
    typeof given === 'object' && given !== null && !Array.isArray(given)
      ? (given as Record<string, unknown>)
      : fail(`${name} is not an object`);
  const number = (name: string, given: unknown, low: number, high: number, whole = false) => {
    if (
      typeof given !== 'number' ||
      !(given >= low && given <= high) ||
      (whole && !Number.isInteger(given))
    ) {
      fail(
        `${name} ${JSON.stringify(given)}; ${whole ? 'an integer' : 'a number'} from ${low} to ${high} is accepted`,
      );
    }
  };
  const onlyKnown = (name: string, given: object, fields: readonly string[]) => {
    const unknown = Object.keys(given).find((field) => !fields.includes(field));
    if (unknown !== undefined)
      fail(
        `${name} has a field ${JSON.stringify(unknown)}; ${fields.join(', ')} are accepted${didYouMean(unknown, fields)}`,
      );
  };
  const recipe = object('the recipe', value);
  onlyKnown('the recipe', recipe, accepted.recipe);
  if (typeof recipe.name !== 'string' || recipe.name === '') fail('name is missing');
  number('seed', recipe.seed, 0, 2 ** 31 - 1, true);
  number('batch', recipe.batch, 2, 1024, true);
  onlyKnown('architecture', object('architecture', recipe.architecture), accepted.architecture);
  const data = object('data', recipe.data);
  if (data.kind === 'generated') {
    number('data.train', data.train, 2, 1e6, true);
    number('data.test', data.test, 1, 1e6, true);
  } else if (data.kind === 'folder') {
    if (typeof data.path !== 'string') fail('data.path is missing');
    if (data.testEvery !== undefined) number('data.testEvery', data.testEvery, 2, 1000, true);
  } else fail(`data.kind ${JSON.stringify(data.kind)}; "generated" and "folder" are accepted`);
  onlyKnown('data', data, accepted[data.kind as 'generated' | 'folder']);
  for (const phase of ['dense', 'adaptive'] as const) {
    if (phase === 'adaptive' && recipe[phase] === undefined) continue;
    const given = object(phase, recipe[phase]);
    onlyKnown(phase, given, accepted[phase]);
    number(`${phase}.epochs`, given.epochs, phase === 'dense' ? 0 : 1, 10000, true);
    number(`${phase}.rate`, given.rate, 0, 1e6);
    number(`${phase}.decay`, given.decay, 0, 1);
    if (given.warmUp !== undefined) number(`${phase}.warmUp`, given.warmUp, 0, 1e7, true);
    if (given.smoothing !== undefined) number(`${phase}.smoothing`, given.smoothing, 0, 0.9);
    if (phase === 'dense') continue;
    number('adaptive.target', given.target, 0.01, 1);
    if (given.flopsWeight !== undefined) number('adaptive.flopsWeight', given.flopsWeight, 0, 1e4);
    if (given.maskerRate !== undefined) number('adaptive.maskerRate', given.maskerRate, 0, 100);
    if (given.alwaysActive !== undefined) number('adaptive.alwaysActive', given.alwaysActive, 0, 0.9);
    if (given.distillation !== undefined) {
      const distillation = object('adaptive.distillation', given.distillation);
      onlyKnown('adaptive.distillation', distillation, accepted.distillation);
      number('adaptive.distillation.weight', distillation.weight, 0, 1000);
      number('adaptive.distillation.temperature', distillation.temperature, 0.1, 1000);
    }
    if (given.bounds !== undefined) {
      const bounds = given.bounds as unknown[];
      if (!Array.isArray(bounds) || bounds.length !== 2) fail('adaptive.bounds is not [lower, upper]');
      number('adaptive.bounds[0]', bounds[0], 0, given.target as number);
      number('adaptive.bounds[1]', bounds[1], given.target as number, 1);
    }
    for (const [field, low, high] of [
      ['temperature', 1e-3, 1e3],
      ['noise', 0, 1],
    ] as const) {
      const pair = given[field];
      if (pair === undefined) continue;
      if (!Array.isArray(pair) || pair.length !== 2) fail(`adaptive.${field} is not [start, end]`);
      for (const [i, entry] of (pair as unknown[]).entries())
        number(`adaptive.${field}[${i}]`, entry, low, high);
    }
  }
  return recipe as unknown as Recipe;
}
