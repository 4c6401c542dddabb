import type { Runtime } from 'node:inspector';
import { FoveaError } from '@fovea/engine/errors';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { RuntimeLink } from '../execution/runtime-link.js';
import { arrayLength, typeText, valueText } from './values.js';

/** Elements of an array that are listed at once; longer ones are listed in pieces. */
const pieceLength = 100;

/** What a number given to the front end refers to. */
type Reference =
  | { readonly kind: 'object'; readonly object: Runtime.RemoteObject; readonly path?: string }
  | {
      readonly kind: 'piece';
      readonly object: Runtime.RemoteObject;
      readonly start: number;
      readonly count: number;
    }
  | {
      readonly kind: 'scopes';
      readonly objects: readonly Runtime.RemoteObject[];
      readonly extra: readonly (readonly [string, Runtime.RemoteObject])[];
    }
  | { readonly kind: 'globals' };

/** Names of Node's own global scope; all others were declared by cells. */
const builtIn = new Set(Object.getOwnPropertyNames(globalThis));

/** Objects that are inspected until the program continues, by the numbers that the front end uses for them. */
export class Variables {
  readonly #references = new Map<number, Reference>();
  #nextReference = 1;

  /** Whether types are sent beside values. JupyterLab's tree shows a type instead of the value it belongs to. */
  typed = true;

  constructor(private readonly link: RuntimeLink) {}

  /** Group of everything that is looked at; releasing the group frees it. */
  readonly group = 'fovea-debug';

  /** Forgets all numbers: the program has gone on. */
  forget(): void {
    this.#references.clear();
    void this.link
      .inspector('Runtime.releaseObjectGroup', { objectGroup: this.group })
      .catch(() => undefined);
  }

  scopes(
    objects: readonly Runtime.RemoteObject[],
    extra: readonly (readonly [string, Runtime.RemoteObject])[] = [],
  ): number {
    return this.#refer({ kind: 'scopes', objects, extra });
  }

  globals(): number {
    return this.#refer({ kind: 'globals' });
  }

  /** @throws FoveaError `unknown-name` when the program has gone on since the number was given */
  async list(
    reference: number,
    start = 0,
    count = Number.POSITIVE_INFINITY,
  ): Promise<DebugProtocol.Variable[]> {
    const found = this.#references.get(reference);
    if (found === undefined) {
      throw new FoveaError(
        'unknown-name',
        `variables ${reference} are no longer there: the program has gone on`,
      );
    }
    const all = await this.#list(found);
    return Number.isFinite(count) && count > 0 ? all.slice(start, start + count) : all.slice(start);
  }

  #list(reference: Reference): Promise<DebugProtocol.Variable[]> {
    switch (reference.kind) {
      case 'globals':
        return this.globalVariables();
      case 'scopes':
        return this.#scopeVariables(reference.objects, reference.extra);
      case 'piece':
        return this.#pieceVariables(reference);
      case 'object':
        return this.#objectVariables(reference.object, reference.path);
    }
  }

  /** What cells have declared, by name. */
  async globalVariables(): Promise<DebugProtocol.Variable[]> {
    const { result } = (await this.link.inspector('Runtime.evaluate', {
      expression: 'globalThis',
      objectGroup: this.group,
    })) as Runtime.EvaluateReturnType;
    const found = await this.#properties(result);
    return found.result
      .filter(
        ({ name, symbol, enumerable, value }) =>
          // Under symbols there is what the kernel and libraries keep; cells declare names.
          symbol === undefined && enumerable === true && value !== undefined && !builtIn.has(name),
      )
      .map(({ name, value }) => this.variable(name, value!, name))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * A variable as it is listed; a number is given out when it has parts. Its type is left out for front ends that
   * would show it in the value's place.
   */
  variable(name: string, object: Runtime.RemoteObject, path?: string): DebugProtocol.Variable {
    const length = arrayLength(object);
    return {
      name,
      value: valueText(object),
      ...(this.typed ? { type: typeText(object) } : {}),
      variablesReference:
        object.objectId === undefined
          ? 0
          : this.#refer({ kind: 'object', object, ...(path === undefined ? {} : { path }) }),
      ...(path === undefined ? {} : { evaluateName: path }),
      ...(length === undefined ? {} : { indexedVariables: length }),
    };
  }

  /** Variables of nested scopes as one list; the inner ones hide the outer. */
  async #scopeVariables(
    objects: readonly Runtime.RemoteObject[],
    extra: readonly (readonly [string, Runtime.RemoteObject])[],
  ): Promise<DebugProtocol.Variable[]> {
    const found = new Map<string, DebugProtocol.Variable>();
    for (const object of objects) {
      for (const { name, value } of (await this.#properties(object)).result) {
        if (value !== undefined && !found.has(name)) found.set(name, this.variable(name, value, name));
      }
    }
    for (const [name, object] of extra) found.set(name, this.variable(name, object));
    return [...found.values()];
  }

  async #objectVariables(object: Runtime.RemoteObject, path?: string): Promise<DebugProtocol.Variable[]> {
    const length = arrayLength(object);
    if (length !== undefined && length > pieceLength) {
      return Array.from({ length: Math.ceil(length / pieceLength) }, (_, index) => {
        const start = index * pieceLength;
        const count = Math.min(pieceLength, length - start);
        return {
          name: `[${start} … ${start + count - 1}]`,
          value: '',
          variablesReference: this.#refer({ kind: 'piece', object, start, count }),
        };
      });
    }
    const { result, internalProperties = [] } = await this.#properties(object);
    const listed = result.filter(({ isOwn }) => isOwn !== false);
    const entries = internalProperties.find(({ name }) => name === '[[Entries]]')?.value;
    return [
      ...listed.map((property) => this.#property(property, path)),
      ...(entries?.objectId === undefined ? [] : [this.variable('entries', entries)]),
    ].filter((variable) => variable !== undefined);
  }

  #property(
    { name, symbol, value, get }: Runtime.PropertyDescriptor,
    path?: string,
  ): DebugProtocol.Variable | undefined {
    if (value === undefined) {
      // Reading it would run code; its place is shown.
      return get === undefined || name === '__proto__'
        ? undefined
        : { name, value: '(…)', variablesReference: 0 };
    }
    const inner =
      path === undefined || symbol !== undefined
        ? undefined
        : /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name)
          ? `${path}.${name}`
          : `${path}[${/^\d+$/.test(name) ? name : JSON.stringify(name)}]`;
    return this.variable(name, value, inner);
  }

  async #pieceVariables({
    object,
    start,
    count,
  }: {
    object: Runtime.RemoteObject;
    start: number;
    count: number;
  }): Promise<DebugProtocol.Variable[]> {
    const { result } = (await this.link.inspector('Runtime.callFunctionOn', {
      objectId: object.objectId,
      functionDeclaration:
        'function (start, count) { const part = {}; for (let i = start; i < start + count; i++) part[i] = this[i]; return part; }',
      arguments: [{ value: start }, { value: count }],
      objectGroup: this.group,
    })) as Runtime.EvaluateReturnType;
    const found = await this.#properties(result);
    return found.result.flatMap(({ name, value, isOwn }) =>
      isOwn !== false && value !== undefined ? [this.variable(name, value)] : [],
    );
  }

  async #properties(object: Runtime.RemoteObject): Promise<Runtime.GetPropertiesReturnType> {
    if (object.objectId === undefined) return { result: [] };
    return (await this.link.inspector('Runtime.getProperties', {
      objectId: object.objectId,
      ownProperties: true,
      generatePreview: true,
    })) as Runtime.GetPropertiesReturnType;
  }

  #refer(reference: Reference): number {
    const number = this.#nextReference++;
    this.#references.set(number, reference);
    return number;
  }
}
