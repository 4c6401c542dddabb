import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { type Options, type Program, parse } from 'acorn';
import type { CellProgram } from '../wire.js';
import type { Position } from './edits.js';
import { compileTypeScript, lowerUsing } from './esbuild.js';
import { type RewriteOptions, rewrite } from './rewrite.js';
import { CellSyntaxError } from './syntaxError.js';
import { walk } from './walk.js';

export { CellSyntaxError } from './syntaxError.js';

const require = createRequire(import.meta.url);

/** A cell ready to run, and the way back from its places to those of the user's code. */
export interface CompiledCell {
  readonly program: CellProgram;
  /** Whether the cell is a lone object literal, which TypeScript would take for a block. */
  readonly isExpression: boolean;
  /** Place in the user's code of a place in the running script (zero-based). */
  toSource(position: Position): Position;
  /** Place in the running script of a place in the user's code. */
  toScript(position: Position): Position;
}

interface JavaScript {
  readonly code: string;
  /** Whether statements were printed anew, so that their ends say nothing. */
  readonly compiled?: boolean;
  readonly toSource: (position: Position) => Position;
  readonly toScript: (position: Position) => Position;
}

const syntax: Options = { ecmaVersion: 'latest', sourceType: 'module', allowAwaitOutsideFunction: true };
const same = (position: Position) => position;

interface Amaro {
  transformSync(source: string, options: { mode: 'strip-only' }): { code: string };
}

interface AmaroError {
  readonly code?: 'InvalidSyntax' | 'UnsupportedSyntax';
  readonly message: string;
  readonly startLine?: number;
  readonly startColumn?: number;
}

let amaro: Amaro | undefined;

/**
 * Blanks out types. Code nested beyond the stack may leave the WebAssembly instance in pieces without saying
 * so until the next call: what fails on a used instance is tried on a new one.
 *
 * @throws AmaroError, or the RangeError or trap of code that is nested too deeply
 */
function strip(source: string): string {
  const used = amaro !== undefined;
  amaro ??= require('amaro') as Amaro;
  try {
    return amaro.transformSync(source, { mode: 'strip-only' }).code;
  } catch (error) {
    if (!(error instanceof RangeError || isTrap(error))) throw error;
    forgetAmaro();
    if (!used) throw error;
    return strip(source);
  }
}

/** A trap of WebAssembly, whose types this project's library does not include. */
function isTrap(error: unknown): boolean {
  return error instanceof Error && error.name === 'RuntimeError';
}

function forgetAmaro(): void {
  amaro = undefined;
  const folder = dirname(dirname(require.resolve('amaro')));
  for (const file of Object.keys(require.cache)) if (file.startsWith(folder)) delete require.cache[file];
}

/** Parses JavaScript. @throws CellSyntaxError */
function parseScript(source: string): Program {
  try {
    return parse(source, syntax);
  } catch (error) {
    throw tooDeep(error) ?? fromAcorn(error);
  }
}

function fromAcorn(error: unknown): CellSyntaxError {
  const { message, loc } = error as SyntaxError & { loc?: Position };
  return new CellSyntaxError(message.replace(/ \(\d+:\d+\)$/, ''), loc && loc.line - 1, loc?.column);
}

function fromAmaro({ message, startLine, startColumn }: AmaroError): CellSyntaxError {
  return new CellSyntaxError(message, startLine === undefined ? undefined : startLine - 1, startColumn);
}

function tooDeep(error: unknown): CellSyntaxError | undefined {
  return error instanceof RangeError || isTrap(error)
    ? new CellSyntaxError('the cell is nested too deeply to be read')
    : undefined;
}

/** Types can hide only where there is a word for them or one of these characters. */
function isPlainJavaScript(source: string): boolean {
  return (
    source.length < 20_000 &&
    !/[<:@]|\b(?:as|satisfies|type|interface|enum|declare|namespace|abstract|import|export)\b|!/.test(source)
  );
}

/** JavaScript of a cell's TypeScript with the same lines and columns, where that is possible. */
async function toJavaScript(source: string): Promise<JavaScript & { program: Program }> {
  if (isPlainJavaScript(source)) {
    try {
      return { code: source, program: parse(source, syntax), toSource: same, toScript: same };
    } catch {
      // Whatever it is, the stripper has the better message.
    }
  }
  let problem: CellSyntaxError;
  try {
    const code = strip(source);
    return { code, program: parseScript(code), toSource: same, toScript: same };
  } catch (error) {
    const deep = tooDeep(error);
    if (deep) throw deep;
    problem = error instanceof CellSyntaxError ? error : fromAmaro(error as AmaroError);
  }
  const compiled = await compileTypeScript(source);
  if (!compiled) throw problem;
  return { ...compiled, compiled: true, program: parseScript(compiled.code) };
}

/** A cell that is one object literal, `{ a: 1, b: 2 }`, is an expression and not a block. */
async function asObject(source: string): Promise<(JavaScript & { program: Program }) | undefined> {
  if (!/^\s*\{[\s\S]*\}\s*$/.test(source)) return undefined;
  try {
    // The bracket takes a column of the first line, which is given back below.
    const js = await toJavaScript(`(${source}\n)`);
    const [only, ...more] = js.program.body;
    if (
      more.length > 0 ||
      only?.type !== 'ExpressionStatement' ||
      only.expression.type !== 'ObjectExpression'
    )
      return undefined;
    const shift = (by: number) => (position: Position) =>
      position.line === 0 ? { line: 0, column: position.column + by } : position;
    return {
      ...js,
      toSource: (position) => shift(-1)(js.toSource(position)),
      toScript: (position) => js.toScript(shift(1)(position)),
    };
  } catch {
    return undefined;
  }
}

/** Whether `using` stands where this Node cannot run it: anywhere but at the cell's top level. */
function needsLowering(program: Program): boolean {
  if (Number(process.versions.node.split('.')[0]) >= 24) return false;
  let found = false;
  walk(program, (node, { parent }) => {
    if (node.type === 'VariableDeclaration' && /using$/.test(node.kind) && parent?.type !== 'Program')
      found = true;
  });
  return found;
}

/** Whether a cell's last statement ends in a semicolon, trailing comments aside. */
function endsInSemicolon(source: string): boolean {
  return /;\s*(?:\/\/[^\n]*\s*|\/\*[\s\S]*?\*\/\s*)*$/.test(source);
}

/** Enums and namespaces, which merge with what their name holds. */
const merging = /\b(?:enum|namespace|module)\s+([\p{ID_Start}$_][\p{ID_Continue}$]*)/gu;

/**
 * Compiles a cell.
 *
 * @param source TypeScript, with magics already translated
 * @param options `cell`: its number; `variables`: those of earlier cells, if loops may keep them in locals
 * @throws CellSyntaxError
 */
export async function compileCell(
  source: string,
  options: Pick<RewriteOptions, 'cell' | 'variables'>,
): Promise<CompiledCell> {
  const object = await asObject(source);
  const js = object ?? (await toJavaScript(source));
  const result = js.compiled ? !endsInSemicolon(source) : 'without-semicolon';
  const { editor, ...rewritten } = rewrite(js.code, js.program, { ...options, result });
  const names = new Set(rewritten.names);
  const resetNames = [...source.matchAll(merging)]
    .map((match) => match[1]!)
    .filter((name) => names.has(name));
  const helperNames = js.compiled ? rewritten.names.filter((name) => !source.includes(name)) : [];
  const program: CellProgram = { ...rewritten, resetNames, helperNames };
  const lowered = needsLowering(js.program) ? await lowerUsing(program) : { program, before: same };
  return {
    program: lowered.program,
    isExpression: object !== undefined,
    toSource: (position) => js.toSource(editor.original(lowered.before(position))),
    toScript: (position) => editor.edited(js.toScript(position)),
  };
}

/** Checks that a cell can be read at all. @throws CellSyntaxError */
export function checkSyntax(source: string): void {
  try {
    parseScript(strip(source));
  } catch (error) {
    const problem =
      tooDeep(error) ?? (error instanceof CellSyntaxError ? error : fromAmaro(error as AmaroError));
    const unsupported =
      (error as AmaroError).code === 'UnsupportedSyntax' || /^\s*(?:export\s+)?@\w/m.test(source);
    if (!unsupported) throw problem;
  }
}
