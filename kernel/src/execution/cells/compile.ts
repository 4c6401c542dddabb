import type { Program } from 'acorn';
import { compile, compileSync } from '../../typescript/bundler.js';
import type { Position } from '../../typescript/edits.js';
import { hasFields } from '../../typescript/names.js';
import {
  definesFields,
  noSettings,
  type ProjectSettings,
  settingsOf,
} from '../../typescript/project-settings.js';
import { parseJavaScript, strip } from '../../typescript/strip.js';
import { SourceSyntaxError } from '../../typescript/syntax-error.js';
import type { CellProgram } from '../wire.js';
import { renameHelpers } from './helpers.js';
import { lowerUsing, needsLowering } from './lowering.js';
import { type RewriteOptions, rewrite } from './rewrite-cell.js';
import { type Mapping, mappingOf } from './source-map.js';

/** A cell ready to run, and the mapping from its positions to those of the user's code. */
export interface CompiledCell extends Mapping {
  readonly program: CellProgram;
  /** Whether the cell is a lone object literal, which TypeScript would take for a block. */
  readonly isExpression: boolean;
  /** Lines of the running script that are the cell's; what follows is the kernel's. */
  readonly lineCount: number;
}

export interface CompileCellOptions extends Pick<RewriteOptions, 'cell' | 'variables'> {
  /** The notebook's folder, whose tsconfig.json counts; by default the folder of the process. */
  readonly directory?: string | undefined;
}

interface JavaScript extends Mapping {
  readonly code: string;
  readonly program: Program;
  /** Whether statements were printed by a compiler: their ends are not those of the source. */
  readonly compiled?: boolean;
  /** Names that the compiler declared. */
  readonly helpers?: ReadonlySet<string>;
}

const unmoved: Mapping = { toSource: (position) => position, toScript: (position) => position };

/** JavaScript of a cell's TypeScript with the same lines and columns, where that is possible. */
async function toJavaScript(source: string, cell: number, settings: ProjectSettings): Promise<JavaScript> {
  try {
    const stripped = strip(source);
    if (definesFields(settings) || !hasFields(stripped.program)) return { ...stripped, ...unmoved };
  } catch (error) {
    if (!(error instanceof SourceSyntaxError) || error.kind === 'too deep') throw error;
  }
  const { code, map } = await compile(source, {
    settings,
    file: 'cell.ts',
    loaders: ['ts', 'tsx'],
    transform: {
      target: 'esnext',
      // `using` is left in place, for the cell's rewrite has its own meaning for it.
      supported: { decorators: false, 'class-field': true, 'class-static-field': true },
      // Later cells may use names that this one does not.
      tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    },
  });
  const { editor, names } = renameHelpers(code, parseJavaScript(code), { source, cell });
  const { toSource, toScript } = mappingOf(map, code);
  const renamed = editor.apply();
  return {
    code: renamed,
    program: parseJavaScript(renamed),
    compiled: true,
    helpers: names,
    toSource: (position) => toSource(editor.original(position)),
    toScript: (position) => editor.edited(toScript(position)),
  };
}

/** A cell that is one object literal, `{ a: 1, b: 2 }`, is an expression and not a block. */
async function asObject(
  source: string,
  cell: number,
  settings: ProjectSettings,
): Promise<JavaScript | undefined> {
  if (!/^\s*\{[\s\S]*\}\s*$/.test(source)) return undefined;
  try {
    // The bracket shifts the first line by a column, which is corrected below.
    const js = await toJavaScript(`(${source}\n)`, cell, settings);
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

/** Whether a cell's last statement ends in a semicolon, trailing comments aside. */
function endsInSemicolon(source: string): boolean {
  let at = source.indexOf(';');
  while (at >= 0) {
    const end = behindComments(source, at + 1);
    if (end === source.length) return true;
    at = source.indexOf(';', end);
  }
  return false;
}

/** Index of the next character that is neither white space nor in a comment. */
function behindComments(source: string, from: number): number {
  const blank = /\s*/y;
  for (let at = from; ; ) {
    blank.lastIndex = at;
    blank.test(source);
    at = blank.lastIndex;
    const end = source.startsWith('//', at)
      ? source.indexOf('\n', at)
      : source.startsWith('/*', at)
        ? source.indexOf('*/', at + 2) + 2
        : at;
    if (end === at) return at;
    if (end < at) return source.length;
    at = end;
  }
}

/** Enums and namespaces, which merge with what their name holds. */
const merging = /\b(?:enum|namespace|module)\s+([\p{ID_Start}$_][\p{ID_Continue}$]*)/gu;

/**
 * Compiles a cell.
 *
 * @param source TypeScript, with magics already translated
 * @param options `cell`: its number; `variables`: those of earlier cells, if loops may keep them in locals
 * @throws SourceSyntaxError
 */
export async function compileCell(source: string, options: CompileCellOptions): Promise<CompiledCell> {
  const { cell, variables, directory = process.cwd() } = options;
  const settings = settingsOf(directory);
  const object = await asObject(source, cell, settings);
  const js = object ?? (await toJavaScript(source, cell, settings));
  const helpers = js.helpers ?? new Set();
  const lowers = needsLowering(js.program);
  const { editor, ...rewritten } = rewrite(js.code, js.program, {
    cell,
    helpers,
    result: js.compiled ? !endsInSemicolon(source) : 'without-semicolon',
    // The original loops could not be found in lowered code.
    variables: lowers ? undefined : variables,
  });
  const names = new Set(rewritten.names);
  const resetNames = [...source.matchAll(merging)]
    .map((match) => match[1]!)
    .filter((name) => names.has(name));
  const helperNames = rewritten.names.filter((name) => helpers.has(name));
  const program: CellProgram = { ...rewritten, resetNames, helperNames };
  const lowered = lowers ? await lowerUsing(program) : { program, before: unmoved.toSource };
  return {
    program: lowered.program,
    isExpression: object !== undefined,
    lineCount: (lowers ? lowered.program.main : js.code).split('\n').length,
    toSource: (position) => js.toSource(editor.original(lowered.before(position))),
    toScript: (position) => editor.edited(js.toScript(position)),
  };
}

/** Checks that a cell can be parsed. @throws SourceSyntaxError */
export function checkSyntax(source: string): void {
  try {
    strip(source);
  } catch (error) {
    if ((error as SourceSyntaxError).kind === 'too deep') throw error;
    const more =
      (error as SourceSyntaxError).kind === 'more than types' || /^[^\S\n]*(?:export\s+)?@\w/m.test(source);
    if (more) return;
    if (!/<[\w.]*(?:\s[^<]*)?\/?>/.test(source)) throw error;
    compileSync(source, { settings: noSettings, file: 'cell.tsx', loaders: ['tsx'], transform: {} });
  }
}
