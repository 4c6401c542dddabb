import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

/** Names of the files that exist in the server's memory only, beside the notebook. */
export const projectFile = 'tsconfig.json';
export const globalsFile = '__fovea_globals.d.ts';
export const rootFile = '__fovea_notebook.ts';
export const cellFileName = (cell: number | 'current') => `__fovea_cell_${cell}.ts`;

/** Finds a package's folder as the kernel resolves it. */
function packageFolder(name: string): string | undefined {
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

/**
 * The project that cells are checked in, as the text of a tsconfig.json. It hides any such file on disk: the
 * kernel does not run cells by the user's compiler options, so that checking by them would mislead.
 */
export function projectText(): string {
  const nodeTypes = packageFolder('@types/node');
  const kernel = dirname(require.resolve('../../package.json'));
  const engine = packageFolder('@fovea/engine');
  return JSON.stringify({
    compilerOptions: {
      target: 'esnext',
      module: 'esnext',
      moduleResolution: 'bundler',
      // No DOM: what cells can use is what Node has.
      lib: ['esnext'],
      ...(nodeTypes === undefined ? {} : { types: ['node'], typeRoots: [dirname(nodeTypes)] }),
      strict: true,
      // Parameters, fields and errors without a type are how one writes a quick cell.
      noImplicitAny: false,
      useUnknownInCatchVariables: false,
      strictPropertyInitialization: false,
      skipLibCheck: true,
      noEmit: true,
      allowImportingTsExtensions: true,
      resolveJsonModule: true,
      allowJs: true,
      jsx: 'preserve',
      experimentalDecorators: false,
      paths: {
        '@fovea/kernel': [join(kernel, 'lib', 'index.d.ts')],
        ...(engine === undefined ? {} : { '@fovea/engine': [join(engine, 'lib', 'index.d.ts')] }),
      },
    },
    files: [globalsFile, rootFile],
  });
}
