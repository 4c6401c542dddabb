import { FoveaError } from '@fovea/engine/errors';
import { CommanderError } from 'commander';
import { version } from '../version.js';
import { addCommands } from './command-table.js';
import { NearestCommand } from './nearest-command.js';
import { outliveReaders } from './output/output-streams.js';

async function main(argv: readonly string[]): Promise<void> {
  const program = new NearestCommand('fovea')
    .description('Spatially adaptive inference: run it, predict it, look at it.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(fovea COMMAND --help lists what is accepted)');
  // `fovea help COMMAND` needs its options too.
  const wanted = argv.slice(2).find((word) => word !== 'help' && word !== '--');
  await addCommands(program, (name) => name === wanted);
  await program.parseAsync(argv);
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
