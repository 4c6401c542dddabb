/**
 * npm test: installs what is missing, builds, runs every test and ends with the line `N passed, N failed`.
 * Arguments are handed to vitest: `npm test -- --project engine`. `--other-nodes`, as CI has it, also runs some of the
 * tests on other versions of Node, and counts them too.
 */
import { otherNodes } from './other-nodes.mjs';
import { build, ensureInstalled } from './steps.mjs';
import { atOnce, oneAtATime, runTests } from './vitest-run.mjs';

const given = process.argv.slice(2);
const args = given.filter((argument) => argument !== '--other-nodes');

ensureInstalled();
build();

const others = () => (args.length < given.length ? otherNodes() : []);

/** All tests: those that run one at a time, and those on other versions of Node, beside the rest. */
async function everything() {
  // Two at once on a terminal: each writes lines, and none redraws the last ones.
  const env = { ...process.env, CI: process.env.CI ?? 'true' };
  const run = (projects) =>
    runTests(
      projects.map((name) => `--project=${name}`),
      { env },
    );
  const beside = async () => [await run(oneAtATime), ...(await others())];
  return (await Promise.all([run(atOnce), beside()])).flat();
}

const runs = args.length > 0 ? [await runTests(args), ...(await others())] : await everything();

const skipped = runs.flatMap((run) => run.skipped);
if (skipped.length > 0) {
  process.stdout.write(`\n${skipped.length} skipped, because something they need is not on this machine:\n`);
  for (const name of skipped) process.stdout.write(`  ${name}\n`);
}
for (const run of runs) {
  if (run.node) process.stdout.write(`\nNode ${run.node}: ${run.passed} passed, ${run.failed} failed\n`);
  for (const name of run.failures) process.stdout.write(`failed: ${name}\n`);
  for (const message of run.broken) process.stdout.write(`${message}\n`);
}
const sum = (name) => runs.reduce((total, run) => total + run[name], 0);
process.stdout.write(`\n${sum('passed')} passed, ${sum('failed')} failed\n`);
process.exit(sum('failed') > 0 || sum('passed') === 0 ? 1 : Math.max(...runs.map(({ status }) => status)));
