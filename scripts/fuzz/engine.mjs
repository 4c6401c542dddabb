import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadDifferential } from './load.mjs';

/** Small maps with small bands make most cases in a minute; large ones and whole networks stream as they do in use. */
const sizes = [
  { share: 0.5, options: { multiplyAdds: 1e8, sides: [20, 110], runs: 10 } },
  { share: 0.35, options: { multiplyAdds: 6e8, sides: [96, 260], runs: 10 } },
  { share: 0.12, options: { multiplyAdds: 3e9, sides: [200, 448], runs: 8 } },
  { share: 0.03, whole: true },
];

/** How often the fuzzer prints its progress. */
const progressMs = 60_000;

/** Longest that one failing case is made smaller for. */
const shrinkMs = 180_000;

/**
 * Differential tests of the engine: random networks, pictures, maskers and plans on every backend, each result
 * compared with an oracle that shares no code with the engine. What fails is made smaller and kept in the temporary
 * folder, as a file that `--case` runs again.
 *
 * @param args `[MINUTES] [SEED]`, or `--case FILE`
 * @returns whether all went well
 */
export async function fuzz(args) {
  const [minutes, seed] = [Number(args[0] ?? 30), Number(args[1] ?? Date.now() % 1_000_000)];
  const single = args[0] === '--case' ? args[1] : undefined;
  if (args[0] === '--case' ? !single : !(minutes > 0) || !Number.isSafeInteger(seed)) {
    process.stderr.write('usage: npm run fuzz -- engine [MINUTES] [SEED] | engine --case FILE\n');
    return false;
  }
  const modules = await loadDifferential('case', 'check', 'generate', 'shrink');
  return single ? runCase(modules, single) : campaign(modules, minutes, seed);
}

async function runCase({ check, summary, describeRun }, file) {
  const test = JSON.parse(readFileSync(file, 'utf8'));
  process.stdout.write(`${summary(test)}\n`);
  const { failure, runs, cells, unclear, worst } = await check(test);
  if (failure) process.stdout.write(`${failureText(failure, test, describeRun)}\n`);
  else process.stdout.write(`${runs} runs agree, ${cells} cells, ${unclear} unclear, within ${worst}\n`);
  return !failure;
}

async function campaign(
  { check, generate, generateWhole, isSameFault, shrink, summary, describeRun },
  minutes,
  seed,
) {
  const folder = join(tmpdir(), `fovea-fuzz-engine-${seed}`);
  mkdirSync(folder, { recursive: true });
  const current = join(folder, 'running.json');
  process.stdout.write(`seed ${seed}, ${minutes} min; should the process die, the case is ${current}\n`);
  const end = performance.now() + minutes * 60_000;
  const totals = { networks: 0, runs: 0, cells: 0, unclear: 0, worst: 0 };
  const faults = [];
  let progressAt = performance.now() + progressMs;
  for (let round = 0; performance.now() < end; round++) {
    const number = seed * 100_000 + round;
    const size = sizeOf(number);
    const test = size.whole ? generateWhole(number) : generate(number, size.options);
    writeFileSync(current, JSON.stringify(test));
    const outcome = await check(test);
    totals.networks++;
    for (const key of ['runs', 'cells', 'unclear']) totals[key] += outcome[key];
    totals.worst = Math.max(totals.worst, outcome.worst);
    if (performance.now() > progressAt) {
      process.stdout.write(`${totals.networks} networks, ${totals.runs} runs\n`);
      progressAt = performance.now() + progressMs;
    }
    if (!outcome.failure) continue;
    process.stdout.write(
      `\ncase ${number} fails: ${summary(test)}\n${failureText(outcome.failure, test, describeRun)}\n`,
    );
    const smaller = await shrink(test, outcome.failure, shrinkMs);
    const file = join(folder, `${number}.json`);
    writeFileSync(file, `${JSON.stringify(smaller.test, null, 1)}\n`);
    process.stdout.write(
      `as small as it gets: ${summary(smaller.test)}\n${failureText(smaller.failure, smaller.test, describeRun)}\n` +
        `again: npm run fuzz -- engine --case ${file}\n`,
    );
    if (!faults.some((other) => isSameFault(other, smaller.failure))) faults.push(smaller.failure);
  }
  const { networks, runs, cells, unclear, worst } = totals;
  process.stdout.write(
    `\n${networks} networks, ${runs} runs, ${cells} cells, ${unclear} of them unclear; ` +
      `outputs within ${worst.toExponential(1)}; ${faults.length} kinds of failure\n`,
  );
  return faults.length === 0;
}

function failureText({ kind, run, message }, test, describeRun) {
  return `${kind}: ${describeRun(test.runs[run])}: ${message}`;
}

function sizeOf(number) {
  let place = (number * 0.618034) % 1;
  for (const size of sizes) {
    if (place < size.share) return size;
    place -= size.share;
  }
  return sizes[0];
}
