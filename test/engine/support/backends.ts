import { backendNames, getBackend } from '@fovea/engine/backend';
import { useSoftwareGpu } from './software-gpu.js';

useSoftwareGpu();

/** Why this machine cannot run a backend; undefined when it can. */
export async function missingOf(name: string): Promise<string | undefined> {
  try {
    const backend = getBackend(name);
    return backend.check ? await backend.check() : backend.unavailable;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Every backend; `missing` says why this machine cannot run one. */
export const backends = await Promise.all(
  backendNames().map(async (name) => ({ name, missing: await missingOf(name) })),
);
