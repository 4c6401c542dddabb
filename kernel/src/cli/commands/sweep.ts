import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { FoveaError } from '@fovea/engine';
import { refusal } from '@fovea/engine/files';
import type { Command } from 'commander';
import type { SweepSummary } from '../../sweep/backend.js';
import type { PointRecord } from '../../sweep/point.js';
import { recordsCsv, sweepRows, sweepTable } from '../../sweep/rows.js';
import { checkSpace } from '../../sweep/space/check-space.js';
import { questionAbout } from '../../sweep/space/expand.js';
import type { SweepSpace } from '../../sweep/space/space.js';
import { importModule } from '../../sweep/strategy-module.js';
import { Sweep, type SweepResult } from '../../sweep/sweep.js';
import { describeArgument } from '../options/argument.js';
import { confirm } from '../options/confirm.js';
import { collectLabel, LABEL_OPTION } from '../options/label-option.js';
import { asTable, printJson } from '../options/parse.js';
import { checkOutput, sweepRecords } from '../output/output-file.js';
import { showProgress } from '../output/progress.js';
import { RecordFile, replaceUnlessLost } from '../output/record-file.js';
import { nameSkipped } from '../output/skipped.js';

interface SweepCommandOptions {
  readonly queue?: string;
  readonly out?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly medians?: boolean;
  readonly retryFailed?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** `fovea sweep`: many points of a space, on this machine or on those that serve a queue. */
export function register(command: Command): void {
  describeArgument(command, 'the space: a .json file, or a .ts or .js module whose default export it is')
    .option('--queue <url>', 'redis:// or rediss:// address of the queue that fovea worker serves')
    .option(
      '--out <file>',
      'write the records to this file as they come: .jsonl, or .csv at the end; other records in it stay until the sweep is complete',
    )
    .option('--medians', 'in a .csv, one line per design: median, least and greatest value over its repeats')
    .option(LABEL_OPTION, 'a label of this machine, for points that ask for it; repeatable', collectLabel)
    .option('--retry-failed', 'run failed points again')
    .option('--yes', 'run a space that has no points or very many without asking')
    .option('--json', 'print one JSON document and nothing else')
    .action(async (spec: string, options: SweepCommandOptions) => {
      if (options.out !== undefined) await checkOutput(options.out, sweepRecords, [spec]);
      const space = checkSpace(await readSpec(spec));
      await confirm(questionAbout(space), options.yes === true, {
        ...{ ask: 'Run it?', yesDoes: 'runs it', declined: 'nothing was run' },
      });
      const result = await runSweep(space, options);
      const failed = result.records.filter(({ status }) => status === 'failed');
      const { name, state, points, records, skipped } = result;
      const counts = {
        name,
        state,
        points,
        completed: records.length - failed.length,
        failed: failed.length,
      };
      if (options.json) printJson({ ...counts, skipped, records });
      else process.stdout.write(asText(counts, records));
      if (counts.completed < points) process.exitCode = 1;
    });
}

async function runSweep(space: SweepSpace, options: SweepCommandOptions): Promise<SweepResult> {
  const { queue, label, retryFailed, out, medians = false } = options;
  if (medians && (out === undefined || extname(out) !== '.csv'))
    throw new FoveaError(
      'bad-argument',
      `--medians: a table is needed, so --out with a name that ends in .csv`,
    );
  const progress = showProgress('sweep');
  try {
    const sweep = await Sweep.start(space, {
      confirm: true,
      signal: progress.signal,
      onWaiting: (line) => process.stderr.write(`fovea: ${line}\n`),
      ...(queue === undefined ? {} : { queue }),
      ...(label === undefined ? {} : { labels: label }),
      ...(retryFailed ? { retryFailed } : {}),
    });
    nameSkipped(sweep.expansion.skipped);
    const isTable = out !== undefined && extname(out) === '.csv';
    const file = out !== undefined && !isTable ? new RecordFile(out, sweep.records.values()) : undefined;
    const said = new Set<string>();
    sweep.onChange((event) => {
      if (event.type === 'record') file?.add(event.record);
      progress.update(sweep.records.size / sweep.points, `${sweep.records.size} of ${sweep.points}`);
      for (const notice of sweep.notices.values()) {
        if (!said.has(notice)) process.stderr.write(`fovea: ${notice}\n`);
        said.add(notice);
      }
    });
    const result = await sweep.finished;
    const isComplete = result.state === 'completed';
    const isWritten = isTable
      ? await replaceUnlessLost(out, recordsCsv(result.records, { medians }), isComplete)
      : ((await file?.end(isComplete)) ?? true);
    if (!isWritten)
      process.stderr.write(
        `fovea: ${out} is as it was: it has other records, which those of a sweep replace when that is complete; ` +
          'run the same command again to go on\n',
      );
    return result;
  } finally {
    progress.end();
  }
}

/**
 * Reads a space.
 * @throws FoveaError `io` when the file cannot be read, `bad-file` when it holds none
 */
async function readSpec(path: string): Promise<unknown> {
  if (extname(path) !== '.json') return importSpec(path);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new FoveaError('io', `cannot read ${path}: ${refusal(cause, 'file')}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FoveaError('bad-file', `${path} is not JSON: ${(cause as Error).message}`);
  }
}

async function importSpec(path: string): Promise<unknown> {
  const exported = await importModule(path);
  if (exported.default !== undefined) return exported.default;
  throw new FoveaError('bad-file', `${path} has no default export; the space is accepted as one`);
}

/** State of a sweep, with a table of its results. */
export function asText(
  {
    name,
    state,
    points,
    completed,
    failed,
  }: Omit<SweepSummary, 'kind' | 'state'> & { readonly state: string },
  records: readonly PointRecord[],
): string {
  const head = `sweep ${name}: ${state}, ${completed} of ${points} points completed${failed ? `, ${failed} failed` : ''}\n`;
  if (records.length === 0) return head;
  const { columns, rows } = sweepTable(sweepRows(records));
  const shown = (value: string | number) =>
    typeof value === 'number' ? String(Number(value.toPrecision(4))) : value;
  return `${head}\n${asTable([columns, ...rows.map((row) => row.map(shown))])}\n`;
}
