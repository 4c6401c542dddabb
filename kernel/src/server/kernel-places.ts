import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ContentsRoot } from './contents/paths.js';

/** Where a kernel works, and the path of the document that it is given. */
export interface KernelPlace {
  readonly folder: string;
  readonly sessionName: string;
}

/** Which folder a kernel works in, from the path of its document in the API. */
export class KernelPlaces {
  constructor(private readonly root: ContentsRoot) {}

  /** The closest folder to a path that exists: itself, or its document's; the root where it names none. */
  async of(path: string): Promise<KernelPlace> {
    const { folder: root } = this.root;
    const place = await this.root.place(path, 'read').catch(() => undefined);
    let folder = place?.file ?? root;
    while (folder !== root && !(await isFolder(folder))) folder = dirname(folder);
    return { folder, sessionName: join(root, path) };
  }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
