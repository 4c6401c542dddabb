/**
 * npm test: installs what is missing, builds, runs every test and ends with the line `N passed, N failed`.
 * Arguments are handed to vitest: `npm test -- --project engine`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, ensureInstalled, root } from './steps.mjs';

ensureInstalled();
build();

const folder = mkdtempSync(join(tmpdir(), 'fovea-test-'));
const report = join(folder, 'report.json');
const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=json',
    '--reporter=./scripts/retries-reporter.mjs',
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit' },
);

let result;
try {
  result = JSON.parse(readFileSync(report, 'utf8'));
} catch {
  process.stderr.write('fovea: the test runner left no report\n');
  process.exit(status || 1);
} finally {
  rmSync(folder, { recursive: true });
}

const skipped = result.testResults.flatMap((file) =>
  file.assertionResults.filter(({ status: outcome }) => outcome !== 'passed' && outcome !== 'failed'),
);
if (skipped.length > 0) {
  process.stdout.write(`\n${skipped.length} skipped, because something they need is not on this machine:\n`);
  for (const test of skipped) process.stdout.write(`  ${test.fullName}\n`);
}
// A file that cannot be loaded has no failed test, but it has failed.
const brokenFiles = result.testResults.filter(
  (file) =>
    file.status === 'failed' && !file.assertionResults.some(({ status: outcome }) => outcome === 'failed'),
);
for (const file of brokenFiles) process.stdout.write(`could not run ${file.name}: ${file.message}\n`);
const failed = result.numFailedTests + brokenFiles.length;
process.stdout.write(`\n${result.numPassedTests} passed, ${failed} failed\n`);
process.exit(failed > 0 || result.numPassedTests === 0 ? 1 : (status ?? 1));
