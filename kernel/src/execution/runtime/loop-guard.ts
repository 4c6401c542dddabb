import { types } from 'node:util';
import type { LoopGuard } from '../wire.js';

// What the language has at the start: a cell may put its own in its place.
const { getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;
const { isArray } = Array;
const { hasOwn } = Object;
const { isProxy, isTypedArray } = types;
const arrayPrototype = Array.prototype;
const typedArrayPrototype = getPrototypeOf(Uint8Array.prototype) as object;
const arrayIteratorPrototype = getPrototypeOf([][Symbol.iterator]()) as object;
const typedPrototypes = new Set<object>([
  Int8Array.prototype,
  Uint8Array.prototype,
  Uint8ClampedArray.prototype,
  Int16Array.prototype,
  Uint16Array.prototype,
  Int32Array.prototype,
  Uint32Array.prototype,
  Float32Array.prototype,
  Float64Array.prototype,
]);
const bigPrototypes = new Set<object>([BigInt64Array.prototype, BigUint64Array.prototype]);
const originals = { Math, Number, String };
const mathFunctions = new Map(
  ownKeys(Math).map((name) => [name, getOwnPropertyDescriptor(Math, name)!.value as unknown]),
);
const lengthGetter = getOwnPropertyDescriptor(typedArrayPrototype, 'length')!.get;
const iterators = [
  [arrayPrototype, Symbol.iterator],
  [typedArrayPrototype, Symbol.iterator],
  [arrayIteratorPrototype, 'next'],
] as const;
const iteratorValues = iterators.map(
  ([owner, name]) => getOwnPropertyDescriptor(owner, name)!.value as unknown,
);

/**
 * Elements of plain arrays that are looked at before a loop, each of which costs as much as about twenty iterations
 * of a loop over variables that are not kept.
 */
const ELEMENTS_CHECKED = 4096;

/**
 * Whether what a loop's proof takes for granted holds now: see `loop-proof.ts`.
 *
 * @param kept variables that the loop will assign to by other means
 */
export function holds(guard: LoopGuard, kept: readonly string[], scope: object = globalThis): boolean {
  const { numbers, primitives, lists, numericLists, iterates, owners, functions } = guard;
  const values = new Map<string, unknown>();
  for (const name of [...numbers, ...primitives, ...lists]) {
    const descriptor = getOwnPropertyDescriptor(scope, name);
    if (!descriptor || !('value' in descriptor)) return false;
    values.set(name, descriptor.value);
  }
  if (kept.some((name) => getOwnPropertyDescriptor(scope, name)?.writable !== true)) return false;
  if (numbers.some((name) => typeof values.get(name) !== 'number')) return false;
  if (primitives.some((name) => !isPrimitive(values.get(name)))) return false;
  if (owners.some((name) => getOwnPropertyDescriptor(scope, name)?.value !== originals[name])) return false;
  if (!areOriginal(functions)) return false;
  if (iterates && !areIteratorsIntact()) return false;
  if (lists.length === 0) return true;
  if (!arePrototypesPlain()) return false;
  let left = ELEMENTS_CHECKED;
  return lists.every((name) => {
    const list = values.get(name);
    if (typeof list === 'string') return !numericLists && !iterates;
    if (typeof list !== 'object' || list === null || isProxy(list)) return false;
    if (isTypedArray(list)) return isPlainTypedArray(list, numericLists, iterates);
    if (!isArray(list) || getPrototypeOf(list) !== arrayPrototype) return false;
    left -= list.length;
    return left >= 0 && isPlainArray(list, numericLists);
  });
}

function isPrimitive(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function');
}

function areOriginal(functions: readonly string[]): boolean {
  return functions.every(
    (name) => getOwnPropertyDescriptor(originals.Math, name)?.value === mathFunctions.get(name),
  );
}

function areIteratorsIntact(): boolean {
  return iterators.every(
    ([owner, name], index) => getOwnPropertyDescriptor(owner, name)?.value === iteratorValues[index],
  );
}

/** Whether what arrays and strings inherit has no keys that a loop might take for an element's. */
function arePrototypesPlain(): boolean {
  return (
    getPrototypeOf(arrayPrototype) === Object.prototype &&
    getOwnPropertyDescriptor(typedArrayPrototype, 'length')?.get === lengthGetter &&
    [arrayPrototype, Object.prototype, String.prototype].every((prototype) =>
      ownKeys(prototype).every((key) => typeof key === 'symbol' || !isElementKey(key)),
    )
  );
}

/** Whether a number or `undefined` becomes this key. */
function isElementKey(key: string): boolean {
  return key === 'undefined' || originals.String(originals.Number(key)) === key;
}

function isPlainTypedArray(list: object, numeric: boolean, iterates: boolean): boolean {
  const prototype = getPrototypeOf(list) as object;
  const known = typedPrototypes.has(prototype) || (!numeric && bigPrototypes.has(prototype));
  return (
    known &&
    !('undefined' in list) &&
    !hasOwn(list, 'length') &&
    !hasOwn(prototype, 'length') &&
    !(iterates && (hasOwn(list, Symbol.iterator) || hasOwn(prototype, Symbol.iterator)))
  );
}

function isPlainArray(list: readonly unknown[], numeric: boolean): boolean {
  for (const key of ownKeys(list)) {
    const descriptor = getOwnPropertyDescriptor(list, key)!;
    if (!('value' in descriptor) || key === Symbol.iterator) return false;
    if (numeric ? typeof descriptor.value !== 'number' : !isPrimitive(descriptor.value)) return false;
  }
  return true;
}
