import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Tests read the sources, so that a failing line is a line one can edit; child processes use the built lib. */
const alias = {
  '@fovea/engine/errors': fileURLToPath(new URL('engine/src/errors.ts', import.meta.url)),
  '@fovea/engine': fileURLToPath(new URL('engine/src/index.ts', import.meta.url)),
  '@fovea/kernel': fileURLToPath(new URL('kernel/src/index.ts', import.meta.url)),
};

const project = (name: string, options: { testTimeout?: number; fileParallelism?: boolean } = {}) => ({
  resolve: { alias },
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    environment: 'node',
    testTimeout: options.testTimeout ?? 30_000,
    hookTimeout: 120_000,
    fileParallelism: options.fileParallelism ?? true,
  },
});

export default defineConfig({
  test: {
    projects: [
      project('engine', { testTimeout: 60_000 }),
      project('kernel', { testTimeout: 60_000 }),
      project('extension'),
      project('notebooks', { testTimeout: 180_000, fileParallelism: false }),
      project('e2e', { testTimeout: 180_000, fileParallelism: false }),
    ],
  },
});
