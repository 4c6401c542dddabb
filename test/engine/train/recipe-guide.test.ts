import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseRecipe } from '../../../engine/src/train/recipe.js';

const guide = readFileSync(new URL('../../../docs/training.md', import.meta.url), 'utf8');
const recipe = JSON.parse(/```json\n(.*?)```/s.exec(guide)![1]!);

/** The fields that a part of a recipe may have, as the refusal of another one lists them. */
function fieldsOf(part: string, withUnknown: unknown): string[] {
  try {
    parseRecipe(withUnknown, 'recipe.json');
  } catch (error) {
    const listed = /"unheard"; (.*) are accepted/.exec((error as Error).message)?.[1];
    if (listed !== undefined) return listed.split(', ');
  }
  throw new Error(`${part} takes a field "unheard"`);
}

it('the guide’s recipe is one', () => {
  expect(parseRecipe(recipe, 'training.md')).toEqual(recipe);
});

it.each([
  ['the recipe', { ...recipe, unheard: 1 }],
  ['architecture', { ...recipe, architecture: { ...recipe.architecture, unheard: 1 } }],
  ['drawn data', { ...recipe, data: { ...recipe.data, unheard: 1 } }],
  ['data of a folder', { ...recipe, data: { kind: 'folder', path: 'photos', unheard: 1 } }],
  ['dense', { ...recipe, dense: { ...recipe.dense, unheard: 1 } }],
  ['adaptive', { ...recipe, adaptive: { ...recipe.adaptive, unheard: 1 } }],
])('the guide explains every field of %s', (part, withUnknown) => {
  const explained = [...guide.matchAll(/^\| (`[^|]*`) /gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name),
  );
  for (const field of fieldsOf(part, withUnknown)) expect(explained).toContain(field);
});
