/** A value that follows what code starts; bundles for browsers have `synchronous-context.ts` in this module's place (`imports` of the manifest). */
export { AsyncLocalStorage as AsyncContext } from 'node:async_hooks';
