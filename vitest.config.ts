import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Tests read the sources, so that a failing line is a line one can edit; child processes use the built lib. */
const alias = {
  '@fovea/engine/errors': fileURLToPath(new URL('engine/src/errors.ts', import.meta.url)),
  '@fovea/engine': fileURLToPath(new URL('engine/src/index.ts', import.meta.url)),
  '@fovea/kernel': fileURLToPath(new URL('kernel/src/index.ts', import.meta.url)),
};

/**
 * Servers, kernels and browsers on two shared cores now and then miss a deadline that has nothing to do with
 * what is tested: such a test gets a second try, and the report says that it needed one.
 */
const project = (
  name: string,
  options: { testTimeout?: number; fileParallelism?: boolean; retry?: number } = {},
) => ({
  resolve: { alias },
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    environment: 'node',
    testTimeout: options.testTimeout ?? 30_000,
    hookTimeout: 240_000,
    retry: options.retry ?? 0,
    fileParallelism: options.fileParallelism ?? true,
  },
});

export default defineConfig({
  test: {
    projects: [
      project('engine', { testTimeout: 60_000 }),
      project('kernel', { testTimeout: 60_000, retry: 1 }),
      project('extension', { retry: 1 }),
      project('notebooks', { testTimeout: 180_000, fileParallelism: false, retry: 1 }),
      project('e2e', { testTimeout: 180_000, fileParallelism: false, retry: 1 }),
    ],
  },
});
