import process from 'node:process';
import { Word } from '../common-words.js';
import { takeTermination } from './termination.js';

/**
 * Keeps terminations out of native code. Many addons abort the process when a call into V8 fails, and every call
 * fails once a termination has been asked for. So the functions and methods of each addon that is loaded from now on
 * count while they run, and none begins while the pump is about to terminate: see `pump.ts`.
 *
 * @param shared the words that the pump shares
 */
export function guardNativeCode(shared: Int32Array): void {
  const whole = <T>(call: () => T): T => {
    for (;;) {
      Atomics.add(shared, Word.native, 1);
      if (Atomics.load(shared, Word.terminating) === 0) break;
      Atomics.sub(shared, Word.native, 1);
      takeTermination(shared);
    }
    try {
      return call();
    } finally {
      Atomics.sub(shared, Word.native, 1);
    }
  };
  const handler: ProxyHandler<Callable> = {
    apply: (target, self, values) => whole(() => Reflect.apply(target, self, values) as unknown),
    construct: (target, values, derived) =>
      whole(
        () => Reflect.construct(target, values, derived === guards.get(target) ? target : derived) as object,
      ),
  };
  const guards = new WeakMap<Callable, Callable>();
  const guard = (target: Callable): Callable => {
    const known = guards.get(target);
    if (known) return known;
    const made = new Proxy(target, handler);
    guards.set(target, made);
    // One that is made once more, of a guard, stays what it is.
    guards.set(made, made);
    guardMembers(target.prototype, guard);
    return made;
  };
  const { dlopen } = process;
  process.dlopen = (module: object, ...rest: [string, number?]) => {
    whole(() => Reflect.apply(dlopen, process, [module, ...rest]) as unknown);
    guardMembers(module, guard);
    guardMembers((module as { readonly exports?: unknown }).exports, guard);
  };
}

type Callable = (...values: unknown[]) => unknown;

/** Puts a guard in the place of each function among an object's own properties. */
function guardMembers(owner: unknown, guard: (target: Callable) => Callable): void {
  if (typeof owner !== 'object' || owner === null) return;
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(owner))) {
    const value: unknown = descriptor.value;
    if (typeof value !== 'function' || !(descriptor.writable || descriptor.configurable)) continue;
    Object.defineProperty(owner, name, { ...descriptor, value: guard(value as Callable) });
  }
}
