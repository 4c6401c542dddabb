import { FoveaError } from '@fovea/engine';
import { didYouMean } from '@fovea/engine/files';
import type { Command } from 'commander';
import { counted } from '../../presentation/index.js';
import type { SweepBackend, SweepSummary } from '../../sweep/backend.js';
import type { PointRecord } from '../../sweep/point.js';
import { pruneEverywhere } from '../../sweep/storage/prune-everywhere.js';
import { asTable, printJson } from '../options/parse.js';
import { QUEUE_OPTION, withBackend } from '../options/with-backend.js';
import { asText } from './sweep.js';
import { registerPrune, removalText } from './sweeps-prune.js';

interface SweepsCommandOptions {
  readonly queue?: string;
  readonly json?: boolean;
}

const JSON_OUTPUT = ['--json', 'print one JSON document and nothing else'] as const;

interface RemoveOptions extends SweepsCommandOptions {
  readonly files?: boolean;
}

/** `fovea sweeps`: lists the sweeps of this machine or of a queue; shows, cancels or removes one; removes stored files. */
export function register(sweeps: Command): void {
  sweeps
    .command('list', { isDefault: true })
    .description('List all, with how many of their points have ended.')
    .option(...QUEUE_OPTION)
    .option(...JSON_OUTPUT)
    .action((options: SweepsCommandOptions) =>
      withBackend(options, async (backend) => print(options, await backend.list())),
    );
  sweeps
    .command('show')
    .description('Show the results of one.')
    .argument('<name>', 'the name of the sweep')
    .option(...QUEUE_OPTION)
    .option(...JSON_OUTPUT)
    .action((name: string, options: SweepsCommandOptions) =>
      withBackend(options, async (backend) => {
        const summary = await find(backend, name);
        const records: PointRecord[] = [];
        for await (const record of backend.records(name)) records.push(record);
        const space = await backend.space(name);
        if (options.json) printJson({ ...summary, space, records });
        else process.stdout.write(asText(summary, records));
      }),
    );
  sweeps
    .command('cancel')
    .description('Remove waiting points and stop running ones, wherever they were started; records stay.')
    .argument('<name>', 'the name of the sweep')
    .option(...QUEUE_OPTION)
    .option(...JSON_OUTPUT)
    .action((name: string, options: SweepsCommandOptions) =>
      withBackend(options, async (backend) => {
        await find(backend, name);
        await backend.cancel(name);
        print(options, [await find(backend, name)]);
      }),
    );
  sweeps
    .command('remove')
    .description(
      'Delete one or more with all their records; what they have stored stays until prune, unless --files is given.',
    )
    .argument('<names...>', 'the names of the sweeps')
    .option(...QUEUE_OPTION)
    .option('--files', 'also remove the networks and lists of images that no other sweep refers to')
    .option(...JSON_OUTPUT)
    .action((names: readonly string[], options: RemoveOptions) =>
      withBackend(options, (backend) => remove(backend, [...new Set(names)], options)),
    );
  registerPrune(sweeps);
}

/** Removes sweeps; all must be there, and none must run, before the first one goes. */
async function remove(
  backend: SweepBackend,
  names: readonly string[],
  { files = false, json }: RemoveOptions,
): Promise<void> {
  const summaries: SweepSummary[] = [];
  for (const name of names) summaries.push(await find(backend, name));
  const references = await Promise.all(names.map((name) => backend.referencesOf(name)));
  for (const { name } of summaries) {
    // Those of an earlier space under its name too, which its summary leaves out.
    let records = 0;
    for await (const _ of backend.records(name)) records++;
    await backend.remove(name);
    if (!json) process.stdout.write(`sweep ${name} is removed, with ${counted(records, 'record')}\n`);
  }
  const pruned = await pruneEverywhere(backend, {
    dryRun: !files,
    among: ({ sha256 }) => references.some((own) => own.has(sha256)),
  });
  if (json) printJson({ sweeps: summaries, removed: files ? pruned.removed : [] });
  else if (pruned.removed.length > 0) process.stdout.write(removalText(pruned.removed, files));
}

async function find(backend: SweepBackend, name: string): Promise<SweepSummary> {
  const all = await backend.list();
  const found = all.find((sweep) => sweep.name === name);
  if (found) return found;
  const known = all.map((sweep) => sweep.name);
  throw new FoveaError(
    'unknown-name',
    `no sweep "${name}" is here: ${known.length > 0 ? `there are ${known.join(', ')}` : 'there are none'}${didYouMean(name, known)}`,
  );
}

function print({ json }: SweepsCommandOptions, sweeps: readonly SweepSummary[]): void {
  if (json) {
    printJson(sweeps);
    return;
  }
  const rows = sweeps.map(({ name, kind, state, points, completed, failed }) => [
    ...[name, kind, state],
    ...[points, completed, failed].map(String),
  ]);
  const table = asTable([['sweep', 'kind', 'state', 'points', 'completed', 'failed'], ...rows]);
  process.stdout.write(sweeps.length === 0 ? 'no sweeps\n' : `${table}\n`);
}
