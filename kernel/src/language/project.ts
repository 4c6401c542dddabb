import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import type { ProjectSettings } from '../typescript/project-settings.js';

const require = createRequire(import.meta.url);

/** Names of the files that exist in the server's memory only, beside the notebook. */
export const projectFile = 'tsconfig.json';
export const globalsFile = '__fovea_globals.d.ts';
export const nodeGlobalsFile = '__fovea_node.d.ts';
export const rootFile = '__fovea_notebook.ts';

/** @param kind `tsx` for a cell with JSX, in which type assertions by `<T>` cannot be written */
export const cellFileName = (cell: number | 'current', kind: 'ts' | 'tsx' = 'ts') =>
  `__fovea_cell_${cell}.${kind}`;

/** Finds a package's folder as the kernel resolves it. */
function packageFolder(name: string): string | undefined {
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

/** Entries that are for Fovea's own packages. */
const internal = ['./internal', './presentation'];

/** Where the declarations of a package's public entries are, as `paths` of a tsconfig.json. */
function declarationsOf(name: string, folder: string): Record<string, [string]> {
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { readonly types: string }>;
  };
  return Object.fromEntries(
    Object.entries(exports).flatMap(([entry, target]) =>
      typeof target === 'string' || internal.includes(entry)
        ? []
        : [[`${name}${entry.slice(1)}`, [join(folder, target.types)]]],
    ),
  );
}

/** What counts of a user's compiler options as it stands, beside `paths`, `baseUrl`, `types` and `jsx`. */
const honoured = [
  'experimentalDecorators',
  'emitDecoratorMetadata',
  'useDefineForClassFields',
  'jsxImportSource',
  'jsxFactory',
  'jsxFragmentFactory',
  'customConditions',
  // The user sets strictness option by option: `strict` is on by default.
  'strict',
  'strictNullChecks',
  'strictFunctionTypes',
  'strictBindCallApply',
  'strictPropertyInitialization',
  'noImplicitAny',
  'noImplicitThis',
  'useUnknownInCatchVariables',
  'exactOptionalPropertyTypes',
  'noUncheckedIndexedAccess',
] as const;

/** Whether a user asks for the library of browsers. */
const hasDom = ({ options }: ProjectSettings) => options.lib?.some((name) => /^dom/i.test(name)) ?? false;

/**
 * The project that cells are checked in, as the text of a tsconfig.json. It stands in the server's memory in the
 * place of any such file in the notebook's folder, and takes from the user's what cells are run by too.
 *
 * @param directory the notebook's folder
 */
export function projectText(settings: ProjectSettings, directory: string): string {
  const { file, options, paths, candidates } = settings;
  const nodeTypes = packageFolder('@types/node');
  const kernel = dirname(require.resolve('../../package.json'));
  const engine = packageFolder('@fovea/engine');
  const own = nodeTypes === undefined ? [] : [dirname(nodeTypes)];
  const roots = (options.typeRoots ?? []).map((folder) => resolve(dirname(file ?? directory), folder));
  const taken = honoured.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  return JSON.stringify({
    compilerOptions: {
      target: 'esnext',
      module: 'esnext',
      moduleResolution: 'bundler',
      // Unless the user asks for more: what cells can use is what Node has.
      lib: hasDom(settings) ? ['esnext', 'dom', 'dom.iterable'] : ['esnext'],
      types: [...(nodeTypes === undefined ? [] : ['node']), ...(options.types ?? [])],
      typeRoots: [...own, ...roots, ...typeFolders(directory)],
      strict: true,
      // Quick cells have parameters, fields and errors without a type.
      noImplicitAny: false,
      useUnknownInCatchVariables: false,
      strictPropertyInitialization: false,
      skipLibCheck: true,
      noEmit: true,
      allowImportingTsExtensions: true,
      resolveJsonModule: true,
      allowJs: true,
      experimentalDecorators: false,
      ...Object.fromEntries(taken),
      jsx: options.jsx ?? (options.jsxImportSource === undefined ? 'preserve' : 'react-jsx'),
      paths: {
        ...paths,
        ...(options.baseUrl === undefined || paths['*'] ? {} : { '*': candidates('*') }),
        '@fovea/kernel': [join(kernel, 'lib', 'index.d.ts')],
        ...(engine === undefined ? {} : declarationsOf('@fovea/engine', engine)),
      },
    },
    files: [globalsFile, ...(hasDom(settings) ? [] : [nodeGlobalsFile]), rootFile],
  });
}

/** Where packages of types may be installed, from a folder upward. */
function typeFolders(directory: string): string[] {
  const folders: string[] = [];
  for (let folder = directory; ; folder = dirname(folder)) {
    folders.push(join(folder, 'node_modules', '@types'));
    if (dirname(folder) === folder) return folders;
  }
}
