import type { LiveProperty, LiveValues } from '../../language/live.js';

type Inspect = (method: string, params: object) => Promise<unknown>;

interface RemoteObject {
  readonly type: string;
  readonly subtype?: string;
  readonly objectId?: string;
  readonly value?: unknown;
  readonly description?: string;
}

interface Evaluated {
  readonly result: RemoteObject;
  readonly exceptionDetails?: unknown;
}

interface PropertyDescriptor {
  readonly name: string;
  readonly value?: RemoteObject;
  readonly get?: unknown;
  readonly symbol?: unknown;
}

const wrappers: Readonly<Record<string, string>> = {
  string: 'String.prototype',
  number: 'Number.prototype',
  boolean: 'Boolean.prototype',
  bigint: 'BigInt.prototype',
  symbol: 'Symbol.prototype',
};

/** Finds the value of an expression; undefined where it has none, or a side effect would be needed. */
type LookUp = (expression: string) => Promise<RemoteObject | undefined>;

/** Values of the running program, read through the inspector without running user code. */
export class InspectorLiveValues implements LiveValues {
  #looks = 0;

  constructor(private readonly inspect: Inspect) {}

  properties(chain: string): Promise<readonly LiveProperty[]> {
    return this.#look(async (lookUp) => {
      const target = await lookUp(chain === '' ? 'globalThis' : chain);
      if (!target || target.subtype === 'null') return [];
      const wrapper = wrappers[target.type];
      const object = target.objectId ? target : wrapper ? await lookUp(wrapper) : undefined;
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
    });
  }

  /** Whether an expression has a value now, and its description; nothing with a side effect is run. */
  describe(expression: string): Promise<string | undefined> {
    return this.#look(async (lookUp) => {
      const value = await lookUp(expression);
      return value && (value.description ?? String(value.value));
    });
  }

  /** Looks at values, which the inspector keeps alive as a group of their own until they are released. */
  async #look<Found>(find: (lookUp: LookUp) => Promise<Found>): Promise<Found> {
    const objectGroup = `fovea-live-${this.#looks++}`;
    try {
      return await find(async (expression) => {
        const { result, exceptionDetails } = (await this.inspect('Runtime.evaluate', {
          expression,
          throwOnSideEffect: true,
          timeout: 100,
          silent: true,
          objectGroup,
        })) as Evaluated;
        return exceptionDetails || result.type === 'undefined' ? undefined : result;
      });
    } finally {
      void this.inspect('Runtime.releaseObjectGroup', { objectGroup }).catch(() => undefined);
    }
  }
}

function kind(value: PropertyDescriptor['value']): string {
  if (!value) return 'property';
  if (value.type !== 'function') return 'property';
  return value.description?.startsWith('class') ? 'class' : 'function';
}
