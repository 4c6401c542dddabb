import { createRequire } from 'node:module';
import { type Options, type Program, parse } from 'acorn';
import { SourceSyntaxError } from './syntax-error.js';

const require = createRequire(import.meta.url);

type Swc = typeof import('@swc/wasm-typescript');

interface SwcError {
  readonly code?: 'InvalidSyntax' | 'UnsupportedSyntax';
  readonly message: string;
  readonly startLine?: number;
  readonly startColumn?: number;
}

/** JavaScript, and what was read in it. */
export interface Parsed {
  readonly code: string;
  readonly program: Program;
}

const syntax: Options = { ecmaVersion: 'latest', sourceType: 'module', allowAwaitOutsideFunction: true };

let swc: Swc | undefined;

/**
 * Blanks out types. Code nested too deeply for the stack may leave the WebAssembly instance broken without
 * an error until the next call: what fails on a used instance is tried on a new one.
 *
 * @throws SwcError, or the RangeError or trap of code that is nested too deeply
 */
function blankTypes(source: string): string {
  const used = swc !== undefined;
  swc ??= require('@swc/wasm-typescript') as Swc;
  try {
    return swc.transformSync(source, { mode: 'strip-only', deprecatedTsModuleAsError: true }).code;
  } catch (error) {
    if (!(error instanceof RangeError || isTrap(error))) throw error;
    forgetSwc();
    if (!used) throw error;
    return blankTypes(source);
  }
}

/** A trap of WebAssembly, whose types this project's library does not include. */
function isTrap(error: unknown): boolean {
  return error instanceof Error && error.name === 'RuntimeError';
}

function forgetSwc(): void {
  swc = undefined;
  delete require.cache[require.resolve('@swc/wasm-typescript')];
}

/** Types can hide only where there is a word for them or one of these characters. */
function isPlainJavaScript(source: string): boolean {
  return (
    source.length < 20_000 &&
    !/[<:@]|\b(?:as|satisfies|type|interface|enum|declare|namespace|abstract|import|export)\b|!/.test(source)
  );
}

/**
 * JavaScript of TypeScript with the same lines and columns.
 *
 * @throws SourceSyntaxError where blanking out types is not enough, or what is left cannot be read
 */
export function strip(source: string): Parsed {
  if (isPlainJavaScript(source)) {
    try {
      return { code: source, program: parse(source, syntax) };
    } catch {
      // The stripper has the better message for any error.
    }
  }
  try {
    const code = blankTypes(source);
    return { code, program: parseJavaScript(code) };
  } catch (error) {
    throw asSyntaxError(error);
  }
}

/** Parses JavaScript. @throws SourceSyntaxError */
export function parseJavaScript(source: string): Program {
  try {
    return parse(source, syntax);
  } catch (error) {
    throw asSyntaxError(error);
  }
}

function asSyntaxError(error: unknown): SourceSyntaxError {
  if (error instanceof SourceSyntaxError) return error;
  if (error instanceof RangeError || isTrap(error))
    return new SourceSyntaxError('the code is nested too deeply to be read', { kind: 'too deep' });
  const { loc } = error as { loc?: { line: number; column: number } };
  const { message } = error as Error;
  if (loc) {
    return new SourceSyntaxError(message.replace(/ \(\d+:\d+\)$/, ''), {
      line: loc.line - 1,
      column: loc.column,
    });
  }
  const { code, startLine, startColumn } = error as SwcError;
  return new SourceSyntaxError(message, {
    ...(startLine === undefined ? {} : { line: startLine - 1, column: startColumn ?? 0 }),
    ...(code === 'UnsupportedSyntax' ? { kind: 'more than types' as const } : {}),
  });
}
