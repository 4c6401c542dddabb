import type { LiveProperty, LiveValues } from '../../language/live.js';

type Inspect = (method: string, params: object) => Promise<unknown>;

interface RemoteObject {
  readonly type: string;
  readonly subtype?: string;
  readonly objectId?: string;
  readonly value?: unknown;
}

interface Evaluated {
  readonly result: RemoteObject;
  readonly exceptionDetails?: unknown;
}

interface PropertyDescriptor {
  readonly name: string;
  readonly value?: RemoteObject & { readonly className?: string; readonly description?: string };
  readonly get?: unknown;
  readonly symbol?: unknown;
}

const OBJECT_GROUP = 'fovea-live';
const wrappers: Readonly<Record<string, string>> = {
  string: 'String.prototype',
  number: 'Number.prototype',
  boolean: 'Boolean.prototype',
  bigint: 'BigInt.prototype',
  symbol: 'Symbol.prototype',
};

/** Values of the running program, read through the inspector without running user code. */
export class InspectorLiveValues implements LiveValues {
  constructor(private readonly inspect: Inspect) {}

  async properties(chain: string): Promise<readonly LiveProperty[]> {
    try {
      const target = await this.#evaluate(chain === '' ? 'globalThis' : chain);
      if (!target) return [];
      const wrapper = wrappers[target.type];
      const object = target.objectId ? target : wrapper ? await this.#evaluate(wrapper) : undefined;
      if (!object?.objectId) return [];
      const { result } = (await this.inspect('Runtime.getProperties', {
        objectId: object.objectId,
        // What the global object inherits (`constructor`, `toString`) is not a user's variable.
        ownProperties: chain === '',
        generatePreview: false,
      })) as { result: readonly PropertyDescriptor[] };
      return result
        .filter(({ name, symbol }) => !symbol && !/^__|^\d+$/.test(name))
        .map(({ name, value }) => ({ name, type: kind(value) }));
    } finally {
      void this.inspect('Runtime.releaseObjectGroup', { objectGroup: OBJECT_GROUP }).catch(() => undefined);
    }
  }

  /** Whether an expression has a value now, and its description; nothing with a side effect is run. */
  async describe(expression: string): Promise<string | undefined> {
    const { result, exceptionDetails } = (await this.inspect('Runtime.evaluate', {
      expression,
      throwOnSideEffect: true,
      timeout: 100,
      silent: true,
      objectGroup: OBJECT_GROUP,
    })) as Evaluated & { result: { description?: string } };
    if (exceptionDetails || result.type === 'undefined') return undefined;
    return result.description ?? String(result.value);
  }

  async #evaluate(expression: string): Promise<RemoteObject | undefined> {
    const { result, exceptionDetails } = (await this.inspect('Runtime.evaluate', {
      expression,
      throwOnSideEffect: true,
      timeout: 100,
      silent: true,
      objectGroup: OBJECT_GROUP,
    })) as Evaluated;
    return exceptionDetails || result.subtype === 'null' || result.type === 'undefined' ? undefined : result;
  }
}

function kind(value: PropertyDescriptor['value']): string {
  if (!value) return 'property';
  if (value.type !== 'function') return 'property';
  return value.description?.startsWith('class') ? 'class' : 'function';
}
