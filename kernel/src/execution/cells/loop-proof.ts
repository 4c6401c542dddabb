import type {
  AnyNode,
  ArrayPattern,
  AssignmentExpression,
  Expression,
  MemberExpression,
  Node,
  Statement,
  VariableDeclaration,
} from 'acorn';
import type { LoopGuard } from '../wire.js';
import { closure, flowsOf, keysOf, listsOf, namesIn } from './loop-flows.js';
import { join, type Kind, LoopVariables, Unproven } from './loop-variables.js';

/** A loop during which no other code can run, provided its guard holds when it begins. */
export interface LoopProof {
  readonly guard: LoopGuard;
  /** Assignments to names that the loop does not declare itself, and those names. */
  readonly writes: readonly { readonly node: AnyNode; readonly names: readonly string[] }[];
}

const constants: ReadonlyMap<string, Kind> = new Map([
  ['NaN', 'number'],
  ['Infinity', 'number'],
  ['undefined', 'numeric'],
]);
const arithmetic = new Set(['-', '*', '/', '%', '**', '&', '|', '^', '<<', '>>']);
const comparison = new Set(['==', '!=', '===', '!==', '<', '<=', '>', '>=']);

/**
 * Proves that a loop runs no code but its own: that it calls nothing but `Math`, converts only primitive values,
 * and reads only elements of arrays that have no accessors. Which of its variables hold such values when it
 * begins is for the guard to find out; the proof is that they still do afterwards.
 *
 * @returns undefined when that cannot be proved
 */
export function prove(statement: AnyNode): LoopProof | undefined {
  try {
    return new Prover(statement).proof();
  } catch (error) {
    if (error instanceof Unproven) return undefined;
    throw error;
  }
}

class Prover {
  readonly #variables: LoopVariables;
  readonly #lists: ReadonlySet<string>;
  /** Names whose values become keys: a key that is no number could name an accessor. */
  readonly #keys: ReadonlySet<string>;
  readonly #owners = new Set<'Math' | 'Number'>();
  readonly #functions = new Set<string>();
  #writes: { node: AnyNode; names: readonly string[] }[] = [];
  #iterates = false;
  #storesOther = false;

  constructor(private readonly root: AnyNode) {
    const flows = flowsOf(root);
    if (namesIn(root).has('globalThis')) throw new Unproven();
    this.#lists = closure(listsOf(root), flows, 'both');
    this.#keys = closure(keysOf(root), flows, 'sources');
    this.#variables = new LoopVariables(this.#lists, this.#keys);
  }

  proof(): LoopProof {
    this.#variables.settle(() => {
      this.#writes = [];
      this.#statement(this.root as Statement);
    });
    const numericLists = this.#hasNumericLists();
    if (numericLists && this.#storesOther) throw new Unproven();
    const free = this.#variables.free();
    const scalars = free.filter((name) => !this.#lists.has(name));
    return {
      writes: this.#writes,
      guard: {
        numbers: scalars.filter((name) => this.#keys.has(name)),
        primitives: scalars.filter((name) => !this.#keys.has(name)),
        lists: free.filter((name) => this.#lists.has(name)),
        numericLists,
        iterates: this.#iterates,
        owners: [...this.#owners],
        functions: [...this.#functions],
      },
    };
  }

  #hasNumericLists(): boolean {
    return [...this.#lists].some((name) => this.#keys.has(name));
  }

  #statements(nodes: readonly Statement[]): void {
    for (const node of nodes) this.#statement(node);
  }

  #statement(node: Statement): void {
    switch (node.type) {
      case 'BlockStatement':
        this.#variables.within(node, node.body, () => this.#statements(node.body));
        break;
      case 'EmptyStatement':
      case 'BreakStatement':
      case 'ContinueStatement':
        break;
      case 'ExpressionStatement':
        this.#effect(node.expression);
        break;
      case 'IfStatement':
        this.#value(node.test);
        this.#statement(node.consequent);
        if (node.alternate) this.#statement(node.alternate);
        break;
      case 'ForStatement':
        this.#variables.within(node, node.init ? [node.init] : [], () => {
          if (node.init?.type === 'VariableDeclaration') this.#declaration(node.init);
          else if (node.init) this.#effect(node.init);
          if (node.test) this.#value(node.test);
          if (node.update) this.#effect(node.update);
          this.#statement(node.body);
        });
        break;
      case 'ForOfStatement': {
        const { left, right } = node;
        if (node.await || left.type !== 'VariableDeclaration') throw new Unproven();
        const id = left.declarations[0]!.id;
        if (id.type !== 'Identifier' || left.kind === 'using' || left.kind === 'await using')
          throw new Unproven();
        const element = this.#element(right);
        this.#iterates = true;
        this.#variables.within(node, [left], () => {
          this.#variables.assign(id.name, element);
          this.#statement(node.body);
        });
        break;
      }
      case 'WhileStatement':
      case 'DoWhileStatement':
        this.#value(node.test);
        this.#statement(node.body);
        break;
      case 'LabeledStatement':
        this.#statement(node.body);
        break;
      case 'SwitchStatement':
        this.#value(node.discriminant);
        this.#variables.within(
          node,
          node.cases.flatMap(({ consequent }) => consequent),
          () => {
            for (const { test, consequent } of node.cases) {
              if (test) this.#value(test);
              this.#statements(consequent);
            }
          },
        );
        break;
      case 'ThrowStatement':
        this.#value(node.argument);
        break;
      case 'VariableDeclaration':
        this.#declaration(node);
        break;
      default:
        throw new Unproven();
    }
  }

  #declaration({ kind, declarations }: VariableDeclaration): void {
    if (kind === 'using' || kind === 'await using') throw new Unproven();
    for (const { id, init } of declarations) {
      if (id.type !== 'Identifier') throw new Unproven();
      if (init) this.#variables.assign(id.name, this.#any(init));
      else if (kind !== 'var') this.#variables.assign(id.name, 'numeric');
    }
  }

  /** An expression whose value is not used. */
  #effect(node: Expression): void {
    if (node.type === 'SequenceExpression')
      for (const expression of node.expressions) this.#effect(expression);
    else if (node.type === 'UpdateExpression') this.#update(node, true);
    else if (node.type === 'AssignmentExpression' && node.left.type === 'ArrayPattern')
      this.#swap(node, node.left);
    else this.#any(node);
  }

  /** The kind of a value that may be a list, if it is only passed on. */
  #any(node: Expression): Kind {
    if (node.type === 'Identifier' && this.#lists.has(node.name)) {
      this.#variables.variable(node.name);
      return 'list';
    }
    return this.#expression(node);
  }

  /** The kind of a value from which another is computed. */
  #value(node: Expression): Kind {
    const kind = this.#any(node);
    if (kind === 'list') throw new Unproven();
    return kind;
  }

  #expression(node: Expression): Kind {
    switch (node.type) {
      case 'Literal':
        if ('regex' in node && node.regex) throw new Unproven();
        return typeof node.value === 'number' ? 'number' : 'primitive';
      case 'TemplateLiteral':
        for (const expression of node.expressions) this.#value(expression);
        return 'primitive';
      case 'Identifier': {
        const constant = constants.get(node.name);
        if (constant && !this.#variables.isDeclared(node.name)) return constant;
        // Until something has been assigned to it nothing can be read from it.
        return this.#variables.variable(node.name).kind ?? 'number';
      }
      case 'MemberExpression':
        return this.#member(node);
      case 'UnaryExpression': {
        if (node.operator === 'delete') throw new Unproven();
        const kind = this.#value(node.argument);
        if (node.operator === '+') return 'number';
        if (node.operator === '-' || node.operator === '~') return calculated(kind, kind);
        return node.operator === 'void' ? 'numeric' : 'primitive';
      }
      case 'UpdateExpression':
        return this.#update(node, false);
      case 'BinaryExpression':
        if (node.left.type === 'PrivateIdentifier') throw new Unproven();
        return this.#binary(node.operator, this.#value(node.left), this.#value(node.right));
      case 'LogicalExpression':
        return join(this.#value(node.left), this.#value(node.right));
      case 'ConditionalExpression':
        this.#value(node.test);
        return join(this.#value(node.consequent), this.#value(node.alternate));
      case 'SequenceExpression':
        for (const expression of node.expressions.slice(0, -1)) this.#effect(expression);
        return this.#value(node.expressions.at(-1)!);
      case 'AssignmentExpression':
        return this.#assignment(node);
      case 'CallExpression': {
        const { callee } = node;
        if (!isOf(callee, 'Math') || node.optional || this.#variables.isDeclared('Math'))
          throw new Unproven();
        const { name } = callee.property as { name: string };
        if (typeof (Math as unknown as Record<string, unknown>)[name] !== 'function') throw new Unproven();
        this.#owners.add('Math');
        this.#functions.add(name);
        for (const argument of node.arguments) {
          if (argument.type === 'SpreadElement') throw new Unproven();
          this.#value(argument);
        }
        return 'number';
      }
      default:
        throw new Unproven();
    }
  }

  #binary(operator: string, left: Kind, right: Kind): Kind {
    if (operator === '+' || arithmetic.has(operator)) return calculated(left, right);
    if (operator === '>>>') return 'number';
    if (comparison.has(operator)) return 'primitive';
    throw new Unproven();
  }

  #member(node: MemberExpression): Kind {
    if (node.optional || node.object.type === 'Super') throw new Unproven();
    const { object, property } = node;
    if (!node.computed && object.type === 'Identifier' && property.type === 'Identifier') {
      if (this.#lists.has(object.name) && property.name === 'length') {
        this.#element(object);
        return 'number';
      }
      if (object.name === 'Math' || object.name === 'Number') {
        const owner = (object.name === 'Math' ? Math : Number) as unknown as Record<string, unknown>;
        if (!this.#variables.isDeclared(object.name) && typeof owner[property.name] === 'number') {
          this.#owners.add(object.name);
          return 'number';
        }
      }
      throw new Unproven();
    }
    if (!node.computed || property.type === 'PrivateIdentifier') throw new Unproven();
    const element = this.#element(object as Expression);
    const key = this.#value(property as Expression);
    if (key === 'primitive') throw new Unproven();
    return element;
  }

  /** The kind of a list's elements. */
  #element(list: Expression): Kind {
    if (list.type !== 'Identifier' || !this.#lists.has(list.name)) throw new Unproven();
    this.#variables.variable(list.name);
    return this.#hasNumericLists() ? 'numeric' : 'primitive';
  }

  #update(node: Expression & { type: 'UpdateExpression' }, unused: boolean): Kind {
    const { argument, prefix } = node;
    const before = this.#value(argument);
    const after = calculated(before, 'number');
    this.#store(argument, after);
    // A loop in a loop's head uses the old value: that name is not for keeping.
    if (argument.type === 'Identifier') this.#write(node, prefix || unused ? [argument.name] : undefined);
    return prefix ? after : before === 'numeric' ? 'number' : before;
  }

  #assignment(node: AssignmentExpression): Kind {
    const { left, operator } = node;
    if (left.type !== 'Identifier' && left.type !== 'MemberExpression') throw new Unproven();
    if (left.type === 'Identifier') this.#write(node, [left.name]);
    const right = this.#any(node.right);
    if (operator === '=') {
      if (left.type === 'MemberExpression') this.#member(left);
      this.#store(left, right);
      return right;
    }
    if (right === 'list') throw new Unproven();
    const before = this.#value(left);
    const logical = operator === '||=' || operator === '&&=' || operator === '??=';
    const kind = logical ? join(before, right) : this.#binary(operator.slice(0, -1), before, right);
    this.#store(left, kind);
    return kind;
  }

  /** `[a, b] = [b, a]` */
  #swap(node: AssignmentExpression, { elements }: ArrayPattern): void {
    if (node.operator !== '=' || node.right.type !== 'ArrayExpression') throw new Unproven();
    this.#iterates = true;
    const values = node.right.elements.map((element) => {
      if (!element || element.type === 'SpreadElement') throw new Unproven();
      return this.#any(element);
    });
    const names: string[] = [];
    elements.forEach((element, index) => {
      if (element?.type === 'MemberExpression') this.#member(element);
      else if (element?.type === 'Identifier') names.push(element.name);
      else throw new Unproven();
      this.#store(element, values[index] ?? 'numeric');
    });
    this.#write(node, names);
  }

  /** Puts a value into a variable or an element. */
  #store(target: Node, kind: Kind): void {
    const to = target as AnyNode;
    if (to.type === 'Identifier') {
      this.#variables.assign(to.name, kind);
      return;
    }
    if (to.type !== 'MemberExpression' || !to.computed || kind === 'list') throw new Unproven();
    if (kind === 'primitive') this.#storesOther = true;
  }

  /** Notes an assignment to free variables; without names, one whose variable cannot be kept. */
  #write(node: AnyNode, names: readonly string[] | undefined): void {
    const free = (names ?? []).filter((name) => this.#variables.variable(name).free);
    if (names === undefined || free.length > 0) this.#writes.push({ node, names: free });
  }
}

/** The kind of an arithmetic result: bigints and strings make more of their kind, `undefined` makes NaN. */
function calculated(a: Kind, b: Kind): Kind {
  return a === 'primitive' || b === 'primitive' ? 'primitive' : 'number';
}

function isOf(node: Node, object: string): node is MemberExpression {
  const member = node as AnyNode;
  return (
    member.type === 'MemberExpression' &&
    !member.computed &&
    !member.optional &&
    member.object.type === 'Identifier' &&
    member.object.name === object &&
    member.property.type === 'Identifier'
  );
}
