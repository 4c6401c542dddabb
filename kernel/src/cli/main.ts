import { FoveaError } from '@fovea/engine/errors';
import { Command, CommanderError } from 'commander';
import { version } from '../version.js';
import { outliveReaders } from './output-streams.js';

/** Modules that each add one or more commands; a command is loaded only when it is the one asked for. */
const commands: Record<string, () => Promise<{ register(program: Command): void }>> = {
  adapt: () => import('./adapt.js'),
  calibrate: () => import('./calibrate.js'),
  doctor: () => import('./doctor.js'),
  evaluate: () => import('./evaluate.js'),
  export: () => import('./export.js'),
  fit: () => import('./fit.js'),
  bench: () => import('./bench.js'),
  infer: () => import('./infer.js'),
  inspect: () => import('./inspect.js'),
  install: () => import('./install.js'),
  kernel: () => import('./kernel.js'),
  lab: () => import('./lab.js'),
  launcher: () => import('./launcher.js'),
  list: () => import('./install.js'),
  predict: () => import('./predict.js'),
  search: () => import('./search.js'),
  sweep: () => import('./sweep.js'),
  sweeps: () => import('./sweeps.js'),
  train: () => import('./train.js'),
  uninstall: () => import('./install.js'),
  validate: () => import('./validate.js'),
  worker: () => import('./worker.js'),
};

async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('fovea')
    .description('Spatially adaptive inference: run it, predict it, look at it.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(fovea COMMAND --help lists what is accepted)');
  const wanted = argv[2];
  const load =
    wanted !== undefined && Object.hasOwn(commands, wanted) ? [commands[wanted]!] : Object.values(commands);
  const modules = new Set(await Promise.all(load.map((module) => module())));
  for (const module of modules) module.register(program);
  await program.parseAsync(argv);
}

outliveReaders();
try {
  await main(process.argv);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`fovea: ${message.split('\n')[0]}\n`);
    if (!(error instanceof FoveaError) && process.env.FOVEA_DEBUG && error instanceof Error) {
      process.stderr.write(`${error.stack}\n`);
    }
    process.exitCode = 1;
  }
}
