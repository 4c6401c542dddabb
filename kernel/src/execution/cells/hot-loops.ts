import type { AnyNode, Program } from 'acorn';
import { boundNames } from '../../typescript/bindings.js';
import type { Editor } from '../../typescript/edits.js';
import { walkSyntax } from '../../typescript/walk-syntax.js';
import type { GuardedLoop } from '../wire.js';
import { prove } from './loop-proof.js';

const loops: ReadonlySet<string> = new Set([
  'ForStatement',
  'ForOfStatement',
  'WhileStatement',
  'DoWhileStatement',
]);

export interface LoopNames {
  /** Number of the cell. */
  readonly cell: number;
  /** Names by which the cell's code reaches the runtime and the values it keeps: no names of the cell's own. */
  readonly bridge: string;
  readonly keeper: string;
  /** Whether a name is known to be a variable of the notebook. */
  isVariable(name: string): boolean;
}

/**
 * Lets loops at the top level of a cell keep the variables that they assign to in locals. A variable of the
 * notebook is a property of the global object, for which the engine allocates a box with every fraction stored; a
 * local lives in a register. Each assignment is also stored in a field of an object, which the engine does in
 * place, so that an interrupted loop loses nothing: see `KeptVariables`.
 *
 * Only loops are taken in which no other code can run that might read or write the variables. What the cell's text
 * cannot prove of its variables, a guard checks when the loop begins; if it fails, the loop runs as it was written.
 *
 * @returns those loops as they were written, to be called for after the last edit of the cell
 */
export function localise(
  program: Program,
  editor: Editor,
  { cell, bridge, keeper, isVariable }: LoopNames,
): () => GuardedLoop[] {
  const found: { statement: AnyNode; guard: GuardedLoop['guard']; kept: readonly string[] }[] = [];
  let count = 0;
  for (const statement of program.body as AnyNode[]) {
    const proof = isLoop(statement) ? prove(statement) : undefined;
    if (!proof) continue;
    const { guard } = proof;
    const impossible = new Set([
      ...redeclared(statement),
      // An assignment without names uses a value from before it.
      ...proof.writes.flatMap(({ node, names }) => (names.length === 0 ? updated(node) : [])),
    ]);
    const isKept = (name: string) => isVariable(name) && !impossible.has(name);
    const writes = proof.writes
      .map(({ node, names }) => ({ node, names: names.filter(isKept) }))
      .filter(({ names }) => names.length > 0);
    const kept = [...new Set(writes.flatMap(({ names }) => names))];
    if (kept.length === 0) continue;
    // A name of its own gives each field a shape of its own, which other cells' values cannot spoil.
    const fields = new Map(kept.map((name) => [name, `f${cell}_${count++}`]));
    const values = kept.map((name) => `${fields.get(name)}:globalThis.${name}`).join();
    const locals = kept.map((name) => `${name}=${keeper}.${fields.get(name)}`).join();
    const call = `(${cell},${found.length})`;
    editor.insert(
      statement.start,
      `{if(${bridge}.fits${call}){const ${keeper}=${bridge}.keep({${values}},${JSON.stringify(kept)});let ${locals};try{`,
      'open-statement',
    );
    editor.insert(
      statement.end,
      `}finally{${bridge}.restore()}}else ${bridge}.plain${call}}`,
      'close-statement',
    );
    for (const { node, names } of writes)
      store(editor, node, names, (name) => `${keeper}.${fields.get(name)}`);
    found.push({ statement, guard, kept });
  }
  return () =>
    found.map(({ statement: { start, end }, guard, kept }) => {
      const { line, column } = editor.edited(editor.place(start));
      return { code: editor.apply(start, end, { ends: false, plain: true }), line, column, guard, kept };
    });
}

/** Stores what an expression assigns in fields too. */
function store(
  editor: Editor,
  node: AnyNode,
  names: readonly string[],
  field: (name: string) => string,
): void {
  if (node.type === 'AssignmentExpression' && node.left.type === 'ArrayPattern') {
    editor.insert(node.end, names.map((name) => `,${field(name)}=${name}`).join(''), 'close', 'blank');
    return;
  }
  editor.insert(node.start, `(${field(names[0]!)}=`, 'open', 'blank');
  if (node.type === 'UpdateExpression' && !node.prefix) {
    // Its old value is not used, so the new one does as well.
    editor.insert(node.start, node.operator, 'open', 'blank');
    editor.blank(node.argument.end, node.end, 'as written');
  }
  editor.insert(node.end, ')', 'close', 'blank');
}

function isLoop(statement: AnyNode): boolean {
  let loop = statement;
  while (loop.type === 'LabeledStatement') loop = loop.body as AnyNode;
  return loops.has(loop.type);
}

/** Names that a loop declares by `var`, which no local around it may have. */
function redeclared(statement: AnyNode): string[] {
  const names: string[] = [];
  walkSyntax(statement, (node) => {
    if (node.type === 'VariableDeclaration' && node.kind === 'var')
      for (const { id } of node.declarations) boundNames(id, names);
  });
  return names;
}

function updated(node: AnyNode): string[] {
  return node.type === 'UpdateExpression' && node.argument.type === 'Identifier' ? [node.argument.name] : [];
}
