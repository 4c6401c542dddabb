import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './steps.mjs';

/** The projects of vitest.config.ts, those whose files run one at a time apart: browsers, kernels and npm leave cores idle. */
export const atOnce = ['engine', 'kernel', 'extension'];
export const oneAtATime = ['e2e', 'notebooks', 'packages'];

/**
 * Runs tests and counts them from vitest's own report.
 *
 * @param {readonly string[]} args handed to vitest
 * @param {{ node?: string, env?: NodeJS.ProcessEnv, reporter?: string }} options `node` runs them
 * @returns a promise of counts, and the names of what was skipped or failed; `failed` includes files that could not be loaded
 */
export async function runTests(
  args,
  { node = process.execPath, env = process.env, reporter = 'default' } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-test-'));
  const report = join(folder, 'report.json');
  const child = spawn(
    node,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      `--reporter=${reporter}`,
      '--reporter=json',
      '--reporter=./scripts/retries-reporter.mjs',
      `--outputFile.json=${report}`,
      ...args,
    ],
    { cwd: root, stdio: 'inherit', env },
  );
  const [status] = await once(child, 'exit');
  try {
    return { ...summaryOf(JSON.parse(readFileSync(report, 'utf8'))), status: status ?? 1 };
  } catch {
    const broken = ['the test runner left no report'];
    return { passed: 0, failed: 1, skipped: [], failures: [], broken, status: status || 1 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function summaryOf({ testResults, numPassedTests, numFailedTests }) {
  const named = (matches) =>
    testResults.flatMap(({ assertionResults }) =>
      assertionResults.filter(({ status }) => matches(status)).map(({ fullName }) => fullName),
    );
  const skipped = named((status) => status !== 'passed' && status !== 'failed');
  const failures = named((status) => status === 'failed');
  // A file that cannot even be loaded has no failed test of its own, yet it has failed.
  const broken = testResults
    .filter(
      ({ status, assertionResults }) =>
        status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
    )
    .map(({ name, message }) => `could not run ${name}: ${message}`);
  return { passed: numPassedTests, failed: numFailedTests + broken.length, skipped, failures, broken };
}
