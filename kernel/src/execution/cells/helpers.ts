import type { AnyNode, Program } from 'acorn';
import { boundNames } from '../../typescript/bindings.js';
import { Editor } from '../../typescript/edits.js';
import { isPropertyName } from '../../typescript/names.js';
import { walkSyntax } from '../../typescript/walk-syntax.js';
import { helperName } from './reserved-names.js';

/**
 * Gives what a compiler has declared at the top of a cell (helpers, parts of decorated classes, the functions of
 * JSX) names of the cell's own: as variables of the notebook they would otherwise be those of other cells too.
 *
 * @param source the cell as the user wrote it, whose names stay
 * @returns the names given
 */
export function renameHelpers(
  code: string,
  program: Program,
  { source, cell }: { readonly source: string; readonly cell: number },
): { editor: Editor; names: ReadonlySet<string> } {
  const editor = new Editor(code);
  const words = new Set(source.match(/[\p{ID_Continue}$]+/gu) ?? []);
  const renamed = new Map(
    declaredNames(program)
      .filter((name) => !words.has(name))
      .map((name) => [name, helperName(name, cell, source)]),
  );
  if (renamed.size === 0) return { editor, names: new Set() };
  const done = new Set<number>();
  walkSyntax(program, (node, { parent }) => {
    if (node.type !== 'Identifier' || done.has(node.start)) return;
    const name = renamed.get(node.name);
    if (name === undefined || (parent && isForeign(node, parent))) return;
    done.add(node.start);
    editor.replace(node.start, node.end, parent && isShort(parent) ? longForm(parent, name) : name);
  });
  return { editor, names: new Set(renamed.values()) };
}

/** The names that a program declares at its top level. */
function declaredNames(program: Program): string[] {
  const names: string[] = [];
  for (const statement of program.body as AnyNode[]) {
    if (statement.type === 'VariableDeclaration')
      for (const { id } of statement.declarations) boundNames(id, names);
    else if (statement.type === 'FunctionDeclaration' || statement.type === 'ClassDeclaration')
      names.push(statement.id!.name);
    else if (statement.type === 'ImportDeclaration')
      for (const { local } of statement.specifiers) names.push(local.name);
  }
  return names;
}

/** Whether an identifier is a property of another object, and so stays as it is. */
function isForeign(node: AnyNode, parent: AnyNode): boolean {
  if (parent.type === 'ImportSpecifier') return parent.imported === node && !isShort(parent);
  return isPropertyName(node, parent);
}

/** Whether a property or an import goes by the name of its variable. */
function isShort(node: AnyNode): boolean {
  if (node.type === 'Property') return node.shorthand;
  return node.type === 'ImportSpecifier' && node.imported.start === node.local.start;
}

function longForm(parent: AnyNode, name: string): string {
  if (parent.type === 'ImportSpecifier') return `${parent.local.name} as ${name}`;
  return parent.type === 'Property' && parent.key.type === 'Identifier'
    ? `${parent.key.name}: ${name}`
    : name;
}
