import { expectArgument } from '../arguments/expect.js';
import { aText } from '../arguments/kinds.js';
import type { Backend, BackendName } from '../backends/backend.js';
import { nativeBackend } from '../backends/native/index.js';
import { onnxBackend } from '../backends/onnx/index.js';
import { referenceBackend } from '../backends/reference/index.js';
import { webgpuBackend } from '../backends/webgpu/index.js';
import { didYouMean } from '../did-you-mean.js';
import { FoveaError } from '../errors.js';
import { refuseOwnName } from '../plan/own-names.js';
import { checkBackend } from './check-backend.js';

const shipped = [nativeBackend, onnxBackend, referenceBackend, webgpuBackend];
const backends = new Map<string, Backend>(shipped.map((backend) => [backend.name, backend]));

/**
 * Makes a backend known by its name. A name that is registered again takes the new backend, as when a cell runs twice.
 * @throws FoveaError `bad-argument` for the name of one of the engine's own, and for an object without `name` or `open`
 */
export function registerBackend(backend: Backend): void {
  const { name } = checkBackend(backend);
  if (backends.get(name) !== backend) refuseOwnName('backend', name, shippedBackendNames());
  backends.set(name, backend);
}

/**
 * The backend that an option says.
 * @param backend by name or by value; the fastest that this machine can run when left out
 * @throws FoveaError as `getBackend` does; `bad-argument` for a value that is no backend
 */
export function resolveBackend(backend?: BackendName | Backend): Backend {
  return backend === undefined || typeof backend === 'string' ? getBackend(backend) : checkBackend(backend);
}

/** Order of preference when no backend is named. */
const preference = ['native', 'onnx', 'reference'] as const;

/** Names that `getBackend` accepts. */
export function backendNames(): string[] {
  return [...backends.keys()];
}

/** Names of the engine's own backends, which every process has. */
export function shippedBackendNames(): string[] {
  return shipped.map(({ name }) => name);
}

/**
 * The backend of that name, or the fastest one that this machine can run.
 * @throws FoveaError `unknown-name`, or `backend-unavailable` with the reason when the named one cannot run here
 *
 * @example
 * ```ts
 * import { backendNames, getBackend } from '@fovea/engine/backend';
 *
 * console.log(backendNames(), getBackend().name);
 * ```
 */
export function getBackend(name?: BackendName): Backend {
  if (name !== undefined) {
    expectArgument(name, aText, 'backend');
    const backend = backends.get(name);
    if (!backend) {
      throw new FoveaError(
        'unknown-name',
        `unknown backend "${name}"; known are ${backendNames().join(', ')}${didYouMean(name, backendNames())}`,
      );
    }
    if (backend.unavailable)
      throw new FoveaError('backend-unavailable', `backend ${name}: ${backend.unavailable}`);
    return backend;
  }
  for (const candidate of preference) {
    const backend = backends.get(candidate);
    if (backend?.stale)
      throw new FoveaError('backend-unavailable', `backend ${candidate}: ${backend.unavailable}`);
    if (backend && !backend.unavailable) return backend;
  }
  return referenceBackend;
}
