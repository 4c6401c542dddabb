/**
 * npm test: installs what is missing, builds, runs every test and ends with the line `N passed, N failed`.
 * Arguments are handed to vitest: `npm test -- --project engine`. `--other-nodes`, as CI has it, then runs some of the
 * tests on other versions of Node, and counts them too.
 */
import { otherNodes } from './other-nodes.mjs';
import { build, ensureInstalled } from './steps.mjs';
import { runTests } from './vitest-run.mjs';

const given = process.argv.slice(2);
const args = given.filter((argument) => argument !== '--other-nodes');

ensureInstalled();
build();

const runs = [runTests(args)];
if (args.length < given.length) runs.push(...otherNodes());

const skipped = runs.flatMap((run) => run.skipped);
if (skipped.length > 0) {
  process.stdout.write(`\n${skipped.length} skipped, because something they need is not on this machine:\n`);
  for (const name of skipped) process.stdout.write(`  ${name}\n`);
}
for (const run of runs) {
  if (run.node) process.stdout.write(`\nNode ${run.node}: ${run.passed} passed, ${run.failed} failed\n`);
  for (const message of run.broken) process.stdout.write(`${message}\n`);
}
const sum = (name) => runs.reduce((total, run) => total + run[name], 0);
process.stdout.write(`\n${sum('passed')} passed, ${sum('failed')} failed\n`);
process.exit(sum('failed') > 0 || sum('passed') === 0 ? 1 : Math.max(...runs.map(({ status }) => status)));
