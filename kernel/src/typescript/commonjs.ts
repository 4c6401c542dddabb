import type { AnyNode, Program } from 'acorn';
import { parseJavaScript } from './strip.js';
import { walkSyntax } from './walk-syntax.js';

/**
 * A module that has what a CommonJS one exports, for a loader whose own way of running CommonJS modules gives them
 * a `require` that knows nothing of TypeScript; loaded this way, they have the ordinary one.
 *
 * @param code the CommonJS module, compiled
 * @param file where `require` finds it
 */
export function asModule(code: string, file: string): string {
  const path = JSON.stringify(file);
  const names = exportsOf(parseJavaScript(code)).map((name) => JSON.stringify(name));
  return [
    'import{createRequire}from"node:module";',
    `const require=createRequire(${path});delete require.cache[${path}];`,
    `const it=require(${path});export default it;`,
    ...names.map((name, index) => `const e${index}=it[${name}];export{e${index} as ${name}};`),
  ].join('');
}

/** The names that a CommonJS module seems to export. */
function exportsOf(program: Program): string[] {
  const names = new Set<string>();
  walkSyntax(program, (node) => {
    if (node.type !== 'AssignmentExpression') return;
    const { left, right } = node;
    if (isExports(left) && right.type === 'ObjectExpression') {
      for (const property of right.properties) {
        if (property.type === 'Property' && property.key.type === 'Identifier' && !property.computed)
          names.add(property.key.name);
      }
    } else if (left.type === 'MemberExpression' && !left.computed && left.property.type === 'Identifier') {
      const { object } = left;
      if (isExports(object) || (object.type === 'Identifier' && object.name === 'exports'))
        names.add(left.property.name);
    }
  });
  names.delete('default');
  return [...names];
}

/** Whether an expression is `module.exports`. */
function isExports(node: AnyNode): boolean {
  return (
    node.type === 'MemberExpression' &&
    node.object.type === 'Identifier' &&
    node.object.name === 'module' &&
    node.property.type === 'Identifier' &&
    node.property.name === 'exports'
  );
}
