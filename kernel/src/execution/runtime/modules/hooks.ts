import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asModule } from '../../../typescript/commonjs.js';
import { isCompiled } from '../../../typescript/module.js';
import { compileFile } from './compile.js';
import { isUserModule, ownPackage, userFile, userUrl } from './resolve.js';

/**
 * Node's module hooks for the user's own files: TypeScript is compiled, extensions may be left out, aliases of
 * tsconfig.json lead where it says, and an edited file is a new module. Everything else goes its ordinary way.
 */
interface ResolveContext {
  readonly parentURL?: string;
  readonly conditions?: readonly string[];
  readonly importAttributes?: Readonly<Record<string, string>>;
}
interface Resolved {
  readonly url: string;
  readonly shortCircuit?: boolean;
  readonly importAttributes?: Readonly<Record<string, string>>;
}
interface LoadContext {
  readonly conditions?: readonly string[];
}
interface Loaded {
  readonly format: string;
  readonly source?: string;
  readonly shortCircuit?: boolean;
}

const pathOf = (url: string) => fileURLToPath(url.replace(/[?#].*$/, ''));

function redirect(specifier: string, { parentURL, importAttributes }: ResolveContext): Resolved | undefined {
  if (parentURL === undefined || !isUserModule(parentURL)) return undefined;
  const own = ownPackage(specifier);
  if (own) return { url: own, shortCircuit: true };
  const found = userFile(specifier, dirname(pathOf(parentURL)));
  if (!found) return undefined;
  const json = found.path.endsWith('.json') && importAttributes?.type === undefined;
  return {
    url: userUrl(found),
    shortCircuit: true,
    ...(json ? { importAttributes: { ...importAttributes, type: 'json' } } : {}),
  };
}

function typescriptFile(url: string): string | undefined {
  if (!isUserModule(url)) return undefined;
  const path = pathOf(url);
  return isCompiled(path) ? path : undefined;
}

function compiled(source: string, file: string, { conditions }: LoadContext): Loaded {
  // Only `require` uses this condition.
  if (conditions?.includes('require')) {
    return { format: 'commonjs', source: compileFile(source, file, 'commonjs').code, shortCircuit: true };
  }
  const { format, code } = compileFile(source, file);
  return {
    format: 'module',
    source: format === 'commonjs' ? asModule(code, file) : code,
    shortCircuit: true,
  };
}

/** For `module.register`, whose hooks run in a separate thread. */
export async function resolve(
  specifier: string,
  context: ResolveContext,
  next: (specifier: string, context: ResolveContext) => Promise<Resolved>,
): Promise<Resolved> {
  return redirect(specifier, context) ?? next(specifier, context);
}

export async function load(
  url: string,
  context: LoadContext,
  next: (url: string, context: LoadContext) => Promise<Loaded>,
): Promise<Loaded> {
  const file = typescriptFile(url);
  return file ? compiled(await readFile(file, 'utf8'), file, context) : next(url, context);
}

/** For `module.registerHooks`, whose hooks run in the thread that imports. */
export const synchronousHooks = {
  resolve(
    specifier: string,
    context: ResolveContext,
    next: (specifier: string, context: ResolveContext) => Resolved,
  ): Resolved {
    return redirect(specifier, context) ?? next(specifier, context);
  },
  load(url: string, context: LoadContext, next: (url: string, context: LoadContext) => Loaded): Loaded {
    const file = typescriptFile(url);
    return file ? compiled(readFileSync(file, 'utf8'), file, context) : next(url, context);
  },
};
