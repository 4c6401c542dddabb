import type { Command } from 'commander';
import { dataFolders } from '../server/jupyter-paths.js';
import {
  dataFolderOf,
  install,
  installPaths,
  isOurKernelspec,
  isOurLabextension,
  type TargetOptions,
  uninstall,
} from './installation.js';

const say = (line: string) => process.stdout.write(`${line}\n`);

function targetOptions(command: Command): Command {
  return command
    .option('--user', "this user's Jupyter data folder (the default)")
    .option('--prefix <dir>', 'the environment at DIR, as DIR/share/jupyter')
    .option('--sys-prefix', 'the active Python environment');
}

/** The options as they would be typed, for hints. */
function typed({ prefix, sysPrefix }: TargetOptions): string {
  if (prefix !== undefined) return `--prefix ${prefix}`;
  return sysPrefix ? '--sys-prefix' : '--user';
}

/** Adds `fovea install`, `uninstall` and `list`: the kernel and the extension in an existing Jupyter. */
export function register(program: Command): void {
  targetOptions(
    program
      .command('install')
      .description('put the kernel and the JupyterLab extension where an existing Jupyter finds them'),
  ).action(async (options: TargetOptions) => {
    const paths = installPaths(dataFolderOf(options));
    await install(paths, `fovea uninstall ${typed(options)}`);
    say(`labextension  ${paths.labextension}`);
    say(`kernelspec    ${paths.kernelspec}`);
    say('Restart JupyterLab and reload its page to use them.');
  });

  targetOptions(
    program.command('uninstall').description('remove what fovea install put there, and nothing else'),
  ).action(async (options: TargetOptions) => {
    const { dataFolder } = installPaths(dataFolderOf(options));
    const removed = await uninstall(installPaths(dataFolder));
    for (const folder of removed) say(`removed  ${folder}`);
    if (removed.length === 0) say(`Nothing of Fovea is in ${dataFolder}.`);
  });

  program
    .command('list')
    .description('show where the kernel and the extension are installed')
    .action(() => {
      const found = dataFolders()
        .map(installPaths)
        .flatMap(({ labextension, kernelspec }) => [
          ...(isOurLabextension(labextension) ? [`labextension  ${labextension}`] : []),
          ...(isOurKernelspec(kernelspec) ? [`kernelspec    ${kernelspec}`] : []),
        ]);
      for (const line of found) say(line);
      if (found.length === 0)
        say('Not installed in any Jupyter. fovea install puts it there; fovea lab needs none.');
    });
}
