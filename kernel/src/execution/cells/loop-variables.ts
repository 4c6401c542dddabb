import type { AnyNode, Node } from 'acorn';
import { boundNames } from '../../typescript/bindings.js';

/**
 * What is known of a value: a number, a number or `undefined` (an element that may be missing), some primitive
 * value, or a list: an array, typed array or string whose elements are primitive values.
 */
export type Kind = 'number' | 'numeric' | 'primitive' | 'list';

const order: readonly Kind[] = ['number', 'numeric', 'primitive', 'list'];

export interface Variable {
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
export class Unproven extends Error {}

/** The variables of a loop, and what is known of their values so far: each pass over the loop may add to it. */
export class LoopVariables {
  readonly #free = new Map<string, Variable>();
  readonly #inner = new Map<Node, ReadonlyMap<string, Variable>>();
  #changed = false;
  #scope: Scope | undefined;

  /** @param lists names of lists; `keys`: names whose values become keys, which must be numbers */
  constructor(
    private readonly lists: ReadonlySet<string>,
    private readonly keys: ReadonlySet<string>,
  ) {}

  /** Names that the loop uses and does not declare. */
  free(): string[] {
    return [...this.#free.keys()];
  }

  /** Repeats `pass` until it adds nothing. */
  settle(pass: () => void): void {
    do {
      this.#changed = false;
      pass();
    } while (this.#changed);
  }

  variable(name: string): Variable {
    for (let scope = this.#scope; scope; scope = scope.outer) {
      const found = scope.variables.get(name);
      if (found) return found;
    }
    let variable = this.#free.get(name);
    if (!variable) {
      const kind = this.lists.has(name) ? 'list' : this.keys.has(name) ? 'number' : 'primitive';
      variable = { name, free: true, kind };
      this.#free.set(name, variable);
    }
    return variable;
  }

  /** Joins what a variable may hold with one value more. */
  assign(name: string, kind: Kind): void {
    const variable = this.variable(name);
    if (this.lists.has(name) !== (kind === 'list')) throw new Unproven();
    const joined = variable.kind === undefined ? kind : join(variable.kind, kind);
    if (joined !== variable.kind) {
      variable.kind = joined;
      this.#changed = true;
    }
  }

  /** Runs `action` in a scope of the names that `declarations` declare by `let` or `const`. */
  within(node: Node, declarations: readonly Node[], action: () => void): void {
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

  /** Whether the loop itself declares a name where it is used now. */
  isDeclared(name: string): boolean {
    for (let scope = this.#scope; scope; scope = scope.outer) if (scope.variables.has(name)) return true;
    return false;
  }
}

/** The kind of a value that may be either of two. */
export function join(a: Kind, b: Kind): Kind {
  if ((a === 'list') !== (b === 'list')) throw new Unproven();
  return order.indexOf(a) > order.indexOf(b) ? a : b;
}
