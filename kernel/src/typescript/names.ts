import type { AnyNode, Program } from 'acorn';
import { boundNames } from './bindings.js';
import { walkSyntax } from './walk-syntax.js';

/** Whether an identifier only names a property, and so stands for no variable. */
export function isPropertyName(node: AnyNode, parent: AnyNode): boolean {
  switch (parent.type) {
    case 'MemberExpression':
      return parent.property === node && !parent.computed;
    case 'Property':
      return parent.key === node && !parent.computed && !parent.shorthand;
    case 'MethodDefinition':
    case 'PropertyDefinition':
      return parent.key === node && !parent.computed;
    default:
      return false;
  }
}

/** The names that a program uses outside its imports; some may be those of nested scopes. */
export function usedNames(program: Program): Set<string> {
  const names = new Set<string>();
  // `export { a } from 'b'` uses nothing of this module.
  const passedOn = new Set<AnyNode>();
  walkSyntax(program, (node, { parent }) => {
    if (node.type === 'ExportNamedDeclaration' && node.source)
      for (const specifier of node.specifiers) passedOn.add(specifier);
    if (node.type !== 'Identifier' || !parent || isPropertyName(node, parent)) return;
    if (/^Import\w*Specifier$|^(?:Labeled|Break|Continue)Statement$/.test(parent.type)) return;
    if (parent.type === 'ExportSpecifier' && (parent.local !== node || passedOn.has(parent))) return;
    names.add(node.name);
  });
  return names;
}

/** All names that a program declares outside its imports, at any depth. */
export function declaredNames(program: Program): Set<string> {
  const names: string[] = [];
  walkSyntax(program, (node) => {
    switch (node.type) {
      case 'VariableDeclarator':
        boundNames(node.id, names);
        break;
      case 'ArrowFunctionExpression':
        for (const parameter of node.params) boundNames(parameter, names);
        break;
      case 'FunctionDeclaration':
      case 'FunctionExpression':
        for (const parameter of node.params) boundNames(parameter, names);
        if (node.id) names.push(node.id.name);
        break;
      case 'ClassDeclaration':
      case 'ClassExpression':
        if (node.id) names.push(node.id.name);
        break;
      case 'CatchClause':
        if (node.param) boundNames(node.param, names);
        break;
      default:
    }
  });
  return new Set(names);
}

/** Whether a program declares class fields. */
export function hasFields(program: Program): boolean {
  let found = false;
  walkSyntax(program, ({ type }) => {
    if (type === 'PropertyDefinition') found = true;
  });
  return found;
}
