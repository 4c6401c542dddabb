import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { constants, createReadStream, type Stats } from 'node:fs';
import { access, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HttpError } from '../http/errors.js';
import { mediaType } from '../http/media-types.js';
import { parseNotebook } from './notebook.js';
import type { ContentsRoot, Place } from './paths.js';
import type { NotebookTrust } from './trust.js';

/** People open the files of networks as they open others: the message says how a network is read. */
function networkHint(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return /\.(onnx|safetensors|pt|pth|pth\.tar)$/i.test(name)
    ? `. It seems to hold a network: a cell of a notebook beside it reads it with loadNetwork('${name}')`
    : '';
}

export type ContentsType = 'directory' | 'file' | 'notebook';

/** An entry of the contents API; without content the last three fields of content are null, but present. */
export interface ContentsModel {
  readonly name: string;
  readonly path: string;
  readonly type: ContentsType;
  readonly created: string;
  readonly last_modified: string;
  readonly size: number | null;
  readonly writable: boolean;
  readonly mimetype: string | null;
  readonly format: 'json' | 'text' | 'base64' | null;
  readonly content: unknown;
  readonly hash: string | null;
  readonly hash_algorithm: string | null;
}

/** What a reader requests: a required type and format, the content or not, its hash or not. */
export interface ModelRequest {
  readonly type?: string;
  readonly format?: string;
  readonly content?: boolean;
  readonly hash?: boolean;
}

/** Largest file that is sent as a string in JSON; strings of twice the size are no longer possible. */
export const LARGEST_SHOWN_BYTES = 256 * 2 ** 20;

/** The hash of a file of any size. */
async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

const canWrite = (file: string): Promise<boolean> =>
  access(file, constants.W_OK).then(
    () => true,
    () => false,
  );

/** Where something is of another kind than was asked for; front ends look for the reason. */
export const badType = (message: string) => new HttpError(400, message, 'bad type');

/** Reads files and folders as the contents API describes them. */
export class ContentsReader {
  constructor(
    private readonly root: ContentsRoot,
    private readonly trust: NotebookTrust,
  ) {}

  /**
   * Describes the file or folder at a path.
   * @throws HttpError 404 when nothing is, 400 when it is not of the type or format asked for
   */
  async read(place: Place, request: ModelRequest = {}): Promise<ContentsModel> {
    const { type, content = true } = request;
    const status = await stat(place.file);
    if (status.isDirectory()) {
      if (type !== undefined && type !== 'directory') {
        throw badType(`${place.api} is a directory, not a ${type}`);
      }
      return this.directory(place, status, content);
    }
    if (type === 'directory') throw badType(`${place.api} is not a directory`);
    if (!status.isFile()) throw badType(`${place.api} is not a regular file`);
    return this.file(place, status, request);
  }

  private async base(place: Place, status: Stats, type: ContentsType): Promise<ContentsModel> {
    const isDirectory = type === 'directory';
    return {
      name: place.api.split('/').at(-1)!,
      path: place.api,
      type,
      created: (status.birthtimeMs > 0 ? status.birthtime : status.ctime).toISOString(),
      last_modified: status.mtime.toISOString(),
      size: isDirectory ? null : status.size,
      writable: await canWrite(place.file),
      mimetype: type === 'file' ? (mediaType(place.api) ?? null) : null,
      format: null,
      content: null,
      hash: null,
      hash_algorithm: null,
    };
  }

  private async directory(place: Place, status: Stats, content: boolean): Promise<ContentsModel> {
    const base = await this.base(place, status, 'directory');
    if (!content) return base;
    const names = (await readdir(place.file)).filter((name) => this.root.shows(name));
    const entries = await Promise.all(
      names.map((name) =>
        this.entry({ api: place.api ? `${place.api}/${name}` : name, file: join(place.file, name) }),
      ),
    );
    return { ...base, format: 'json', content: entries.filter((entry) => entry !== undefined) };
  }

  /** One line of a listing; what cannot be described (a broken link, a socket, a stranger's file) is left out. */
  private async entry(place: Place): Promise<ContentsModel | undefined> {
    try {
      if (!(await this.root.isInside(place.file))) return undefined;
      const status = await stat(place.file);
      if (status.isDirectory()) return await this.base(place, status, 'directory');
      if (!status.isFile()) return undefined;
      return await this.base(place, status, place.api.endsWith('.ipynb') ? 'notebook' : 'file');
    } catch {
      return undefined;
    }
  }

  private async file(place: Place, status: Stats, request: ModelRequest): Promise<ContentsModel> {
    const { format, content = true, hash = false } = request;
    const isNotebook = (request.type ?? (place.api.endsWith('.ipynb') ? 'notebook' : 'file')) === 'notebook';
    const base = await this.base(place, status, isNotebook ? 'notebook' : 'file');
    if (content && status.size > LARGEST_SHOWN_BYTES) {
      const limit = `${Math.round(status.size / 2 ** 20)} MB, ${LARGEST_SHOWN_BYTES / 2 ** 20} MB are shown`;
      const says = `${place.api} is too large to be shown: ${limit}; it can be downloaded`;
      throw new HttpError(400, `${says}${networkHint(place.api)}`);
    }
    const hashed = hash ? { ...base, hash: await sha256(place.file), hash_algorithm: 'sha256' } : base;
    if (!content) return hashed;
    const bytes = await readFile(place.file);
    if (isNotebook) {
      const notebook = parseNotebook(bytes.toString('utf8'), place.api);
      return { ...hashed, format: 'json', content: this.trust.mark(notebook) };
    }
    if (format !== undefined && format !== 'text' && format !== 'base64') {
      throw new HttpError(400, `Unknown format ${format}: text and base64 are accepted`);
    }
    const isText = isUtf8(bytes) && !bytes.includes(0);
    if (format === 'text' && !isUtf8(bytes)) {
      const says = `${place.api} is no text: it is not UTF-8 encoded`;
      throw new HttpError(400, `${says}${networkHint(place.api)}`, 'bad format');
    }
    const asText = format === 'text' || (format === undefined && isText);
    return {
      ...hashed,
      mimetype: hashed.mimetype ?? (asText ? 'text/plain' : 'application/octet-stream'),
      format: asText ? 'text' : 'base64',
      content: bytes.toString(asText ? 'utf8' : 'base64'),
    };
  }
}
