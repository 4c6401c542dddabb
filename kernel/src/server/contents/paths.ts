import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { homeFolder } from '@fovea/engine/files';
import { isWellFormed } from '../http/body.js';
import { HttpError } from '../http/errors.js';

/** What a path is wanted for: hidden names do not exist for readers, and are refused to writers. */
export type Purpose = 'read' | 'write';

/** A place below the root, by both its names. */
export interface Place {
  /** Path in the API: relative to the root, `/` between segments, no leading or trailing slash, '' for the root. */
  readonly api: string;
  /** Absolute path on disk, symbolic links not resolved. */
  readonly file: string;
}

const notFound = (api: string) => new HttpError(404, `No such file or directory: ${api}`);

/** Names that start with a dot are hidden: checkpoints, version control, keys and caches. */
export function isHidden(name: string): boolean {
  return name.startsWith('.');
}

/** Longest name of a file, in bytes of UTF-8: what the file systems of Linux and macOS take. */
export const MAX_NAME_BYTES = 255;

/**
 * Checks the name of a file or folder that a client gave.
 * @throws HttpError 400 for one that no file can have
 */
export function checkName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes > MAX_NAME_BYTES) {
    throw new HttpError(400, `The name is ${bytes} bytes long, ${MAX_NAME_BYTES} are accepted: ${name}`);
  }
  if (!isWellFormed(name)) throw new HttpError(400, 'The name is not valid Unicode');
}

/** Whether anything is at a path, be it a link that leads nowhere. */
export const exists = (file: string): Promise<boolean> =>
  lstat(file).then(
    () => true,
    () => false,
  );

/**
 * The real path of a file or, where there is none yet, of its closest existing ancestor.
 * @throws the file system's error, also for a link that leads nowhere: writing to it would write there
 */
async function closestRealPath(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const parent = dirname(file);
    if ((code !== 'ENOENT' && code !== 'ENOTDIR') || parent === file) throw error;
    // A link that leads nowhere is refused; anything else has appeared since.
    const found = await lstat(file).catch(() => undefined);
    if (found) return found.isSymbolicLink() ? realpath(file) : closestRealPath(file);
    return join(await closestRealPath(parent), basename(file));
  }
}

/** Translates the API's paths into paths on disk, and lets none out of the root folder. */
export class ContentsRoot {
  private constructor(
    /** The root folder with symbolic links resolved. */
    readonly folder: string,
    private readonly allowHidden: boolean,
    private readonly followLinks: boolean,
  ) {}

  /**
   * @param folder the folder that the lab shows; must exist
   * @param options `allowHidden`: show names that start with a dot; `followLinks`: follow symbolic links that
   *   lead out of the root
   */
  static async open(
    folder: string,
    options: { allowHidden?: boolean; followLinks?: boolean } = {},
  ): Promise<ContentsRoot> {
    const { allowHidden = false, followLinks = false } = options;
    return new ContentsRoot(await realpath(folder), allowHidden, followLinks);
  }

  /**
   * Resolves a path of the API.
   * @throws HttpError 404 for anything outside the root, also through symbolic links, and for hidden names;
   *   400 for writing to a hidden name, and for names that no file can have
   */
  async place(path: string, purpose: Purpose): Promise<Place> {
    const segments = path.split('/').filter((segment) => segment !== '');
    const api = segments.join('/');
    for (const segment of segments) {
      const foreign = segment === '.' || segment === '..' || segment.includes('\0');
      checkName(segment);
      if (foreign || (sep === '\\' && /[\\:]/.test(segment))) throw notFound(api);
      if (isHidden(segment) && !this.allowHidden) {
        if (purpose === 'write') throw new HttpError(400, `Hidden names cannot be written: ${api}`);
        throw notFound(api);
      }
    }
    const file = join(this.folder, ...segments);
    if (!(await this.isInside(file))) throw notFound(api);
    return { api, file };
  }

  /** Whether a path on disk stays inside the root once symbolic links are resolved. */
  async isInside(file: string): Promise<boolean> {
    if (this.followLinks) return true;
    const real = await closestRealPath(file).catch(() => undefined);
    return real !== undefined && (real === this.folder || real.startsWith(this.folder + sep));
  }

  /**
   * The path in the API of a file on disk, given absolutely, from the home folder (`~/`) or relative to the root;
   * undefined for what is not there.
   * @throws HttpError 404 for what is outside or hidden
   */
  async apiPathOf(name: string): Promise<string | undefined> {
    const file = name.startsWith('~/') ? join(homeFolder(), name.slice(2)) : name;
    const path = isAbsolute(file) ? relative(this.folder, await closestRealPath(file)) : file;
    const place = await this.place(path.split(sep).join('/'), 'read');
    return (await exists(place.file)) ? place.api : undefined;
  }

  /** Whether a listing shows this name. */
  shows(name: string): boolean {
    return this.allowHidden || !isHidden(name);
  }
}
