/**
 * Makes sure that a cell's names can be assigned: strict code may not create globals, and some of Node's are
 * accessors without a setter (`crypto`, `navigator`), which a cell may still want as its own variable.
 *
 * @param options `resetNames`: must not keep the value of an earlier run; `helperNames`: are not the user's
 */
export function declare(
  names: readonly string[],
  {
    resetNames = [],
    helperNames = [],
  }: { resetNames?: readonly string[]; helperNames?: readonly string[] } = {},
): void {
  for (const name of names) {
    const existing = Object.getOwnPropertyDescriptor(globalThis, name);
    const plain = existing !== undefined && existing.writable === true;
    if (plain) continue;
    if (existing && !existing.configurable) continue;
    Object.defineProperty(globalThis, name, {
      value: undefined,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  for (const name of names) if (!helperNames.includes(name)) userNames.add(name);
  for (const name of resetNames) (globalThis as Record<string, unknown>)[name] = undefined;
}

/** Names that cells have declared since the start or the last reset. */
export const userNames = new Set<string>();

/** `_`, `In`, `Out` and `out`: what cells were, and what they came to. */
export class Results {
  readonly inputs: string[] = [''];
  readonly outputs: Record<number, unknown> = Object.create(null) as Record<number, unknown>;

  constructor() {
    const define = (name: string, value: unknown) =>
      Object.defineProperty(globalThis, name, {
        value,
        writable: true,
        enumerable: false,
        configurable: true,
      });
    define('In', this.inputs);
    define('Out', this.outputs);
    define('out', this.outputs);
    define('_', undefined);
  }

  /** Keeps a cell's result; `_` is left alone once a cell has declared it itself. */
  record(count: number, value: unknown, names: readonly string[]): void {
    this.outputs[count] = value;
    if (!userNames.has('_') && !names.includes('_')) (globalThis as { _?: unknown })._ = value;
  }

  reset(): void {
    this.inputs.length = 1;
    for (const key of Object.keys(this.outputs)) delete this.outputs[Number(key)];
    (globalThis as { _?: unknown })._ = undefined;
  }
}
