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
import { boundNames } from '../../typescript/bindings.js';
import { walk } from '../../typescript/walk.js';
import type { LoopGuard } from '../wire.js';

/** A loop in which no code but its own can run, as long as its guard holds when it begins. */
export interface LoopProof {
  readonly guard: LoopGuard;
  /** Assignments to names that the loop does not declare itself, and those names. */
  readonly writes: readonly { readonly node: AnyNode; readonly names: readonly string[] }[];
}

/**
 * What is known of a value: a number, a number or `undefined` (an element that may be missing), some primitive
 * value, or a list: an array, typed array or string whose elements are primitive values.
 */
type Kind = 'number' | 'numeric' | 'primitive' | 'list';

const order: readonly Kind[] = ['number', 'numeric', 'primitive', 'list'];

interface Variable {
  readonly name: string;
  /** Not declared by the loop. */
  readonly free: boolean;
  kind: Kind | undefined;
}

interface Scope {
  readonly variables: ReadonlyMap<string, Variable>;
  readonly outer: Scope | undefined;
}

/** Thrown where the proof fails. */
class Unproven extends Error {}

const constants: Readonly<Record<string, Kind>> = {
  NaN: 'number',
  Infinity: 'number',
  undefined: 'numeric',
};
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
  readonly #free = new Map<string, Variable>();
  readonly #inner = new Map<Node, ReadonlyMap<string, Variable>>();
  readonly #lists: ReadonlySet<string>;
  /** Names whose values become keys: a key that is no number could name an accessor. */
  readonly #keys: ReadonlySet<string>;
  readonly #owners = new Set<'Math' | 'Number'>();
  readonly #functions = new Set<string>();
  #writes: { node: AnyNode; names: readonly string[] }[] = [];
  #iterates = false;
  #storesOther = false;
  #changed = false;
  #scope: Scope | undefined;

  constructor(private readonly root: AnyNode) {
    const flows = flowsOf(root);
    if (namesIn(root).has('globalThis')) throw new Unproven();
    this.#lists = closure(listsOf(root), flows, 'both');
    this.#keys = closure(keysOf(root), flows, 'sources');
  }

  proof(): LoopProof {
    do {
      this.#changed = false;
      this.#writes = [];
      this.#statement(this.root as Statement);
    } while (this.#changed);
    const numericLists = this.#hasNumericLists();
    if (numericLists && this.#storesOther) throw new Unproven();
    const free = [...this.#free.values()].map(({ name }) => name);
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

  #variable(name: string): Variable {
    for (let scope = this.#scope; scope; scope = scope.outer) {
      const found = scope.variables.get(name);
      if (found) return found;
    }
    let variable = this.#free.get(name);
    if (!variable) {
      const kind = this.#lists.has(name) ? 'list' : this.#keys.has(name) ? 'number' : 'primitive';
      variable = { name, free: true, kind };
      this.#free.set(name, variable);
    }
    return variable;
  }

  /** Joins what a variable may hold with one value more. */
  #assign(name: string, kind: Kind): void {
    const variable = this.#variable(name);
    if (this.#lists.has(name) !== (kind === 'list')) throw new Unproven();
    const joined = variable.kind === undefined ? kind : join(variable.kind, kind);
    if (joined !== variable.kind) {
      variable.kind = joined;
      this.#changed = true;
    }
  }

  /** Runs `action` in a scope of the names that `declarations` declare by `let` or `const`. */
  #within(node: Node, declarations: readonly Node[], action: () => void): void {
    let variables = this.#inner.get(node);
    if (!variables) {
      const names: string[] = [];
      for (const declaration of declarations as AnyNode[]) {
        if (declaration.type === 'VariableDeclaration' && declaration.kind !== 'var')
          for (const { id } of declaration.declarations) boundNames(id, names);
      }
      variables = new Map(names.map((name) => [name, { name, free: false, kind: undefined }]));
      this.#inner.set(node, variables);
    }
    const outer = this.#scope;
    this.#scope = { variables, outer };
    action();
    this.#scope = outer;
  }

  #statements(nodes: readonly Statement[]): void {
    for (const node of nodes) this.#statement(node);
  }

  #statement(node: Statement): void {
    switch (node.type) {
      case 'BlockStatement':
        this.#within(node, node.body, () => this.#statements(node.body));
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
        this.#within(node, node.init ? [node.init] : [], () => {
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
        this.#within(node, [left], () => {
          this.#assign(id.name, element);
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
        this.#within(
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
      if (init) this.#assign(id.name, this.#any(init));
      else if (kind !== 'var') this.#assign(id.name, 'numeric');
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

  /** What a value is that may be a list, as long as it is only passed on. */
  #any(node: Expression): Kind {
    if (node.type === 'Identifier' && this.#lists.has(node.name)) {
      this.#variable(node.name);
      return 'list';
    }
    return this.#expression(node);
  }

  /** What a value is that something is made of. */
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
        const constant = constants[node.name];
        if (constant) return constant;
        // Until something has been assigned to it nothing can be read from it.
        return this.#variable(node.name).kind ?? 'number';
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
        if (!isOf(callee, 'Math') || node.optional || this.#isDeclared('Math')) throw new Unproven();
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
        if (!this.#isDeclared(object.name) && typeof owner[property.name] === 'number') {
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

  /** Whether the loop itself declares a name where it is used now. */
  #isDeclared(name: string): boolean {
    for (let scope = this.#scope; scope; scope = scope.outer) if (scope.variables.has(name)) return true;
    return false;
  }

  /** What the elements of a list are. */
  #element(list: Expression): Kind {
    if (list.type !== 'Identifier' || !this.#lists.has(list.name)) throw new Unproven();
    this.#variable(list.name);
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
      this.#assign(to.name, kind);
      return;
    }
    if (to.type !== 'MemberExpression' || !to.computed || kind === 'list') throw new Unproven();
    if (kind === 'primitive') this.#storesOther = true;
  }

  /** Notes an assignment to free variables; without names, one whose variable cannot be kept. */
  #write(node: AnyNode, names: readonly string[] | undefined): void {
    const free = (names ?? []).filter((name) => this.#variable(name).free);
    if (names === undefined || free.length > 0) this.#writes.push({ node, names: free });
  }
}

function join(a: Kind, b: Kind): Kind {
  if ((a === 'list') !== (b === 'list')) throw new Unproven();
  return order.indexOf(a) > order.indexOf(b) ? a : b;
}

/** What arithmetic makes of two values: bigints and strings make more of their kind, `undefined` makes NaN. */
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

/** Names whose elements or length the loop reads, or that it goes through. */
function listsOf(root: AnyNode): Set<string> {
  const names = new Set<string>();
  walk(root, (node) => {
    const base =
      node.type === 'MemberExpression'
        ? node.object
        : node.type === 'ForOfStatement'
          ? node.right
          : undefined;
    if (base?.type !== 'Identifier' || base.name === 'Math' || base.name === 'Number') return;
    names.add(base.name);
  });
  return names;
}

/** Names in keys. */
function keysOf(root: AnyNode): Set<string> {
  const names = new Set<string>();
  walk(root, (node) => {
    if (node.type === 'MemberExpression' && node.computed) namesIn(node.property, names);
  });
  return names;
}

function namesIn(node: Node, names: Set<string> = new Set()): Set<string> {
  walk(node, (inner) => {
    if (inner.type === 'Identifier') names.add(inner.name);
  });
  return names;
}

interface Flow {
  readonly to: string;
  readonly from: ReadonlySet<string>;
  /** The value itself is passed on, and not one that was made of it. */
  readonly plain: boolean;
}

/** Which names a value goes to, and from which. */
function flowsOf(root: AnyNode): Flow[] {
  const flows: Flow[] = [];
  const add = (to: Node, from: Node) => {
    const target = to as AnyNode;
    if (target.type !== 'Identifier') return;
    flows.push({ to: target.name, from: namesIn(from), plain: (from as AnyNode).type === 'Identifier' });
  };
  walk(root, (node) => {
    if (node.type === 'VariableDeclarator' && node.init) add(node.id, node.init);
    else if (node.type === 'ForOfStatement' && node.left.type === 'VariableDeclaration') {
      const { id } = node.left.declarations[0]!;
      if (id.type === 'Identifier') flows.push({ to: id.name, from: namesIn(node.right), plain: false });
    } else if (node.type === 'AssignmentExpression') {
      const { left, right } = node;
      if (left.type === 'ArrayPattern' && right.type === 'ArrayExpression') {
        left.elements.forEach((element, index) => {
          const value = right.elements[index];
          if (element && value) add(element, value);
        });
      } else if (node.operator === '=') add(left, right);
      else if (left.type === 'Identifier') flows.push({ to: left.name, from: namesIn(right), plain: false });
    }
  });
  return flows;
}

/**
 * The names given, and those that values reach them from; `both` counts plain passing on, in both directions.
 */
function closure(names: Set<string>, flows: readonly Flow[], how: 'sources' | 'both'): ReadonlySet<string> {
  for (let before = -1; before !== names.size; ) {
    before = names.size;
    for (const { to, from, plain } of flows) {
      if (how === 'sources') {
        if (names.has(to)) for (const name of from) names.add(name);
      } else if (plain) {
        const [source] = from;
        if (names.has(to)) names.add(source!);
        else if (names.has(source!)) names.add(to);
      }
    }
  }
  return names;
}
