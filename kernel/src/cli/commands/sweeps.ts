import { FoveaError } from '@fovea/engine';
import type { Command } from 'commander';
import type { SweepBackend, SweepSummary } from '../../sweep/backend.js';
import type { PointRecord } from '../../sweep/point.js';
import { asTable, printJson } from '../options/parse.js';
import { asText } from './sweep.js';

interface SweepsCommandOptions {
  readonly queue?: string;
  readonly json?: boolean;
}

const QUEUE = [
  '--queue <url>',
  'address of the queue that holds them (default: those of this machine)',
] as const;
const JSON_OUTPUT = ['--json', 'print one JSON document and nothing else'] as const;

/** `fovea sweeps`: lists the sweeps of this machine or of a queue; shows, cancels or removes one. */
export function register(program: Command): void {
  const sweeps = program
    .command('sweeps')
    .description('List the sweeps of this machine or of a queue; show, cancel or remove one.');
  sweeps
    .command('list', { isDefault: true })
    .description('List all, with how many of their points have ended.')
    .option(...QUEUE)
    .option(...JSON_OUTPUT)
    .action((options: SweepsCommandOptions) =>
      withBackend(options, async (backend) => print(options, await backend.list())),
    );
  sweeps
    .command('show')
    .description('show the results of one')
    .argument('<name>', 'the name of the sweep')
    .option(...QUEUE)
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
    .option(...QUEUE)
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
    .description('Delete one with all its records.')
    .argument('<name>', 'the name of the sweep')
    .option(...QUEUE)
    .action((name: string, options: SweepsCommandOptions) =>
      withBackend(options, async (backend) => {
        const { completed, failed } = await find(backend, name);
        await backend.remove(name);
        process.stdout.write(`sweep ${name} is removed, with ${completed + failed} records\n`);
      }),
    );
}

async function withBackend(
  { queue }: SweepsCommandOptions,
  work: (backend: SweepBackend) => Promise<void>,
): Promise<void> {
  const { openBackend } = await import('../../sweep/open-backend.js');
  const backend = await openBackend(queue === undefined ? {} : { queue });
  try {
    await work(backend);
  } finally {
    await backend.close();
  }
}

async function find(backend: SweepBackend, name: string): Promise<SweepSummary> {
  const all = await backend.list();
  const found = all.find((sweep) => sweep.name === name);
  if (found) return found;
  const known = all.map((sweep) => sweep.name).join(', ');
  throw new FoveaError(
    'unknown-name',
    `no sweep "${name}" is here: ${known ? `there are ${known}` : 'there are none'}`,
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
