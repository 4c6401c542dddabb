import { basename, dirname, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FoveaError } from '@fovea/engine';
import { readFileBytes } from '@fovea/engine/internal';
import { type Material, type MaterialFile, materialOf } from './material.js';
import { sha256Of } from './point.js';

/**
 * A module that registers strategies, with those of the user's files that it imports: its hash changes with any of them.
 * @throws FoveaError `io` or `bad-file` when one cannot be read
 */
export async function moduleMaterial(path: string): Promise<Material> {
  const { follow } = await import('../execution/runtime/modules/resolve.js');
  const first = resolve(path);
  const paths = new Map<string, string>();
  follow(first, paths);
  const files: MaterialFile[] = [];
  for (const each of paths.keys()) {
    const content = await readFileBytes(each);
    const name = each === first ? basename(first) : relative(dirname(first), each);
    files.push({ name, sha256: sha256Of(content), bytes: content.length, path: each });
  }
  return materialOf(files);
}

let areHooked = false;

/**
 * Imports a module, TypeScript too; one that has been imported is only imported again when it has changed.
 * @returns what it exports
 * @throws FoveaError `bad-file` with what the module threw
 */
export async function importModule(path: string): Promise<{ readonly default?: unknown }> {
  // Loaded only where there are modules: most sweeps have none.
  const { hookModules } = await import('../execution/runtime/modules/register.js');
  if (!areHooked) hookModules();
  areHooked = true;
  try {
    return (await import(pathToFileURL(resolve(path)).href)) as { readonly default?: unknown };
  } catch (cause) {
    throw new FoveaError('bad-file', `${path} cannot be loaded: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Imports the modules of a point in the process that computes it.
 * @param hashes of the modules, as the point names them
 * @param paths where they are; none on a worker of a queue, which runs no code that came from elsewhere
 * @throws FoveaError `unsupported` where they are not handed over, `bad-file` for one that has changed since
 */
export async function importModules(
  hashes: readonly string[],
  paths: Readonly<Record<string, string>>,
): Promise<void> {
  for (const hash of hashes) {
    const path = paths[hash];
    if (path === undefined)
      throw new FoveaError('unsupported', 'a point with modules runs only on the machine that started it');
    if ((await moduleMaterial(path)).sha256 !== hash)
      throw new FoveaError('bad-file', `${path} has changed since the sweep was started; start it again`);
    await importModule(path);
  }
}
