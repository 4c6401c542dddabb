import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { CompletionItem, CompletionItemKind } from 'vscode-languageserver-types';

const FILE: CompletionItemKind = 17;
const FOLDER: CompletionItemKind = 19;

/** A longer list helps nobody, and a folder of images can be long. */
const MOST_NAMES = 500;

/** What could not stand between any quotes as it is. */
const NEEDS_ESCAPE = /['"`\\\p{Cc}]/u;

/**
 * Files and folders whose paths begin with what is written in a string, as it would go on.
 * @param directory what relative paths start from
 * @param typed the string so far; hidden files are offered once their dot is written
 */
export async function fileNames(directory: string, typed: string): Promise<CompletionItem[]> {
  const written = typed.slice(0, typed.lastIndexOf('/') + 1);
  const folder = resolve(directory, written);
  const begun = typed.slice(written.length).toLowerCase();
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const fitting = entries.filter(
    ({ name }) =>
      name.toLowerCase().startsWith(begun) &&
      (begun !== '' || !name.startsWith('.')) &&
      !NEEDS_ESCAPE.test(name),
  );
  return Promise.all(
    fitting.slice(0, MOST_NAMES).map(async (entry) => {
      // A link may lead to a folder.
      const isFolder = entry.isSymbolicLink()
        ? await stat(join(folder, entry.name)).then(
            (found) => found.isDirectory(),
            () => false,
          )
        : entry.isDirectory();
      return isFolder
        ? { label: `${written}${entry.name}/`, kind: FOLDER }
        : { label: written + entry.name, kind: FILE };
    }),
  );
}
