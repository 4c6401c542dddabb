import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type CompiledModule, compileModule, isCompiled } from '../../../typescript/module.js';
import { stampOf } from '../../../typescript/settings.js';
import { userFile } from './resolve.js';

interface Known {
  readonly stamp: string;
  readonly names: ReadonlySet<string> | undefined;
}

const known = new Map<string, Known>();
/** Files whose exports are being determined; within an import cycle they are not known yet. */
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
  const stamp = stampOf(path);
  const before = known.get(path);
  if (before?.stamp === stamp) return before.names;
  open.add(path);
  try {
    const { exports: names } = compileFile(readFileSync(path, 'utf8'), path);
    known.set(path, { stamp, names });
    return names;
  } catch {
    // The file's own import will say what is wrong with it.
    return undefined;
  } finally {
    open.delete(path);
  }
}
