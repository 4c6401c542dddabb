import { stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { ContentsRoot } from './contents/paths.js';
import { HttpError } from './http/errors.js';

/** Where a kernel works, and the path of the document that it is given. */
export interface KernelPlace {
  readonly folder: string;
  readonly sessionName: string;
}

/** Which folder a kernel works in, from the path of its document in the API. */
export class KernelPlaces {
  constructor(private readonly root: ContentsRoot) {}

  /**
   * The closest folder to a path that exists: itself, or its document's; the root where it names none.
   * @throws HttpError as `closestFolder` does
   */
  async of(path: string): Promise<KernelPlace> {
    const { folder: root } = this.root;
    const place = await this.root.place(path, 'read').catch(() => undefined);
    return { folder: await closestFolder(place?.file ?? root, root), sessionName: join(root, path) };
  }
}

/**
 * A path itself or the closest folder above it that exists: a folder is renamed or removed while kernels work in it.
 * @param root beyond which it is not looked for
 * @throws HttpError 409 when the root itself is gone
 */
export async function closestFolder(path: string, root: string): Promise<string> {
  let folder = path === root || path.startsWith(root + sep) ? path : root;
  while (!(await isFolder(folder))) {
    if (folder === root)
      throw new HttpError(409, 'The folder that this lab shows is gone: start the lab in another one');
    folder = dirname(folder);
  }
  return folder;
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
