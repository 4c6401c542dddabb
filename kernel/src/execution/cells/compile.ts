import { createRequire } from 'node:module';
import { type Options, type Program, parse } from 'acorn';
import { type RewrittenCell, rewrite } from './rewrite.js';

const require = createRequire(import.meta.url);

/** A cell that cannot be compiled; line and column count from 0. */
export class CellSyntaxError extends Error {
  override readonly name = 'SyntaxError';
  constructor(
    message: string,
    readonly line?: number,
    readonly column?: number,
  ) {
    super(message);
  }
}

const syntax: Options = { ecmaVersion: 'latest', sourceType: 'module', allowAwaitOutsideFunction: true };

interface Amaro {
  transformSync(
    source: string,
    options: { mode: 'strip-only' | 'transform'; filename?: string },
  ): { code: string };
}

function strip(source: string): string {
  try {
    return (require('amaro') as Amaro).transformSync(source, { mode: 'strip-only' }).code;
  } catch (error) {
    const { message, startLine, startColumn } = error as {
      message: string;
      startLine?: number;
      startColumn?: number;
    };
    throw new CellSyntaxError(message, startLine === undefined ? undefined : startLine - 1, startColumn);
  }
}

function parseScript(source: string): Program {
  try {
    return parse(source, syntax);
  } catch (error) {
    const { message, loc } = error as SyntaxError & { loc?: { line: number; column: number } };
    throw new CellSyntaxError(message.replace(/ \(\d+:\d+\)$/, ''), loc && loc.line - 1, loc?.column);
  }
}

/** Compiles a cell's TypeScript. @throws CellSyntaxError */
export async function compileCell(
  source: string,
  options: { cell: number; show: boolean },
): Promise<RewrittenCell> {
  const js = strip(source);
  return rewrite(js, parseScript(js), options);
}
