import type { Program } from 'acorn';
import type { Position } from '../../typescript/edits.js';
import { walkSyntax } from '../../typescript/walk-syntax.js';
import type { CellProgram } from '../wire.js';
import { mappingOf } from './source-map.js';

/** Whether `using` stands where this Node cannot run it: anywhere but at the cell's top level. */
export function needsLowering(program: Program): boolean {
  if (Number(process.versions.node.split('.')[0]) >= 24) return false;
  let found = false;
  walkSyntax(program, (node, { parent }) => {
    if (node.type === 'VariableDeclaration' && /using$/.test(node.kind) && parent?.type !== 'Program')
      found = true;
  });
  return found;
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
      target: `node${process.versions.node}`,
      logLevel: 'silent',
      sourcemap: 'external',
      sourcefile: 'cell.ts',
    });
  const main = await lower(program.main);
  const functions = program.functions === undefined ? undefined : await lower(program.functions);
  const { toSource } = mappingOf(main.map, main.code);
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
