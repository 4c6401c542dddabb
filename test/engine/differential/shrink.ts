import type { BlockCase, Case, RunCase } from './case.js';
import { check, type Failure, isSameFault, type Outcome } from './check.js';

/**
 * A smaller case that fails in the same way: one simplification after the other is kept when the case still fails,
 * until none of them helps or time is up.
 *
 * @param run says whether a case fails
 */
export async function shrink(
  test: Case,
  failure: Failure,
  budgetMs: number,
  run: (test: Case) => Promise<Pick<Outcome, 'failure'>> = check,
): Promise<{ test: Case; failure: Failure }> {
  const end = performance.now() + budgetMs;
  let best = { test, failure };
  // What did not help a little earlier is not tried again until everything after it has been.
  let [tried, helped] = [0, false];
  for (;;) {
    const candidate = [...simpler(best.test, best.failure)][tried];
    if (!candidate) {
      if (!helped) return best;
      [tried, helped] = [0, false];
      continue;
    }
    if (performance.now() > end) return best;
    const outcome = isSound(candidate) ? await run(candidate) : {};
    if (outcome.failure && isSameFault(outcome.failure, best.failure)) {
      best = { test: candidate, failure: outcome.failure };
      helped = true;
    } else {
      tried++;
    }
  }
}

/** Whether the layers still fit each other. */
function isSound({ blocks, runs, stem, skips, joins = [] }: Case): boolean {
  if (blocks.length === 0 || runs.length === 0 || stem.kernel % 2 === 0) return false;
  // A skip adds maps of the same shape, and a join lays such maps side by side.
  return [...skips, ...joins].every(({ after, of }) =>
    blocks
      .slice(of + 1, after + 1)
      .every(({ stride, channels }) => stride === 1 && channels === blocks[of]!.channels),
  );
}

/** Simplifications of a case, the ones that take most away first. */
function* simpler(test: Case, failure: Failure): Generator<Case> {
  yield* fewerRuns(test, failure);
  yield* fewerBlocks(test);
  if (test.skips.length > 0) yield { ...test, skips: [] };
  const { joins = [] } = test;
  for (const [at, join] of joins.entries()) {
    const others = joins.filter((other) => other !== join);
    yield { ...test, joins: others };
    const { product, ...alone } = join;
    if (product) yield { ...test, joins: joins.with(at, alone) };
    const { statistics, ...plain } = join;
    if (statistics) yield { ...test, joins: joins.with(at, plain) };
    if (join.factor.some((one) => one > 1))
      yield { ...test, joins: joins.with(at, { ...join, factor: [1, 1] }) };
    if (join.interpolation !== 'nearest')
      yield { ...test, joins: joins.with(at, { ...join, interpolation: 'nearest' }) };
  }
  for (const skip of test.skips) yield { ...test, skips: test.skips.filter((other) => other !== skip) };
  yield* fewerPictures(test);
  for (const side of ['height', 'width'] as const) {
    for (const value of [test[side] >> 1, Math.floor(test[side] * 0.8), test[side] - 1]) {
      if (value >= 1) yield { ...test, [side]: value };
    }
  }
  if (test.stem.pool) yield { ...test, stem: { ...test.stem, pool: false } };
  yield* smallerNumbers(test.stem, ['channels', 'kernel', 'stride'], (stem) => ({ ...test, stem }));
  if (test.classes > 0) yield { ...test, classes: 0 };
  for (const index of test.blocks.keys()) yield* simplerBlock(test, index);
  if (test.excitation === 'active') yield { ...test, excitation: 'exact' };
  for (const index of test.runs.keys()) yield* simplerRun(test, index);
}

function* fewerRuns(test: Case, { run }: Failure): Generator<Case> {
  if (test.runs.length > 1) {
    yield { ...test, runs: [test.runs[run]!] };
    for (const index of test.runs.keys()) yield { ...test, runs: test.runs.filter((_, i) => i !== index) };
  }
}

function* fewerBlocks(test: Case): Generator<Case> {
  const { blocks } = test;
  const without = (from: number, to: number): Case => ({
    ...test,
    blocks: blocks.filter((_, i) => i < from || i >= to),
    skips: left(test.skips, from, to),
    ...(test.joins ? { joins: left(test.joins, from, to) } : {}),
    stem: from === 0 && to < blocks.length ? { ...test.stem, channels: blocks[to - 1]!.channels } : test.stem,
    runs: test.runs.map((run) =>
      typeof run.plan === 'string' ? run : { ...run, plan: run.plan.filter((_, i) => i < from || i >= to) },
    ),
  });
  for (const size of [blocks.length >> 1, 1]) {
    if (size < 1) continue;
    for (let from = 0; from + size <= blocks.length; from += size) yield without(from, from + size);
  }
}

/** What lies behind blocks that stay, of blocks that stay and with no others between, by their new numbers. */
function left<Behind extends { readonly after: number; readonly of: number }>(
  all: readonly Behind[],
  from: number,
  to: number,
): Behind[] {
  return all
    .filter(({ after, of }) => to <= of || (after < from && of < from))
    .map((one) =>
      one.of >= to ? { ...one, after: one.after - (to - from), of: one.of - (to - from) } : one,
    );
}

function* fewerPictures(test: Case): Generator<Case> {
  if (test.pictures <= 1) return;
  const pictures = test.pictures - 1;
  yield {
    ...test,
    pictures,
    runs: test.runs.map((run) => {
      const batch = run.batch.filter((picture) => picture < pictures);
      return { ...run, batch: batch.length > 0 ? batch : [0] };
    }),
  };
}

function* simplerBlock(test: Case, index: number): Generator<Case> {
  const block = test.blocks[index]!;
  const replace = (changed: BlockCase): Case => ({
    ...test,
    blocks: test.blocks.map((other, i) => (i === index ? changed : other)),
    runs:
      changed.squeeze === block.squeeze
        ? test.runs
        : test.runs.map((run) =>
            typeof run.plan === 'string' ? run : { ...run, plan: run.plan.map(withoutAt(index, 'excite')) },
          ),
  });
  const plain: Partial<BlockCase> = {
    inner: 'relu',
    outer: block.kind === 'inverted' ? 'none' : 'relu',
    squeeze: 0,
    kernel: 3,
    dilation: 1,
    shift: 0,
    groups: 1,
    stride: 1,
    stridesFirst: false,
    dense: false,
    masker: 'fixed',
  };
  for (const [key, value] of Object.entries(plain) as [keyof BlockCase, never][]) {
    if (block[key] !== value) yield replace({ ...block, [key]: value });
  }
  const { attention, ...plainly } = block;
  if (attention) yield replace(plainly);
  const { pools, ...unpooled } = block;
  if (pools) yield replace(unpooled);
  const { pooledShortcut, ...strided } = block;
  if (pooledShortcut) yield replace(strided);
  const { kernelWidth, ...square } = block;
  if (kernelWidth !== undefined) yield replace(square);
  const { normalised, uncentred, ...unnormalised } = block;
  if (normalised && uncentred) yield replace({ ...unnormalised, normalised });
  if (normalised) yield replace(unnormalised);
  if (normalised === 'all') yield replace({ ...block, normalised: 'spatial' });
  const { samePadding, ...padded } = block;
  if (samePadding) yield replace(padded);
  if (block.masker !== 'learned' && block.masker !== 'fixed') yield replace({ ...block, masker: 'learned' });
  for (const rate of [1, 0.5]) if (block.rate !== rate && block.rate !== 1) yield replace({ ...block, rate });
  for (const granularity of [0, 2]) {
    if (block.granularity > 2) yield replace({ ...block, granularity });
  }
  const whole = block.groups;
  for (const width of [block.width >> 1, Math.floor(block.width * 0.75)]) {
    if (width >= 1 && width < block.width && width % whole === 0) yield replace({ ...block, width });
  }
  if (block.channels > 1) {
    for (const channels of [block.channels >> 1, Math.floor(block.channels * 0.75)]) {
      if (channels >= 1 && channels < block.channels) {
        // Blocks of one shape stay so: a projection would make another block of them.
        yield {
          ...test,
          stem: test.stem.channels === block.channels ? { ...test.stem, channels } : test.stem,
          blocks: test.blocks.map((other) =>
            other.channels === block.channels ? { ...other, channels } : other,
          ),
        };
        yield replace({ ...block, channels });
      }
    }
  }
}

function* simplerRun(test: Case, index: number): Generator<Case> {
  const run = test.runs[index]!;
  const replace = (changed: RunCase): Case => ({
    ...test,
    runs: test.runs.map((other, i) => (i === index ? changed : other)),
  });
  if (typeof run.plan === 'string') {
    if (run.plan !== 'unfused') yield replace({ ...run, plan: 'unfused' });
    if (run.plan !== 'unfused' && run.plan !== 'streamed') yield replace({ ...run, plan: 'streamed' });
  } else {
    for (const plan of ['streamed', 'lasnet']) yield replace({ ...run, plan });
    for (const [block, text] of run.plan.entries()) {
      for (const simpler of simplerPlans(text)) {
        yield replace({ ...run, plan: run.plan.map((other, i) => (i === block ? simpler : other)) });
      }
    }
  }
  const { rewrite, ...asPlanned } = run;
  if (rewrite !== undefined) yield replace(asPlanned);
  for (const threads of [1, run.threads - 1])
    if (threads >= 1 && threads < run.threads) yield replace({ ...run, threads });
  // Small bands are what lets a small network stand for a large one.
  if (run.backend === 'native' && run.bandPixels === 0) yield replace({ ...run, bandPixels: 4 });
  if (run.batch.length > 1) {
    for (const at of run.batch.keys()) yield replace({ ...run, batch: run.batch.filter((_, i) => i !== at) });
  }
  if (run.batch.some((picture, i) => picture !== i)) {
    yield replace({ ...run, batch: run.batch.map((_, i) => i) });
  }
}

/** Takes a primitive out of the groups of one block. */
const withoutAt = (block: number, primitive: string) => (text: string, index: number) =>
  index === block ? withoutPrimitive(text, primitive) : text;

function withoutPrimitive(text: string, primitive: string): string {
  const groups = text.split(' | ').map((group) => group.split(' ').filter((other) => other !== primitive));
  return groups
    .filter((group) => group.length > 0)
    .map((group) => group.join(' '))
    .join(' | ');
}

/** A block's groups with a cut more, or without a primitive that may be left out. */
function* simplerPlans(text: string): Generator<string> {
  const groups = text.split(' | ').map((group) => group.split(' '));
  const join = (changed: string[][]) => changed.map((group) => group.join(' ')).join(' | ');
  for (const optional of ['next-pool', 'gather', 'scatter', 'pool']) {
    if (groups.flat().includes(optional)) yield withoutPrimitive(text, optional);
  }
  for (const [at, group] of groups.entries()) {
    for (let cut = 1; cut < group.length; cut++) {
      yield join([...groups.slice(0, at), group.slice(0, cut), group.slice(cut), ...groups.slice(at + 1)]);
    }
  }
}

/** The same with one number smaller. */
function* smallerNumbers<Part extends object>(
  part: Part,
  keys: readonly (keyof Part)[],
  rebuild: (part: Part) => Case,
): Generator<Case> {
  for (const key of keys) {
    const value = part[key] as number;
    for (const smaller of [1, value >> 1, value - 2]) {
      if (smaller >= 1 && smaller < value) yield rebuild({ ...part, [key]: smaller });
    }
  }
}
