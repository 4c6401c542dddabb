import type { AnyNode, Program } from 'acorn';
import { BRIDGE } from '../bridge.js';
import { boundNames } from './bindings.js';
import type { Editor } from './edits.js';
import { walk } from './walk.js';

/** A loop that keeps variables of the notebook in locals while it runs. */
interface HotLoop {
  /** The loop with its labels. */
  readonly statement: AnyNode;
  /** Variables that it assigns to. */
  readonly names: readonly string[];
  /** The expressions that assign, and what to. */
  readonly writes: readonly { readonly node: AnyNode; readonly names: readonly string[] }[];
}

/** Syntax that can run code which might look at the notebook's variables, or see them as others than they are. */
const foreign: ReadonlySet<string> = new Set([
  'ArrowFunctionExpression',
  'AwaitExpression',
  'ClassDeclaration',
  'ClassExpression',
  'DebuggerStatement',
  'ForInStatement',
  'ForOfStatement',
  'FunctionDeclaration',
  'FunctionExpression',
  'ImportExpression',
  'MetaProperty',
  'NewExpression',
  'ObjectPattern',
  'RestElement',
  'SpreadElement',
  'TaggedTemplateExpression',
  'TemplateLiteral',
  'ThisExpression',
]);
const loops: ReadonlySet<string> = new Set(['ForStatement', 'WhileStatement', 'DoWhileStatement']);
const keeper = `${BRIDGE}kept`;

/**
 * Lets loops at the top level of a cell keep the variables that they assign to in locals. A variable of the
 * notebook is a property of the global object, for which the engine allocates a box with every fraction stored; a
 * local lives in a register. Each assignment is also stored in a field of an object, which the engine does in
 * place, so that an interrupted loop loses nothing: see `KeptVariables`.
 *
 * Only loops in which nothing else can read or write the variables are taken: they call nothing but `Math`.
 *
 * @param isVariable whether a name is known to be a variable of the notebook
 */
export function localise(
  program: Program,
  editor: Editor,
  { cell, isVariable }: { readonly cell: number; isVariable(name: string): boolean },
): void {
  let count = 0;
  for (const statement of program.body as AnyNode[]) {
    const loop = hotLoop(statement, isVariable);
    if (!loop) continue;
    // A name of its own gives each field a shape of its own, which other cells' values cannot spoil.
    const fields = new Map(loop.names.map((name) => [name, `f${cell}_${count++}`]));
    const kept = loop.names.map((name) => `${fields.get(name)}:globalThis.${name}`).join();
    const locals = loop.names.map((name) => `${name}=${keeper}.${fields.get(name)}`).join();
    const back = loop.names.map((name) => `globalThis.${name}=${name};`).join('');
    editor.insert(
      statement.start,
      `{const ${keeper}=${BRIDGE}.keep({${kept}},${JSON.stringify(loop.names)});let ${locals};try{`,
      'open-statement',
    );
    editor.insert(statement.end, `}finally{${back}${BRIDGE}.release()}}`, 'close-statement');
    for (const { node, names } of loop.writes) {
      if (node.type === 'AssignmentExpression' && node.left.type === 'ArrayPattern') {
        const stores = names.map((name) => `,${keeper}.${fields.get(name)}=${name}`);
        editor.insert(node.end, stores.join(''), 'close');
        continue;
      }
      editor.insert(node.start, `(${keeper}.${fields.get(names[0]!)}=`, 'open');
      if (node.type === 'UpdateExpression' && !node.prefix) {
        // Its old value is not used, so that it may as well be the new one.
        editor.insert(node.start, node.operator, 'open');
        editor.blank(node.argument.end, node.end);
      }
      editor.insert(node.end, ')', 'close');
    }
  }
}

function hotLoop(statement: AnyNode, isVariable: (name: string) => boolean): HotLoop | undefined {
  let loop = statement;
  while (loop.type === 'LabeledStatement') loop = loop.body as AnyNode;
  if (!loops.has(loop.type)) return undefined;
  const bound = new Set<string>();
  const writes: { node: AnyNode; names: readonly string[] }[] = [];
  let clean = true;
  walk(statement, (node, { parent }) => {
    if (foreign.has(node.type) && !isConstantText(node)) clean = false;
    switch (node.type) {
      case 'CallExpression':
        if (!isOf(node.callee as AnyNode, 'Math')) clean = false;
        break;
      case 'MemberExpression':
        if (!isHarmless(node)) clean = false;
        break;
      case 'BinaryExpression':
        if (node.operator === 'in' || node.operator === 'instanceof') clean = false;
        break;
      case 'Identifier':
        // A member's name is no reference; everything else that is called so might be one.
        if (node.name === 'globalThis' || node.name === 'arguments') clean = false;
        break;
      case 'VariableDeclaration':
        if (node.kind === 'using' || node.kind === 'await using') clean = false;
        for (const { id } of node.declarations) {
          if (id.type === 'ArrayPattern') clean = false;
          for (const name of boundNames(id)) bound.add(name);
        }
        break;
      case 'CatchClause':
        if (node.param) for (const name of boundNames(node.param)) bound.add(name);
        break;
      case 'AssignmentExpression':
        if (node.left.type === 'Identifier') writes.push({ node, names: [node.left.name] });
        else if (node.left.type === 'ArrayPattern') {
          const swaps =
            node.right.type === 'ArrayExpression' &&
            parent?.type === 'ExpressionStatement' &&
            node.left.elements.every((element) => element?.type === 'Identifier');
          if (swaps) writes.push({ node, names: boundNames(node.left) });
          else clean = false;
        }
        break;
      case 'UpdateExpression':
        if (node.argument.type === 'Identifier') {
          const unused =
            parent?.type === 'ExpressionStatement' ||
            (parent?.type === 'ForStatement' && parent.update === node);
          if (node.prefix || unused) writes.push({ node, names: [node.argument.name] });
          else bound.add(node.argument.name);
        }
        break;
      default:
    }
  });
  if (!clean || bound.has('Math')) return undefined;
  const kept = (name: string) => isVariable(name) && !bound.has(name);
  const names = new Set(writes.flatMap((write) => write.names.filter(kept)));
  if (names.size === 0) return undefined;
  return {
    statement,
    names: [...names],
    writes: writes
      .map(({ node, names: written }) => ({ node, names: written.filter(kept) }))
      .filter(({ names: written }) => written.length > 0),
  };
}

/** A template without expressions is a text. */
function isConstantText(node: AnyNode): boolean {
  return node.type === 'TemplateLiteral' && node.expressions.length === 0;
}

function isOf(node: AnyNode, object: string): boolean {
  return (
    node.type === 'MemberExpression' &&
    !node.computed &&
    node.object.type === 'Identifier' &&
    node.object.name === object
  );
}

/** Elements and lengths of arrays, and what belongs to `Math` and `Number`: other members may be getters. */
function isHarmless(node: AnyNode & { type: 'MemberExpression' }): boolean {
  if (isOf(node, 'Math') || isOf(node, 'Number')) return true;
  if (node.computed) return node.property.type !== 'Literal' || typeof node.property.value === 'number';
  return node.property.type === 'Identifier' && node.property.name === 'length';
}
