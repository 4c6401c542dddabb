import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isLocal, isUserModule, localFile, localUrl, ownPackage } from './resolve.js';
import { transpileModule } from './transpile.js';

/**
 * Node's module hooks for the user's own files: TypeScript is compiled, extensions may be left out, and an
 * edited file is a new module. Everything else goes its ordinary way.
 */
interface ResolveContext {
  readonly parentURL?: string;
}
interface Resolved {
  readonly url: string;
  readonly shortCircuit?: boolean;
}
interface Loaded {
  readonly format: string;
  readonly source?: string;
  readonly shortCircuit?: boolean;
}

function redirect(specifier: string, parent: string | undefined): string | undefined {
  if (parent === undefined || !isUserModule(parent)) return undefined;
  const own = ownPackage(specifier);
  if (own) return own;
  if (!isLocal(specifier) || specifier.includes('?')) return undefined;
  const file = localFile(specifier, dirname(fileURLToPath(parent.replace(/[?#].*$/, ''))));
  return file && localUrl(file);
}

function typescriptFile(url: string): string | undefined {
  return isUserModule(url) && /\.(?:[cm]?ts|tsx)(?:\?|$)/.test(url)
    ? fileURLToPath(url.replace(/[?#].*$/, ''))
    : undefined;
}

function compiled(source: string, file: string): Loaded {
  const commonjs = file.endsWith('.cts');
  return {
    format: commonjs ? 'commonjs' : 'module',
    source: transpileModule(source, file, commonjs ? 'cjs' : 'esm'),
    shortCircuit: true,
  };
}

/** For `module.register`, whose hooks run in a thread of their own. */
export async function resolve(
  specifier: string,
  context: ResolveContext,
  next: (specifier: string, context: ResolveContext) => Promise<Resolved>,
): Promise<Resolved> {
  const url = redirect(specifier, context.parentURL);
  return url ? { url, shortCircuit: true } : next(specifier, context);
}

export async function load(
  url: string,
  context: object,
  next: (url: string, context: object) => Promise<Loaded>,
): Promise<Loaded> {
  const file = typescriptFile(url);
  return file ? compiled(await readFile(file, 'utf8'), file) : next(url, context);
}

/** For `module.registerHooks`, whose hooks run in the thread that imports. */
export const synchronousHooks = {
  resolve(
    specifier: string,
    context: ResolveContext,
    next: (specifier: string, context: ResolveContext) => Resolved,
  ): Resolved {
    const url = redirect(specifier, context.parentURL);
    return url ? { url, shortCircuit: true } : next(specifier, context);
  },
  load(url: string, context: object, next: (url: string, context: object) => Loaded): Loaded {
    const file = typescriptFile(url);
    return file ? compiled(readFileSync(file, 'utf8'), file) : next(url, context);
  },
};
