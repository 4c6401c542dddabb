import { backendNames, getBackend } from '@fovea/engine/backend';

/** Every backend; `missing` says why this machine cannot run one. */
export const backends = backendNames().map((name) => {
  try {
    return { name, missing: getBackend(name).unavailable };
  } catch (error) {
    return { name, missing: (error as Error).message };
  }
});
