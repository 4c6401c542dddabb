import type { Contents } from '@jupyterlab/services';

/** An example notebook. */
export interface Example {
  readonly path: string;
  readonly title: string;
}

/** Our notebooks are numbered: `01-quick-look.ipynb`. */
const NUMBERED = /^\d{2}-[\w.-]+\.ipynb$/;

/** `01-quick-look.ipynb` becomes `Quick look`; a file name has no capitals for terms of the field. */
export function exampleTitle(name: string): string {
  const words = name
    .replace(/^\d+-/, '')
    .replace(/\.ipynb$/, '')
    .replace(/[-_]+/g, ' ')
    .replace(/\bflops\b/g, 'FLOPs')
    .trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The numbered notebooks among the entries of a folder, in their order. */
export function examplesAmong(
  entries: readonly { readonly name: string; readonly path: string; readonly type: string }[],
): Example[] {
  return entries
    .filter(({ name, type }) => type === 'notebook' && NUMBERED.test(name))
    .sort((a, b) => a.name.localeCompare(b.name, 'en'))
    .map(({ name, path }) => ({ path, title: exampleTitle(name) }));
}

/** Looks for example notebooks in `notebooks/` and in the root. @returns an empty list where there are none. */
export async function findExamples(contents: Contents.IManager): Promise<Example[]> {
  const root = await contents.get('', { content: true });
  const entries = (root.content ?? []) as Contents.IModel[];
  const here = examplesAmong(entries);
  if (!entries.some(({ name, type }) => name === 'notebooks' && type === 'directory')) return here;
  const folder = await contents.get('notebooks', { content: true });
  return [...examplesAmong((folder.content ?? []) as Contents.IModel[]), ...here];
}
