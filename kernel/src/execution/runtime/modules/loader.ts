import module, { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { settingsOf } from '../../../typescript/project-settings.js';
import { hookModules } from './register.js';
import { forgetEdited, watchRequires } from './required.js';
import { isLocal, localFile, ownPackage, packageName, userFile, userUrl } from './resolve.js';
import { compileInWorkers } from './workers.js';

type Namespace = Record<string, unknown>;
type Importer = (specifier: string, options?: object) => Promise<Namespace>;

/** Line of the cell on which an import failed, kept with the error because its stack does not say. */
export const importLines = new WeakMap<object, number>();

/** What `import`, `import.meta` and `require` mean in a cell: as in a module in the notebook's folder. */
export class ModuleLoader {
  readonly #file: string;
  readonly #import: Importer;
  /** How and on which line modules were imported last. */
  readonly #imported = new WeakMap<
    object,
    { readonly specifier: string; readonly line: number | undefined }
  >();
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
      const file = module.isBuiltin(specifier) ? undefined : userFile(specifier, directory);
      return nativeRequire(file?.path ?? specifier) as unknown;
    };
    this.require = Object.assign(require, nativeRequire) as NodeJS.Require;
    this.meta = {
      url: pathToFileURL(this.#file).href,
      dirname: directory,
      filename: this.#file,
      resolve: (specifier) => this.#resolve(specifier),
    };
  }

  /** A dynamic or static import of a cell. `line` is its position, when the stack will not show it. */
  async import(specifier: unknown, options?: object, line?: number): Promise<Namespace> {
    try {
      const { url, attributes } = this.#address(String(specifier), options);
      const namespace = await this.#import(url, attributes);
      this.#imported.set(namespace, { specifier: String(specifier), line });
      return namespace;
    } catch (error) {
      const explained = explain(error, String(specifier), this.directory);
      if (line !== undefined && typeof explained === 'object' && explained !== null)
        importLines.set(explained, line);
      throw explained;
    }
  }

  /**
   * One export of a module. Exports of CommonJS modules that Node did not detect are properties of the default export.
   *
   * @param wanted whether the cell uses it as a value; a name that only types use may be missing
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
    const { specifier = 'imported', line } = this.#imported.get(namespace) ?? {};
    const error = new SyntaxError(`the module '${specifier}' has no export named '${name}'. ${offered}`);
    if (line !== undefined) importLines.set(error, line);
    throw error;
  }

  #address(specifier: string, options?: object): { url: string; attributes?: object } {
    const own = ownPackage(specifier);
    if (own) return { url: own };
    if (module.isBuiltin(specifier)) {
      if (/^(?:node:)?worker_threads$/.test(specifier)) compileInWorkers();
      return { url: specifier };
    }
    this.#hook();
    forgetEdited();
    const file = userFile(specifier, this.directory);
    if (!file) {
      // A file of declarations holds only types: nothing of it exists at run time.
      if (isLocal(specifier) && localFile(`${specifier}.d.ts`, this.directory))
        return { url: 'data:text/javascript,' };
      if (!isLocal(specifier)) return { url: specifier, ...(options ? { attributes: options } : {}) };
      const path = specifier.startsWith('file:')
        ? fileURLToPath(specifier)
        : resolve(this.directory, specifier);
      throw Object.assign(new Error(`Cannot find the file ${path}, imported as '${specifier}'`), {
        code: 'ERR_MODULE_NOT_FOUND',
      });
    }
    const attributes = file.path.endsWith('.json') ? { with: { type: 'json' } } : options;
    return { url: userUrl(file), ...(attributes ? { attributes } : {}) };
  }

  #resolve(specifier: string): string {
    const own = ownPackage(specifier);
    if (own) return own;
    if (module.isBuiltin(specifier)) return specifier.startsWith('node:') ? specifier : `node:${specifier}`;
    if (isLocal(specifier))
      return pathToFileURL(localFile(specifier, this.directory) ?? resolve(this.directory, specifier)).href;
    return pathToFileURL(this.require.resolve(specifier)).href;
  }

  /** Module hooks take time to register, so this happens with the first import that needs them. */
  #hook(): void {
    if (this.#hooked) return;
    this.#hooked = true;
    watchRequires();
    hookModules();
    compileInWorkers();
  }
}

/** Adds a hint to an error of Node's loader. */
function explain(error: unknown, specifier: string, directory: string): unknown {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (code !== 'ERR_MODULE_NOT_FOUND' || isLocal(specifier)) return error;
  const settings = settingsOf(directory);
  const alias = settings.aliasOf(specifier);
  const name = packageName(specifier);
  let advice: string | undefined;
  if (alias !== undefined) {
    const tried = settings.candidates(specifier).join(', ');
    advice = `Cannot find '${specifier}', which is an alias by '${alias}' in ${settings.file}: there is no file ${tried}`;
  } else if (
    !/^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~_-][a-z0-9._~-]*$/i.test(name) ||
    /^(?:~|#)/.test(name)
  ) {
    const where = settings.file ?? `a tsconfig.json in ${directory} or above it`;
    advice = `Cannot find '${specifier}', which is not the name of a package. If it is an alias, it belongs in 'paths' of ${where}`;
  } else if (String(message).includes(`'${name}'`)) {
    advice = `Cannot find the package '${name}' from ${directory} upward. Install it with: %npm install ${name}`;
  }
  return advice === undefined ? error : Object.assign(new Error(advice), { code });
}
