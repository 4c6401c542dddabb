import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const packageFile = (path: string) => fileURLToPath(new URL(path, import.meta.url));
/** What a package is imported by, each entry's name and the source behind it. */
function sourcesOf(folder: string) {
  const { name, exports } = JSON.parse(readFileSync(packageFile(`${folder}/package.json`), 'utf8')) as {
    name: string;
    exports: Record<string, string | { readonly default: string }>;
  };
  return Object.entries(exports).flatMap(([entry, target]) => {
    if (typeof target === 'string') return [];
    const source = target.default.replace('./lib/', 'src/').replace(/\.js$/, '.ts');
    return {
      find: new RegExp(`^${name}${entry.slice(1)}$`),
      replacement: packageFile(`${folder}/${source}`),
    };
  });
}

/** Tests read the sources, so that a failing line is a line one can edit; child processes use the built lib. */
const alias = ['engine', 'kernel'].flatMap(sourcesOf);

/** Vitest leaves one core idle; of two, that is half of them, while most of these tests wait for processes. */
const maxWorkers = Math.min(availableParallelism(), Math.max(2, availableParallelism() - 1));

/** Code with counters runs several times slower (scripts/coverage.mjs). */
const patience = Number(process.env.FOVEA_TEST_PATIENCE ?? 1);

/**
 * Processes and browsers on two shared cores now and then miss a deadline that has nothing to do with what is tested:
 * such a test gets a second try, and the report says that it needed one. Files with `@module-tag process` in their
 * first line are such tests, and those of the projects that drive nothing else. No other test is ever tried again.
 */
const project = (
  name: string,
  options: { testTimeout?: number; pollTimeout?: number; fileParallelism?: boolean; retry?: number } = {},
) => ({
  resolve: { alias },
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    environment: 'node',
    testTimeout: patience * (options.testTimeout ?? 30_000),
    hookTimeout: patience * 240_000,
    // What is polled for most often comes within milliseconds, and within seconds on a busy machine.
    expect: { poll: { timeout: patience * (options.pollTimeout ?? 15_000) } },
    retry: options.retry ?? 0,
    tags: [{ name: 'process', description: 'starts processes or a browser', retry: 1 }],
    ...(options.fileParallelism === false ? { fileParallelism: false } : { maxWorkers }),
  },
});

/**
 * JupyterLab's client asks a kernel about itself whenever it connects, and nobody waits for that answer: if the kernel
 * ends first, Node sees a rejection where a browser writes a line to its console.
 */
const ofClient = 'Canceled future for kernel_info_request message before replies were done';

export default defineConfig({
  test: {
    onUnhandledError: ({ message }) => message !== ofClient,
    projects: [
      project('engine', { testTimeout: 60_000 }),
      project('kernel', { testTimeout: 60_000 }),
      project('extension'),
      project('packages', { testTimeout: 60_000, fileParallelism: false }),
      project('notebooks', { testTimeout: 180_000, pollTimeout: 60_000, fileParallelism: false, retry: 1 }),
      project('e2e', { testTimeout: 180_000, pollTimeout: 60_000, fileParallelism: false, retry: 1 }),
    ],
  },
});
