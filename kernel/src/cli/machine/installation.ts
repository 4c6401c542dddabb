import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { cp, rm, rmdir, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FoveaError } from '@fovea/engine';
import { makeFolder, removeAbandoned, temporaryName, writeRefusal } from '@fovea/engine/files';
import { moveFile } from '../../server/contents/move.js';
import { activePrefix, userDataFolder } from '../../server/jupyter-paths.js';
import { FOVEA_KERNEL, foveaSpec, type KernelSpec, LOGO_FOLDER } from '../../server/kernelspecs.js';
import { findAssets } from '../../server/lab/assets.js';

/** Name of the labextension, which is also its folder. */
const LABEXTENSION = '@fovea/lab';

/** Which of Jupyter's data folders is meant; at most one is given, none means the user's own. */
export interface TargetOptions {
  readonly user?: boolean;
  readonly prefix?: string;
  readonly sysPrefix?: boolean;
}

/** Where the two parts go below one of Jupyter's data folders. */
export interface InstallPaths {
  readonly dataFolder: string;
  readonly labextension: string;
  readonly kernelspec: string;
}

/** The prefix of the active Python environment, or of the `python3` that the shell finds. */
function pythonPrefix(): string {
  const active = activePrefix();
  if (active) return active;
  for (const python of ['python3', 'python']) {
    try {
      const script = 'import sys; print(sys.prefix)';
      return execFileSync(python, ['-c', script], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
    } catch {
      // The next name is tried.
    }
  }
  throw new FoveaError(
    'unsupported',
    '--sys-prefix: no Python was found; --user or --prefix DIR is accepted',
  );
}

/**
 * The data folder that the options mean.
 * @throws FoveaError `bad-argument` for more than one of them
 */
export function dataFolderOf({ user, prefix, sysPrefix }: TargetOptions): string {
  if ([user, prefix !== undefined, sysPrefix].filter(Boolean).length > 1) {
    throw new FoveaError('bad-argument', 'Only one of --user, --prefix DIR and --sys-prefix is accepted');
  }
  if (prefix !== undefined) return join(resolve(prefix), 'share', 'jupyter');
  return sysPrefix ? join(pythonPrefix(), 'share', 'jupyter') : userDataFolder();
}

/** Where the two parts go below a data folder. */
export function installPaths(dataFolder: string): InstallPaths {
  return {
    dataFolder,
    labextension: join(dataFolder, 'labextensions', ...LABEXTENSION.split('/')),
    kernelspec: join(dataFolder, 'kernels', FOVEA_KERNEL),
  };
}

function readJson(file: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** Whether a folder holds Fovea's labextension, however it was installed. */
export function isOurLabextension(folder: string): boolean {
  return readJson(join(folder, 'package.json'))?.name === LABEXTENSION;
}

/** Whether an argument of a command calls Fovea, directly or through the wheel's module. */
export const callsFovea = (word: unknown) => /fovea(_kernel|\.js)?$/.test(String(word));

/** Whether a folder holds a kernelspec of Fovea's: one that calls `fovea kernel`, or `fovea launcher` for a gateway. */
export function isOurKernelspec(folder: string): boolean {
  const argv = readJson(join(folder, 'kernel.json'))?.argv;
  if (!Array.isArray(argv)) return false;
  return (argv.includes('kernel') || argv.includes('launcher')) && argv.some(callsFovea);
}

/**
 * Fills a folder of its own and then swaps it in: whenever this ends, by being killed too, there is the whole of the old
 * folder or of the new one, or for a moment none. Temporary folders are in Jupyter's data folder itself, because it takes
 * whatever lies beside kernels and extensions for one more.
 */
async function replaceFolder(
  dataFolder: string,
  folder: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  makeFolder(dirname(folder));
  removeAbandoned(dataFolder);
  const temporary = temporaryName(join(dataFolder, basename(folder)));
  try {
    await fill(temporary);
    const before = await takeAway(dataFolder, folder);
    await moveFile(temporary, folder);
    if (before !== undefined) await rm(before, { recursive: true, force: true });
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    throw new FoveaError('io', `cannot install ${folder}: ${writeRefusal(cause)}`, { cause });
  }
}

/**
 * Takes a folder away at once, or removes only the link if it is one (a development install). A folder that is half removed
 * would be nobody's: no later call could say whose it was.
 * @returns where it is now, to be removed
 */
async function takeAway(dataFolder: string, folder: string): Promise<string | undefined> {
  const status = lstatSync(folder, { throwIfNoEntry: false });
  if (!status) return undefined;
  if (status.isSymbolicLink()) {
    await unlink(folder);
    return undefined;
  }
  const aside = temporaryName(join(dataFolder, basename(folder)));
  await moveFile(folder, aside);
  return aside;
}

/**
 * Puts the labextension and the kernelspec into a data folder, in place of an earlier installation.
 * @throws FoveaError `bad-file` when the labextension is not built or another program's kernelspec is in the way
 */
export async function install(paths: InstallPaths, uninstallCommand: string): Promise<void> {
  const source = join(findAssets().labextensions, ...LABEXTENSION.split('/'));
  if (!isOurLabextension(source)) {
    throw new FoveaError('bad-file', 'The labextension is not built; npm run build builds it');
  }
  checkKernelspecFolder(paths.kernelspec);
  await replaceFolder(paths.dataFolder, paths.labextension, async (folder) => {
    await cp(source, folder, { recursive: true });
    const note = {
      packageManager: 'npm',
      packageName: LABEXTENSION,
      uninstallInstructions: `Run ${uninstallCommand}`,
    };
    await writeFile(join(folder, 'install.json'), `${JSON.stringify(note, null, 2)}\n`);
  });
  await installKernelspec(paths.kernelspec, foveaSpec());
}

/** @throws FoveaError `bad-file` when another program's kernelspec is in the folder */
function checkKernelspecFolder(folder: string): void {
  if (existsSync(folder) && !isOurKernelspec(folder)) {
    throw new FoveaError('bad-file', `${folder} holds another kernel; remove it first`);
  }
}

/**
 * Writes a kernelspec, with the logos, in place of an earlier one.
 * @throws FoveaError `bad-file` when a kernelspec that is not Fovea's is in the way
 */
export async function installKernelspec(kernelspec: string, spec: KernelSpec): Promise<void> {
  checkKernelspecFolder(kernelspec);
  await replaceFolder(dirname(dirname(kernelspec)), kernelspec, async (folder) => {
    await cp(LOGO_FOLDER, folder, { recursive: true });
    await writeFile(join(folder, 'kernel.json'), `${JSON.stringify(spec, null, 2)}\n`);
  });
}

/**
 * Removes a kernelspec of Fovea's from a data folder, and no other; returns whether there was one. Folders that become
 * empty go too.
 */
export async function uninstallKernelspec(kernelspec: string, dataFolder: string): Promise<boolean> {
  removeAbandoned(dataFolder);
  const isOurs = isOurKernelspec(kernelspec);
  if (isOurs) await removeWithEmptyParents(kernelspec, dataFolder);
  return isOurs;
}

/** Removes what `install` put into a data folder, and nothing else; resolves to the folders that were removed. */
export async function uninstall({ labextension, kernelspec, dataFolder }: InstallPaths): Promise<string[]> {
  const removed: string[] = [];
  if (isOurLabextension(labextension)) {
    await removeWithEmptyParents(labextension, dataFolder);
    removed.push(labextension);
  }
  if (await uninstallKernelspec(kernelspec, dataFolder)) removed.push(kernelspec);
  return removed;
}

/** Removes a folder, and those above it that are empty then, up to the data folder and the `share` that it is in. */
async function removeWithEmptyParents(folder: string, dataFolder: string): Promise<void> {
  const aside = await takeAway(dataFolder, folder);
  if (aside !== undefined) await rm(aside, { recursive: true, force: true });
  const above = dirname(dataFolder);
  const highest = basename(above) === 'share' ? above : dataFolder;
  for (let at = dirname(folder); at.startsWith(highest); at = dirname(at)) {
    try {
      await rmdir(at);
    } catch {
      // It holds something else.
      return;
    }
  }
}
