import module, { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { synchronousHooks } from './hooks.js';
import { forgetEdited, watchRequires } from './required.js';
import { isLocal, localFile, localUrl, ownPackage } from './resolve.js';

type Namespace = Record<string, unknown>;
type Importer = (specifier: string, options?: object) => Promise<Namespace>;

/** Line of the cell on which an import failed, kept with the error because its stack does not say. */
export const importLines = new WeakMap<object, number>();

/** What `import`, `import.meta` and `require` mean in a cell: as in a module in the notebook's folder. */
export class ModuleLoader {
  readonly #file: string;
  readonly #import: Importer;
  readonly #specifiers = new WeakMap<object, string>();
  #hooked = false;
  readonly require: NodeJS.Require;

  /** `import.meta` of a cell. */
  readonly meta: { url: string; dirname: string; filename: string; resolve(specifier: string): string };

  constructor(private readonly directory: string) {
    const notebook = basename(process.env.JPY_SESSION_NAME ?? '');
    this.#file = join(directory, notebook.endsWith('.ipynb') ? notebook : 'notebook.ts');
    // An import inside this script is resolved by Node as one in a file of the notebook's folder.
    this.#import = vm.runInThisContext('(specifier, options) => import(specifier, options)', {
      filename: this.#file,
      importModuleDynamically: vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER as never,
    }) as Importer;
    const nativeRequire = createRequire(this.#file);
    const require = (specifier: string) => {
      this.#hook();
      forgetEdited();
      return nativeRequire(specifier) as unknown;
    };
    this.require = Object.assign(require, nativeRequire) as NodeJS.Require;
    this.meta = {
      url: pathToFileURL(this.#file).href,
      dirname: directory,
      filename: this.#file,
      resolve: (specifier) => this.#resolve(specifier),
    };
  }

  /** A dynamic or static import of a cell. `line` is where it stands, when the stack will not tell. */
  async import(specifier: unknown, options?: object, line?: number): Promise<Namespace> {
    try {
      const { url, attributes } = this.#address(String(specifier), options);
      const namespace = await this.#import(url, attributes);
      this.#specifiers.set(namespace, String(specifier));
      return namespace;
    } catch (error) {
      const explained = explain(error, String(specifier), this.directory);
      if (line !== undefined && typeof explained === 'object' && explained !== null)
        importLines.set(explained, line);
      throw explained;
    }
  }

  /**
   * One name of a module. CommonJS modules give names that Node did not foresee by their default export.
   *
   * @param wanted whether the cell uses it as a value; a name that only types go by may be missing
   */
  pick(namespace: Namespace, name: string, wanted: boolean): unknown {
    if (name in namespace) return namespace[name];
    const { default: main } = namespace;
    if ((typeof main === 'object' || typeof main === 'function') && main !== null && name in main) {
      return (main as Namespace)[name];
    }
    if (!wanted) return undefined;
    const names = Object.keys(namespace);
    const offered =
      names.length === 0
        ? 'It exports nothing.'
        : `It exports ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}.`;
    throw new SyntaxError(
      `the module '${this.#specifiers.get(namespace) ?? 'imported'}' has no export named '${name}'. ${offered}`,
    );
  }

  #address(specifier: string, options?: object): { url: string; attributes?: object } {
    const own = ownPackage(specifier);
    if (own) return { url: own };
    if (module.isBuiltin(specifier)) return { url: specifier };
    this.#hook();
    forgetEdited();
    if (!isLocal(specifier)) return { url: specifier, ...(options ? { attributes: options } : {}) };
    const file = localFile(specifier, this.directory);
    if (!file) {
      const path = specifier.startsWith('file:')
        ? fileURLToPath(specifier)
        : resolve(this.directory, specifier);
      throw Object.assign(new Error(`Cannot find the file ${path}, imported as '${specifier}'`), {
        code: 'ERR_MODULE_NOT_FOUND',
      });
    }
    const attributes = file.endsWith('.json') ? { with: { type: 'json' } } : options;
    return { url: localUrl(file), ...(attributes ? { attributes } : {}) };
  }

  #resolve(specifier: string): string {
    const own = ownPackage(specifier);
    if (own) return own;
    if (module.isBuiltin(specifier)) return specifier.startsWith('node:') ? specifier : `node:${specifier}`;
    if (isLocal(specifier))
      return pathToFileURL(localFile(specifier, this.directory) ?? resolve(this.directory, specifier)).href;
    return pathToFileURL(this.require.resolve(specifier)).href;
  }

  /** Module hooks cost a little, so they are laid when the first import needs them. */
  #hook(): void {
    if (this.#hooked) return;
    this.#hooked = true;
    watchRequires();
    const { registerHooks } = module as unknown as { registerHooks?(hooks: object): void };
    if (registerHooks) registerHooks(synchronousHooks);
    else module.register('./hooks.js', import.meta.url);
  }
}

/** Adds what helps to an error of Node's loader. */
function explain(error: unknown, specifier: string, directory: string): unknown {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (
    code === 'ERR_MODULE_NOT_FOUND' &&
    !isLocal(specifier) &&
    String(message).includes(`'${packageName(specifier)}'`)
  ) {
    return Object.assign(
      new Error(
        `Cannot find the package '${packageName(specifier)}' from ${directory} upward. Install it with: %npm install ${packageName(specifier)}`,
      ),
      { code },
    );
  }
  return error;
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
