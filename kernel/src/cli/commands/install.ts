import { FoveaError } from '@fovea/engine';
import type { Command } from 'commander';
import { dataFolders } from '../../server/jupyter-paths.js';
import { type GatewayOptions, gatewaySpec, gatewaySpecFolder, parseGateway } from '../machine/gateways.js';
import {
  dataFolderOf,
  type InstallPaths,
  install,
  installKernelspec,
  installPaths,
  isOurKernelspec,
  isOurLabextension,
  type TargetOptions,
  uninstall,
  uninstallKernelspec,
} from '../machine/installation.js';

const say = (line: string) => process.stdout.write(`${line}\n`);

/** @param otherwise what the command does without any of these options */
function targetOptions(command: Command, otherwise?: string): Command {
  const byDefault = otherwise === undefined ? ' (the default)' : ` (default: ${otherwise})`;
  return command
    .option('--user', `this user's Jupyter data folder${byDefault}`)
    .option('--prefix <dir>', 'the environment at DIR, as DIR/share/jupyter')
    .option('--sys-prefix', 'the active Python environment');
}

const isAsked = ({ user, prefix, sysPrefix }: TargetOptions): boolean =>
  user === true || prefix !== undefined || sysPrefix === true;

/** The options as they would be typed, for hints. */
function typed({ prefix, sysPrefix }: TargetOptions): string {
  if (prefix !== undefined) return `--prefix ${prefix}`;
  return sysPrefix ? '--sys-prefix' : '--user';
}

interface GatewayTarget {
  readonly gateway?: string;
}

/** `fovea install`: the kernel and the extension in an existing Jupyter. */
export function registerInstall(command: Command): void {
  targetOptions(command)
    .option(
      '--gateway <kind>',
      'install only a kernelspec, for kernels on other hosts, of Enterprise Gateway (eg) or gateway_provisioners (gp)',
    )
    .option(
      '--remote-hosts <names>',
      'with --gateway: the hosts, separated by commas (default: set by the gateway)',
    )
    .option(
      '--remote-command <words>',
      'with --gateway: how those hosts start fovea (default: as this machine does)',
    )
    .action(async (options: TargetOptions & GatewayTarget & GatewayOptions) => {
      const { dataFolder, ...paths } = installPaths(dataFolderOf(options));
      if (options.gateway !== undefined) {
        const gateway = parseGateway(options.gateway);
        const folder = gatewaySpecFolder(dataFolder, gateway);
        await installKernelspec(folder, gatewaySpec(gateway, options));
        say(`kernelspec    ${folder}`);
        say('Restart the gateway to use it. The hosts of the kernels need Fovea, and no Python.');
        return;
      }
      if (options.remoteHosts !== undefined || options.remoteCommand !== undefined) {
        throw new FoveaError(
          'bad-argument',
          '--remote-hosts and --remote-command are accepted with --gateway only',
        );
      }
      await install({ dataFolder, ...paths }, `fovea uninstall ${typed(options)}`);
      say(`labextension  ${paths.labextension}`);
      say(`kernelspec    ${paths.kernelspec}`);
      say('Restart JupyterLab and reload its page to use them.');
    });
}

/** `fovea uninstall`: takes out of a Jupyter what was installed there. */
export function registerUninstall(command: Command): void {
  targetOptions(command)
    .option('--gateway <kind>', 'the kernelspec of this gateway: eg or gp')
    .action(async (options: TargetOptions & GatewayTarget) => {
      const paths = installPaths(dataFolderOf(options));
      const removed = await remove(paths, options.gateway);
      for (const folder of removed) say(`removed  ${folder}`);
      if (removed.length === 0) say(`Nothing of Fovea is in ${paths.dataFolder}.`);
    });
}

/** `fovea list`: where a Jupyter has them. */
export function registerList(command: Command): void {
  targetOptions(command, 'where the Jupyter in use looks').action((options: TargetOptions) => {
    const asked = isAsked(options);
    const found = (asked ? [dataFolderOf(options)] : dataFolders())
      .map(installPaths)
      .flatMap(({ dataFolder, labextension, kernelspec }) => [
        ...(isOurLabextension(labextension) ? [`labextension  ${labextension}`] : []),
        ...[kernelspec, gatewaySpecFolder(dataFolder, 'eg'), gatewaySpecFolder(dataFolder, 'gp')]
          .filter(isOurKernelspec)
          .map((folder) => `kernelspec    ${folder}`),
      ]);
    for (const line of found) say(line);
    if (found.length > 0) return;
    if (asked) say(`Nothing of Fovea is in ${dataFolderOf(options)}.`);
    else {
      say(
        'Not installed where the Jupyter in use looks. fovea list --prefix DIR looks in another environment;',
      );
      say('fovea install puts it there; fovea lab needs none.');
    }
  });
}

/** Removes what was installed for one gateway, or for Jupyter; resolves to the folders. */
async function remove(paths: InstallPaths, gateway: string | undefined): Promise<string[]> {
  if (gateway === undefined) return uninstall(paths);
  const folder = gatewaySpecFolder(paths.dataFolder, parseGateway(gateway));
  return (await uninstallKernelspec(folder, paths.dataFolder)) ? [folder] : [];
}
