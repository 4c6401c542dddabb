import type { Backend } from '../backends/backend.js';
import { nativeBackend } from '../backends/native/index.js';
import { onnxBackend } from '../backends/onnx/index.js';
import { referenceBackend } from '../backends/reference/index.js';
import { webgpuBackend } from '../backends/webgpu/index.js';
import { FoveaError } from '../errors.js';

const shipped = [nativeBackend, onnxBackend, referenceBackend, webgpuBackend];
const backends = new Map<string, Backend>(shipped.map((backend) => [backend.name, backend]));

/** Makes a backend known by its name. */
export function registerBackend(backend: Backend): void {
  backends.set(backend.name, backend);
}

/** Order of preference when no backend is named. */
const preference = ['native', 'onnx', 'reference'] as const;

/** Names that `getBackend` accepts. */
export function backendNames(): string[] {
  return [...backends.keys()];
}

/** Names under which other processes have the same backend as this one: nobody has registered another there. */
export function shippedBackendNames(): string[] {
  return backendNames().filter((name) => shipped.includes(backends.get(name)!));
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
export function getBackend(name?: string): Backend {
  if (name !== undefined) {
    const backend = backends.get(name);
    if (!backend) {
      throw new FoveaError(
        'unknown-name',
        `unknown backend "${name}"; known are ${backendNames().join(', ')}`,
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
