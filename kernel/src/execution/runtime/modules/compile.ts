import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { FileMemo } from '../../../typescript/file-memo.js';
import { type CompiledModule, compileModule, isCompiled } from '../../../typescript/module.js';
import { stampOf } from '../../../typescript/project-settings.js';
import { userFile } from './resolve.js';

const exported = new FileMemo<ReadonlySet<string> | undefined>();
/** Files whose exports are being collected; a file that is imported in a circle has no known exports until then. */
const open = new Set<string>();

/** Compiles one of the user's files; `wanted` asks for CommonJS, whatever the file's own module system is. */
export function compileFile(source: string, file: string, wanted?: 'commonjs'): CompiledModule {
  return compileModule(source, file, {
    wanted,
    exportsOf: (specifier) => exportsOf(specifier, dirname(file)),
  });
}

/** What one of the user's TypeScript files exports when it runs. */
function exportsOf(specifier: string, folder: string): ReadonlySet<string> | undefined {
  const path = userFile(specifier, folder)?.path;
  if (path === undefined || !isCompiled(path) || open.has(path)) return undefined;
  open.add(path);
  try {
    return exported.get(path, stampOf(path), () => compileFile(readFileSync(path, 'utf8'), path).exports);
  } catch {
    // Importing the file reports what is wrong with it.
    return undefined;
  } finally {
    open.delete(path);
  }
}
