import { SourceMap } from 'node:module';
import type { CellProgram } from '../wire.js';
import type { Position } from './edits.js';

interface Compiled {
  readonly code: string;
  toSource(position: Position): Position;
  toScript(position: Position): Position;
}

const target = `node${process.versions.node}`;

/**
 * Compiles what types alone do not explain: enums, namespaces, parameter properties, decorators, JSX.
 * `using` is left in place, for the cell's rewrite has its own meaning for it.
 *
 * @returns undefined when it is no TypeScript either
 */
export async function compileTypeScript(source: string): Promise<Compiled | undefined> {
  const { transform } = await import('esbuild');
  for (const loader of ['ts', 'tsx'] as const) {
    try {
      const { code, map } = await transform(source, {
        loader,
        target: 'esnext',
        supported: { decorators: false, 'class-field': true, 'class-static-field': true },
        sourcemap: 'external',
        sourcefile: 'cell.ts',
        logLevel: 'silent',
        tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true, useDefineForClassFields: true } },
      });
      return mapped(code, map);
    } catch {
      // The next loader, or the stripper's own complaint.
    }
  }
  return undefined;
}

function mapped(code: string, map: string): Compiled {
  const payload = JSON.parse(map) as ConstructorParameters<typeof SourceMap>[0];
  const sourceMap = new SourceMap(payload);
  const lineCount = code.split('\n').length;
  return {
    code,
    toSource({ line, column }) {
      const entry = sourceMap.findEntry(line, column) as Partial<import('node:module').SourceMapping>;
      return entry.originalLine === undefined
        ? { line, column }
        : { line: entry.originalLine, column: entry.originalColumn ?? 0 };
    },
    toScript({ line, column }) {
      // The first generated place on the line; maps are made for the other direction.
      for (let generated = 0; generated < lineCount; generated++) {
        const entry = sourceMap.findEntry(generated, Number.MAX_SAFE_INTEGER) as Partial<
          import('node:module').SourceMapping
        >;
        if (
          entry.generatedLine === generated &&
          entry.originalLine !== undefined &&
          entry.originalLine >= line
        ) {
          return { line: generated, column: 0 };
        }
      }
      return { line, column };
    },
  };
}

/**
 * Lowers `using` inside functions and blocks for a Node that does not know it.
 *
 * @returns the program, and the way from a place in its lowered main script to one in the script before
 */
export async function lowerUsing(
  program: CellProgram,
): Promise<{ program: CellProgram; before: (position: Position) => Position }> {
  const { transform } = await import('esbuild');
  const lower = (code: string) =>
    transform(code, {
      loader: 'js',
      target,
      logLevel: 'silent',
      sourcemap: 'external',
      sourcefile: 'cell.ts',
    });
  const main = await lower(program.main);
  const functions = program.functions === undefined ? undefined : await lower(program.functions);
  const { toSource } = mapped(main.code, main.map);
  return {
    program: {
      ...program,
      main: main.code,
      mainColumnOffset: 0,
      ...(functions ? { functions: functions.code, functionsColumnOffset: 0 } : {}),
    },
    before(position) {
      const { line, column } = toSource(position);
      return { line, column: line === 0 ? column + program.mainColumnOffset : column };
    },
  };
}
