// biome-ignore lint/style/noRestrictedImports: makes one folder that must not be there yet
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FILE_BODY_BYTES, readJson, readOptionalJson, stringField } from '../http/body.js';
import { HttpError, toHttpError } from '../http/errors.js';
import { empty, json } from '../http/reply.js';
import type { Call, Handler, Router } from '../http/router.js';
import { copyInto, createUntitled, deletePlace, renamePlace } from './changes.js';
import { createCheckpoint, deleteCheckpoint, listCheckpoints, restoreCheckpoint } from './checkpoints.js';
import { badType, type ContentsModel, ContentsReader } from './models.js';
import { formatNotebook, parseNotebook } from './notebook.js';
import type { ContentsRoot, Place, Purpose } from './paths.js';
import { saveAtomically } from './save.js';
import type { NotebookTrust } from './trust.js';
import { Uploads } from './uploads.js';

type Body = Record<string, unknown>;

/** What the contents API keeps below the path of a file. */
type BelowFile =
  | { readonly kind: 'checkpoints' | 'trust'; readonly place: Place }
  | { readonly kind: 'checkpoint'; readonly place: Place; readonly id: string };

/** The contents API: the files below a root, read, saved, renamed, copied, deleted, with checkpoints. */
export class ContentsService {
  private readonly reader: ContentsReader;
  private readonly uploads = new Uploads();

  constructor(
    private readonly root: ContentsRoot,
    private readonly trust: NotebookTrust,
    /** `deleteToTrash`: what is deleted goes to the trash of the system. */
    private readonly options: { readonly deleteToTrash: boolean },
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
    const path = '/api/contents/*path';
    on('GET', path, async (call) => {
      const below = await this.belowFile(call, 'read');
      return below ? this.getBelow(below) : this.get(call);
    });
    on('POST', path, async (call) => {
      const below = await this.belowFile(call, 'write');
      return below ? this.postBelow(router, below) : this.create(router, call);
    });
    on('DELETE', path, async (call) => {
      const below = await this.belowFile(call, 'write');
      if (below?.kind === 'checkpoint') await deleteCheckpoint(below.place.file, below.id);
      else if (below) throw notAllowed(call.method);
      else await deletePlace(await this.write(call), this.options.deleteToTrash);
      return empty();
    });
    on('PUT', path, (call) => this.save(router, call));
    on('PATCH', path, (call) => this.rename(router, call));
  }

  /** Drops unfinished uploads. */
  dispose(): Promise<void> {
    return this.uploads.dispose();
  }

  /**
   * The meaning of a path below a file: its checkpoints, or its trust. Nothing else can be below a file,
   * so that a folder may have any of these names.
   */
  private async belowFile(call: Call, purpose: Purpose): Promise<BelowFile | undefined> {
    const found = /^(.+?)\/(?:(checkpoints)(?:\/([\w-]+))?|trust)\/?$/s.exec(call.params.path ?? '');
    if (!found) return undefined;
    const [, path, checkpoints, id] = found;
    const place = await this.root.place(path!, purpose).catch(() => undefined);
    const isFile = place && (await stat(place.file).catch(() => undefined))?.isFile();
    if (!isFile) return undefined;
    if (!checkpoints) return { kind: 'trust', place };
    return id === undefined ? { kind: 'checkpoints', place } : { kind: 'checkpoint', place, id };
  }

  private async getBelow(below: BelowFile) {
    if (below.kind !== 'checkpoints') throw notAllowed('GET');
    return json(await listCheckpoints(below.place.file));
  }

  private async postBelow(router: Router, below: BelowFile) {
    const { place } = below;
    if (below.kind === 'trust') {
      await this.trust.remember(parseNotebook(await readFile(place.file, 'utf8'), place.api));
      return empty(201);
    }
    if (below.kind === 'checkpoint') {
      await restoreCheckpoint(place.file, below.id);
      return empty();
    }
    const made = await createCheckpoint(place.file).catch((error: unknown) => {
      const { status, message } = toHttpError(error, place.api);
      // JupyterLab makes a checkpoint of what it opens, and opens nothing where that fails with any status but 403.
      throw status === 507 ? new HttpError(403, message) : error;
    });
    return json(made, 201, { Location: `${location(router, place)}/checkpoints/${made.id}` });
  }

  private async get(call: Call) {
    const { query } = call;
    const type = query.get('type') ?? undefined;
    const format = query.get('format') ?? undefined;
    if (type !== undefined && !CONTENTS_TYPES.includes(type)) throw unknownType(type);
    const model = await this.reader.read(await this.read(call), {
      ...(type === undefined ? {} : { type }),
      ...(format === undefined || type === 'notebook' || type === 'directory' ? {} : { format }),
      content: flag(query, 'content', true),
      hash: flag(query, 'hash', false),
    });
    return json(model, 200, { 'Last-Modified': new Date(model.last_modified).toUTCString() });
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

  private async save(router: Router, call: Call) {
    const place = await this.write(call);
    return this.uploads.during(place.file, async () => {
      try {
        return await this.saveAt(router, place, await readJson(call.request, FILE_BODY_BYTES));
      } catch (error) {
        // Of a file that comes in chunks, one that cannot be taken leaves a hole: the rest must not complete it.
        await this.uploads.abandon(place.file);
        throw error;
      }
    });
  }

  /** Checks the whole body before anything is written. */
  private async saveAt(router: Router, place: Place, body: Body) {
    const { chunk } = body;
    const type = stringField(body, 'type');
    if (type === undefined) throw new HttpError(400, 'type is missing: directory, file or notebook');
    if (!CONTENTS_TYPES.includes(type)) throw unknownType(type);
    if (place.api === '') throw new HttpError(400, 'The root cannot be saved');
    if (body.copy_from) throw new HttpError(400, 'PUT does not copy, POST does');
    const existing = await stat(place.file).catch(() => undefined);
    const status = existing ? 200 : 201;
    const headers = { Location: location(router, place) };
    if (type === 'directory') {
      if (existing && !existing.isDirectory()) throw badType(`${place.api} is not a directory`);
      if (!existing) await mkdir(place.file);
      return json(await this.model(place), status, headers);
    }
    if (existing?.isDirectory()) throw badType(`${place.api} is a directory, not a ${type}`);
    if (body.content === undefined || body.content === null) {
      throw new HttpError(400, `content is missing: ${place.api} was left as it is`);
    }
    if (chunk !== undefined && chunk !== null) {
      if (typeof chunk !== 'number' || !Number.isInteger(chunk) || chunk < -1 || chunk === 0) {
        throw new HttpError(400, 'chunk must be 1, 2, … and -1 for the last one');
      }
      if (type !== 'file') throw new HttpError(400, 'Only files are taken in chunks, notebooks come whole');
      const complete = await this.uploads.accept(place.file, chunk, Buffer.from(fileBytes(body)));
      if (!complete) return json(partialModel(place), status, headers);
    } else {
      await saveAtomically(
        place.file,
        type === 'notebook' ? await this.notebookBytes(body) : fileBytes(body),
      );
    }
    return json(await this.model(place), status, headers);
  }

  private async notebookBytes(body: Body): Promise<string> {
    const { content } = body;
    formatNotebook(content);
    return formatNotebook(await this.trust.strip(content as Body));
  }

  private async create(router: Router, call: Call) {
    const place = await this.write(call);
    if (!(await stat(place.file)).isDirectory()) {
      throw new HttpError(400, `${place.api} is not a directory`);
    }
    const body = (await readOptionalJson(call.request)) ?? {};
    const copyFrom = stringField(body, 'copy_from');
    const extension = stringField(body, 'ext') ?? '';
    if (/[/\\\0]/.test(extension)) throw new HttpError(400, 'ext must be a file name extension');
    const name = copyFrom
      ? await copyInto(place.file, await this.root.place(copyFrom, 'read'))
      : await createUntitled(place.file, stringField(body, 'type'), extension);
    const created: Place = { api: place.api ? `${place.api}/${name}` : name, file: join(place.file, name) };
    return json(await this.model(created), 201, { Location: location(router, created) });
  }

  private async rename(router: Router, call: Call) {
    const from = await this.write(call);
    const path = stringField(await readJson(call.request), 'path');
    if (path === undefined) throw new HttpError(400, 'path is missing');
    const to = await this.root.place(path, 'write');
    await renamePlace(from, to);
    return json(await this.model(to), 200, { Location: location(router, to) });
  }
}

const CONTENTS_TYPES: readonly string[] = ['directory', 'file', 'notebook'];

const unknownType = (type: string) =>
  badType(`Unknown type ${type}: ${CONTENTS_TYPES.join(', ')} are accepted`);

const notAllowed = (method: string) => new HttpError(405, `${method} is not allowed here`);

const location = (router: Router, place: Place): string =>
  router.link(`/api/contents/${place.api.split('/').map(encodeURIComponent).join('/')}`);

function flag(query: URLSearchParams, name: string, fallback: boolean): boolean {
  const text = query.get(name) ?? (fallback ? '1' : '0');
  if (text !== '0' && text !== '1') throw new HttpError(400, `${name}=${text}: 0 and 1 are accepted`);
  return text === '1';
}

function fileBytes(body: Body): string | Buffer {
  const content = stringField(body, 'content') ?? '';
  const format = stringField(body, 'format');
  if (format === 'text') return content;
  if (format === 'base64') return fromBase64(content);
  throw new HttpError(400, `format is ${format ?? 'missing'}: text and base64 are accepted`);
}

/** Decodes base64, with or without line breaks; what is not base64 would decode to garbage. */
function fromBase64(text: string): Buffer {
  const whole = text.replace(/\s+/g, '');
  if (whole.length % 4 !== 0 || /[^A-Za-z0-9+/]/.test(whole.replace(/={1,2}$/, ''))) {
    throw new HttpError(400, 'content is not valid base64');
  }
  return Buffer.from(whole, 'base64');
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
