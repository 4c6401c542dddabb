import { realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
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

/** The real path of a file or, where there is none yet, of its closest existing ancestor. */
async function closestRealPath(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const parent = dirname(file);
    if ((code !== 'ENOENT' && code !== 'ENOTDIR') || parent === file) throw error;
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
   *   400 for writing to a hidden name
   */
  async place(path: string, purpose: Purpose): Promise<Place> {
    const segments = path.split('/').filter((segment) => segment !== '');
    const api = segments.join('/');
    for (const segment of segments) {
      const foreign = segment === '.' || segment === '..' || segment.includes('\0');
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

  /** Whether a listing shows this name. */
  shows(name: string): boolean {
    return this.allowHidden || !isHidden(name);
  }
}
