import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '@fovea/engine/files';
import { OneByOne } from '../../one-by-one.js';
import { saveAtomically } from '../contents/save.js';
import { objectField, readJson } from '../http/body.js';
import { HttpError } from '../http/errors.js';
import { empty, json } from '../http/reply.js';
import type { Router } from '../http/router.js';

interface Workspace {
  readonly data: Record<string, unknown>;
  readonly metadata: { readonly id: string; readonly last_modified?: string; readonly created?: string };
}

const EXTENSION = '.jupyterlab-workspace';

/**
 * Saved layouts: which documents are open, and where, and which were open before. They name files by their paths below
 * the lab's folder, so that those of one folder mean nothing in another.
 */
export class Workspaces {
  /** Where the layouts of this lab's folder are kept. */
  private readonly folder: string;
  /** Of two savings at once the later one counts. */
  private readonly savings = new OneByOne();

  /**
   * @param place where the layouts of all folders are kept
   * @param rootFolder the folder that the lab shows
   */
  constructor(place: string, rootFolder: string) {
    this.folder = join(place, hashedName(rootFolder));
  }

  /** Adds the routes below `/lab/api/workspaces`. */
  register(router: Router): void {
    const path = '/lab/api/workspaces/*id';
    router.on('GET', path, async (call) => {
      const id = call.params.id!;
      if (id !== '') return json(await this.read(id));
      const values = await this.all();
      return json({ workspaces: { ids: values.map(({ metadata }) => metadata.id), values } });
    });
    router.on('PUT', path, async (call) => {
      const id = call.params.id!;
      const body = await readJson(call.request);
      const data = objectField(body, 'data');
      if (!data) throw new HttpError(400, 'data is missing: the layout was left as it is');
      const named = objectField(body, 'metadata')?.id;
      if (id === '' || named !== id) throw new HttpError(400, `metadata.id must be ${id}`);
      await this.savings.do(async () => {
        makeFolder(this.folder, 0o700);
        await saveAtomically(this.file(id), JSON.stringify({ data, metadata: { id } }));
      });
      return empty();
    });
    router.on('DELETE', path, async (call) => {
      await rm(this.file(call.params.id!)).catch(() => {
        throw new HttpError(404, `No such workspace: ${call.params.id}`);
      });
      return empty();
    });
  }

  private file(id: string): string {
    return join(this.folder, `${hashedName(id)}${EXTENSION}`);
  }

  private async read(id: string): Promise<Workspace> {
    return (await this.load(this.file(id))) ?? { data: {}, metadata: { id } };
  }

  private async all(): Promise<Workspace[]> {
    const names = (await readdir(this.folder).catch(() => [])).filter((name) => name.endsWith(EXTENSION));
    const loaded = await Promise.all(names.sort().map((name) => this.load(join(this.folder, name))));
    return loaded.filter((workspace) => workspace !== undefined);
  }

  private async load(file: string): Promise<Workspace | undefined> {
    try {
      const workspace = JSON.parse(await readFile(file, 'utf8')) as Workspace;
      const status = await stat(file);
      const times = { last_modified: status.mtime.toISOString(), created: status.birthtime.toISOString() };
      return { ...workspace, metadata: { ...workspace.metadata, ...times } };
    } catch {
      return undefined;
    }
  }
}

/** A file name for an id or a path, which may hold any character: its end, to be recognized by, and its hash. */
function hashedName(text: string): string {
  const slug = text.replace(/[^\w-]+/g, '-').slice(-40);
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 12);
  return `${slug}-${hash}`;
}
