import { createRequire } from 'node:module';
import type { transformSync } from 'esbuild';

const require = createRequire(import.meta.url);

interface Amaro {
  transformSync(source: string, options: { mode: 'strip-only' }): { code: string };
}

/**
 * JavaScript of a user's TypeScript file. Types are blanked out, so that lines and columns stay; syntax that
 * has to be compiled (enums, namespaces, decorators, JSX) is, with a source map inside.
 *
 * @throws Error naming the file, the line and the column when it is not TypeScript
 */
export function transpileModule(source: string, file: string, format: 'esm' | 'cjs' = 'esm'): string {
  if (format === 'esm' && !/\.tsx$/.test(file) && !/^\s*@\w/m.test(source)) {
    try {
      return (require('amaro') as Amaro).transformSync(source, { mode: 'strip-only' }).code;
    } catch {
      // Not only types: esbuild compiles it, or says what is wrong with it.
    }
  }
  const esbuild = require('esbuild') as { transformSync: typeof transformSync };
  return esbuild.transformSync(source, {
    loader: file.endsWith('.tsx') ? 'tsx' : 'ts',
    format,
    target: `node${process.versions.node}`,
    sourcemap: 'inline',
    sourcefile: file,
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: true } },
    logLevel: 'silent',
  }).code;
}
