import { FoveaError } from '@fovea/engine/errors';
import { type Command, CommanderError } from 'commander';
import { version } from '../version.js';
import { NearestCommand } from './nearest-command.js';
import { outliveReaders } from './output/output-streams.js';

/** Modules that each add one or more commands; a command is loaded only when it is the one asked for. */
const commands: Record<string, () => Promise<{ register(program: Command): void }>> = {
  adapt: () => import('./commands/adapt.js'),
  calibrate: () => import('./commands/calibrate.js'),
  doctor: () => import('./commands/doctor.js'),
  evaluate: () => import('./commands/evaluate.js'),
  export: () => import('./commands/export.js'),
  fit: () => import('./commands/fit.js'),
  bench: () => import('./commands/bench.js'),
  infer: () => import('./commands/infer.js'),
  inspect: () => import('./commands/inspect.js'),
  install: () => import('./commands/install.js'),
  kernel: () => import('./commands/kernel.js'),
  lab: () => import('./commands/lab.js'),
  launcher: () => import('./commands/launcher.js'),
  list: () => import('./commands/install.js'),
  predict: () => import('./commands/predict.js'),
  search: () => import('./commands/search.js'),
  sweep: () => import('./commands/sweep.js'),
  sweeps: () => import('./commands/sweeps.js'),
  train: () => import('./commands/train.js'),
  uninstall: () => import('./commands/install.js'),
  validate: () => import('./commands/validate.js'),
  worker: () => import('./commands/worker.js'),
};

async function main(argv: readonly string[]): Promise<void> {
  const program = new NearestCommand('fovea')
    .description('Spatially adaptive inference: run it, predict it, look at it.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(fovea COMMAND --help lists what is accepted)');
  const modules = new Set(await Promise.all(loadersFor(argv[2]).map((load) => load())));
  for (const module of modules) module.register(program);
  await program.parseAsync(argv);
}

/** Of the command that is asked for; of all of them where none is, but for the version's sake. */
function loadersFor(wanted: string | undefined) {
  if (wanted === '--version' || wanted === '-V') return [];
  return wanted !== undefined && Object.hasOwn(commands, wanted)
    ? [commands[wanted]!]
    : Object.values(commands);
}

/** What went wrong, as a line for people. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isFolderGone = (error as NodeJS.ErrnoException).syscall === 'uv_cwd';
  return isFolderGone ? 'the folder that this was started in is gone: change to another one' : error.message;
}

outliveReaders();
try {
  await main(process.argv);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    process.stderr.write(`fovea: ${messageOf(error).split('\n')[0]}\n`);
    if (!(error instanceof FoveaError) && process.env.FOVEA_DEBUG && error instanceof Error) {
      process.stderr.write(`${error.stack}\n`);
    }
    process.exitCode = 1;
  }
}
