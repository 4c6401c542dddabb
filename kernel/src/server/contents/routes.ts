import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FILE_BODY_BYTES, readJson, stringField } from '../http/body.js';
import { HttpError, toHttpError } from '../http/errors.js';
import { empty, json } from '../http/reply.js';
import type { Call, Handler, Router } from '../http/router.js';
import { copyInto, createUntitled, deletePlace, renamePlace } from './changes.js';
import { createCheckpoint, deleteCheckpoint, listCheckpoints, restoreCheckpoint } from './checkpoints.js';
import { type ContentsModel, ContentsReader } from './models.js';
import { formatNotebook } from './notebook.js';
import type { ContentsRoot, Place } from './paths.js';
import { saveAtomically } from './save.js';
import type { NotebookTrust } from './trust.js';
import { Uploads } from './uploads.js';

type Body = Record<string, unknown>;

/** The contents API: the files below a root, read, saved, renamed, copied, deleted, with checkpoints. */
export class ContentsService {
  private readonly reader: ContentsReader;
  private readonly uploads = new Uploads();

  constructor(
    private readonly root: ContentsRoot,
    private readonly trust: NotebookTrust,
  ) {
    this.reader = new ContentsReader(root, trust);
  }

  /** Adds the routes below `/api/contents`. */
  register(router: Router): void {
    const on = (method: string, path: string, handler: Handler) =>
      router.on(method, path, async (call) => {
        try {
          return await handler(call);
        } catch (error) {
          throw toHttpError(error, call.params.path) as Error;
        }
      });
    const checkpoints = '/api/contents/*path/checkpoints';
    on('GET', checkpoints, async (call) => json(await listCheckpoints((await this.read(call)).file)));
    on('POST', checkpoints, async (call) => json(await createCheckpoint((await this.write(call)).file), 201));
    on('POST', `${checkpoints}/:id`, async (call) => {
      await restoreCheckpoint((await this.write(call)).file, call.params.id!);
      return empty();
    });
    on('DELETE', `${checkpoints}/:id`, async (call) => {
      await deleteCheckpoint((await this.write(call)).file, call.params.id!);
      return empty();
    });
    const path = '/api/contents/*path';
    on('GET', path, async (call) => {
      const { query } = call;
      const type = query.get('type') ?? undefined;
      const format = query.get('format') ?? undefined;
      if (type !== undefined && !['directory', 'file', 'notebook'].includes(type)) {
        throw new HttpError(400, `Unknown type ${type}: directory, file and notebook are accepted`);
      }
      return json(
        await this.reader.read(await this.read(call), {
          ...(type === undefined ? {} : { type }),
          ...(format === undefined || type === 'notebook' || type === 'directory' ? {} : { format }),
          content: query.get('content') !== '0',
          hash: query.get('hash') === '1',
        }),
      );
    });
    on('PUT', path, (call) => this.save(call));
    on('POST', path, (call) => this.create(call));
    on('PATCH', path, (call) => this.rename(call));
    on('DELETE', path, async (call) => {
      await deletePlace(await this.write(call));
      return empty();
    });
  }

  /** Drops unfinished uploads. */
  dispose(): Promise<void> {
    return this.uploads.dispose();
  }

  private read(call: Call): Promise<Place> {
    return this.root.place(call.params.path ?? '', 'read');
  }

  private write(call: Call): Promise<Place> {
    return this.root.place(call.params.path ?? '', 'write');
  }

  private model(place: Place) {
    return this.reader.read(place, { content: false });
  }

  private async save(call: Call) {
    const place = await this.write(call);
    const body = await readJson(call.request, FILE_BODY_BYTES);
    const type = stringField(body, 'type') ?? 'file';
    const existing = await stat(place.file).catch(() => undefined);
    const status = existing ? 200 : 201;
    if (place.api === '') throw new HttpError(400, 'The root cannot be saved');
    if (type === 'directory') {
      if (existing && !existing.isDirectory()) throw new HttpError(400, `${place.api} is not a directory`);
      if (!existing) await mkdir(place.file);
      return json(await this.model(place), status);
    }
    if (existing?.isDirectory()) throw new HttpError(400, `${place.api} is a directory`);
    if (type !== 'file' && type !== 'notebook') {
      throw new HttpError(400, `Unknown type ${type}: directory, file and notebook are accepted`);
    }
    const data = type === 'notebook' ? await this.notebookBytes(body) : fileBytes(body);
    const chunk = body.chunk;
    if (chunk !== undefined && chunk !== null) {
      if (typeof chunk !== 'number' || !Number.isInteger(chunk) || chunk < -1 || chunk === 0) {
        throw new HttpError(400, 'chunk must be 1, 2, … and -1 for the last one');
      }
      const complete = await this.uploads.accept(place.file, chunk, Buffer.from(data));
      if (!complete) return json(partialModel(place), status);
    } else {
      await saveAtomically(place.file, data);
    }
    return json(await this.model(place), status);
  }

  private async notebookBytes(body: Body): Promise<string> {
    const { content } = body;
    formatNotebook(content);
    return formatNotebook(await this.trust.strip(content as Body));
  }

  private async create(call: Call) {
    const place = await this.write(call);
    if (!(await stat(place.file)).isDirectory()) {
      throw new HttpError(400, `${place.api} is not a directory`);
    }
    const body = await readJson(call.request);
    const copyFrom = stringField(body, 'copy_from');
    const extension = stringField(body, 'ext') ?? '';
    if (/[/\\\0]/.test(extension)) throw new HttpError(400, 'ext must be a file name extension');
    const name =
      copyFrom === undefined
        ? await createUntitled(place.file, stringField(body, 'type'), extension)
        : await copyInto(place.file, (await this.root.place(copyFrom, 'read')).file);
    const created: Place = { api: place.api ? `${place.api}/${name}` : name, file: join(place.file, name) };
    return json(await this.model(created), 201, { Location: `/api/contents/${encodeURI(created.api)}` });
  }

  private async rename(call: Call) {
    const from = await this.write(call);
    const path = stringField(await readJson(call.request), 'path');
    if (path === undefined) throw new HttpError(400, 'path is missing');
    const to = await this.root.place(path, 'write');
    await renamePlace(from, to);
    return json(await this.model(to));
  }
}

function fileBytes(body: Body): string | Buffer {
  const content = stringField(body, 'content') ?? '';
  const format = stringField(body, 'format') ?? 'text';
  if (format === 'text') return content;
  if (format === 'base64') return Buffer.from(content, 'base64');
  throw new HttpError(400, `Unknown format ${format}: text and base64 are accepted`);
}

/** The model of a file whose last chunk is still to come: it may not exist under its name yet. */
function partialModel(place: Place): ContentsModel {
  const now = new Date().toISOString();
  return {
    name: place.api.split('/').at(-1)!,
    path: place.api,
    type: 'file',
    created: now,
    last_modified: now,
    size: null,
    writable: true,
    mimetype: null,
    format: null,
    content: null,
    hash: null,
    hash_algorithm: null,
  };
}
