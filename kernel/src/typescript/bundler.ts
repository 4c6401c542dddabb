import { createRequire } from 'node:module';
import type { Loader, Message, TransformOptions, TransformResult } from 'esbuild';
import { compilerOptions, type ProjectSettings } from './project-settings.js';
import { SourceSyntaxError } from './syntax-error.js';

const require = createRequire(import.meta.url);

/** JavaScript with a source map, as JSON, that leads back to what it was made of. */
export interface Compiled {
  readonly code: string;
  readonly map: string;
}

export interface CompileOptions {
  readonly settings: ProjectSettings;
  /** Name of the source in messages and in the map. */
  readonly file: string;
  /** Kinds of source that it may be, the likeliest first. */
  readonly loaders: readonly Loader[];
  readonly transform: TransformOptions;
}

/**
 * Compiles TypeScript of every kind: enums, namespaces, parameter properties, decorators, JSX.
 *
 * @throws SourceSyntaxError
 */
export function compileSync(source: string, options: CompileOptions): Compiled {
  const { transformSync } = require('esbuild') as typeof import('esbuild');
  const problems: SourceSyntaxError[] = [];
  for (const loader of options.loaders) {
    try {
      return finished(transformSync(source, transformOptions(source, loader, options)), options);
    } catch (error) {
      problems.push(asSyntaxError(error));
    }
  }
  throw furthest(problems);
}

/** The same without waiting. */
export async function compile(source: string, options: CompileOptions): Promise<Compiled> {
  const { transform } = await import('esbuild');
  const problems: SourceSyntaxError[] = [];
  for (const loader of options.loaders) {
    try {
      return finished(await transform(source, transformOptions(source, loader, options)), options);
    } catch (error) {
      problems.push(asSyntaxError(error));
    }
  }
  throw furthest(problems);
}

function transformOptions(
  source: string,
  loader: Loader,
  { settings, file, transform }: CompileOptions,
): TransformOptions {
  const { tsconfigRaw, ...more } = transform;
  const own = typeof tsconfigRaw === 'object' ? tsconfigRaw.compilerOptions : {};
  return {
    loader,
    sourcemap: 'external',
    sourcefile: file,
    sourcesContent: false,
    logLevel: 'silent',
    tsconfigRaw: { compilerOptions: { ...compilerOptions(settings, source), ...own } },
    ...more,
  };
}

function finished({ code, map }: TransformResult, { settings }: CompileOptions): Compiled {
  const { experimentalDecorators, emitDecoratorMetadata } = settings.options;
  if (experimentalDecorators && emitDecoratorMetadata && /\b__decorateClass\d*\(/.test(code)) {
    throw new SourceSyntaxError(
      `${settings.file} sets emitDecoratorMetadata, and esbuild, which compiles decorators here, cannot emit the ` +
        'types of what they decorate. Set it to false to run without that metadata, or compile the file with tsc ' +
        'and import what comes of it.',
    );
  }
  return { code, map };
}

function asSyntaxError(error: unknown): SourceSyntaxError {
  if (error instanceof SourceSyntaxError) return error;
  const [first] = (error as { errors?: Message[] }).errors ?? [];
  if (!first) return new SourceSyntaxError((error as Error).message);
  const { text, location } = first;
  if (!location) return new SourceSyntaxError(text);
  // Columns count bytes.
  const before = Buffer.from(location.lineText).subarray(0, location.column).toString();
  return new SourceSyntaxError(text, { line: location.line - 1, column: before.length });
}

/** The error furthest into the source: that kind of source fits best. */
function furthest(problems: readonly SourceSyntaxError[]): SourceSyntaxError {
  const place = ({ line = -1, column = 0 }: SourceSyntaxError) => line * 1e6 + column;
  return problems.reduce((best, problem) => (place(problem) > place(best) ? problem : best));
}
