import { expectArgument, expectOptions } from '../../arguments/expect.js';
import { aFunction, anInteger, anObject, aSignal } from '../../arguments/kinds.js';
import { FoveaError } from '../../errors.js';
import type { Recipe } from '../recipe.js';
import { type Dataset, generateDataset } from './dataset.js';
import { readImageFolder, splitDataset } from './folder.js';
import type { SkippedFile } from './image-files.js';

/** Test images are drawn under another seed than those trained on. */
const testSeed = 1_000_003;

/** The images of a recipe. */
export interface RecipeData {
  readonly train: Dataset;
  readonly test: Dataset;
  /** What of a folder was left out. */
  readonly skipped: readonly SkippedFile[];
}

/**
 * Draws or reads the images that a recipe trains and tests on.
 * @throws FoveaError `bad-file` or `io` for folders, `aborted`
 */
export async function loadRecipeData(
  recipe: Pick<Recipe, 'data' | 'seed' | 'architecture'>,
  options: {
    readonly signal?: AbortSignal;
    readonly onProgress?: (done: number, count: number) => void;
  } = {},
): Promise<RecipeData> {
  expectArgument(recipe, anObject, 'loadRecipeData: recipe');
  expectArgument(recipe.data, anObject, 'loadRecipeData: recipe.data');
  expectArgument(recipe.architecture, anObject, 'loadRecipeData: recipe.architecture');
  expectArgument(recipe.seed, anInteger, 'loadRecipeData: recipe.seed');
  expectOptions(options, { signal: aSignal, onProgress: aFunction }, 'loadRecipeData');
  const { data, seed, architecture } = recipe;
  const { size } = architecture;
  if (data.kind === 'generated') {
    const all = data.train + data.test;
    const draw = (drawSeed: number, count: number, before: number) =>
      generateDataset({
        seed: drawSeed,
        count,
        size,
        ...(options.signal ? { signal: options.signal } : {}),
        onProgress: (done) => options.onProgress?.(before + done, all),
      });
    const test = await draw(seed + testSeed, data.test, 0);
    return { train: await draw(seed, data.train, data.test), test, skipped: [] };
  }
  const folder = await readImageFolder(data.path, {
    size,
    ...options,
  });
  const [train, test] = splitDataset(folder, data.testEvery ?? 5);
  if (train.count === 0 || test.count === 0) {
    throw new FoveaError(
      'bad-file',
      `${data.path} holds ${folder.count} readable images: too few to keep every ${data.testEvery ?? 5}th of a class for testing`,
    );
  }
  return { train, test, skipped: folder.skipped };
}
