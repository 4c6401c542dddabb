import { readFile, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { FoveaError } from '@fovea/engine/errors';
import type { ReadAsset } from '../export/markdown.js';
import type { Notebook } from '../export/nbformat.js';
import { PAGE_POLICY } from '../export/page.js';
import { renderNotebook } from '../export/render.js';
import { OneByOne } from '../one-by-one.js';
import { badType, LARGEST_SHOWN_BYTES } from './contents/models.js';
import { parseNotebook } from './contents/notebook.js';
import type { ContentsRoot, Place } from './contents/paths.js';
import { HttpError, toHttpError } from './http/errors.js';
import { mediaType } from './http/media-types.js';
import { html, json } from './http/reply.js';
import type { Router } from './http/router.js';

/** Larger pictures beside a notebook stay out of its page. */
const MOST_PICTURE_BYTES = 20e6;

/**
 * Notebooks as pages, for File > Print and Save and Export As: the formats of nbconvert that this lab writes by
 * itself, under nbconvert's addresses.
 */
export function registerNbconvert(router: Router, root: ContentsRoot): void {
  /** One at a time leaves the other cores to kernels. */
  const pages = new OneByOne();
  router.on('GET', '/api/nbconvert', () => json({ html: { output_mimetype: 'text/html' } }));
  router.on('GET', '/nbconvert/:format/*path', async ({ params, query, request }) => {
    const path = params.path!;
    if (params.format !== 'html') {
      throw new HttpError(404, `No exporter for format ${params.format}: html is accepted`);
    }
    const place = await root.place(path, 'read');
    const text = await readNotebook(place, path);
    const name = posix.basename(place.api, '.ipynb');
    const notebook = parseNotebook(text, place.api) as unknown as Notebook;
    const left = new AbortController();
    const leave = () => left.abort();
    request.socket.once('close', leave);
    const page = await pages
      .do(() =>
        renderNotebook(notebook, {
          title: name,
          readAsset: assetsBeside(root, posix.dirname(place.api)),
          signal: left.signal,
        }),
      )
      .catch((error: unknown) => {
        throw error instanceof FoveaError ? new HttpError(400, `${place.api}: ${error.message}`) : error;
      })
      .finally(() => request.socket.off('close', leave));
    const disposition = query.get('download') === 'true' ? 'attachment' : 'inline';
    return html(page, `${PAGE_POLICY}; sandbox`, 200, {
      'Content-Disposition': `${disposition}; filename*=UTF-8''${encodeURIComponent(`${name}.html`)}`,
    });
  });
}

/** @throws HttpError for what is no regular file: the whole server would wait for the one who writes into a pipe */
async function readNotebook({ file }: Place, path: string): Promise<string> {
  try {
    const status = await stat(file);
    if (status.isDirectory()) throw badType(`${path} is a directory, not a notebook`);
    if (!status.isFile()) throw badType(`${path} is not a regular file`);
    if (status.size > LARGEST_SHOWN_BYTES) throw new HttpError(400, `${path} is too large for a page`);
    return await readFile(file, 'utf8');
  } catch (error) {
    throw toHttpError(error, path) as Error;
  }
}

/** Reads pictures by their paths relative to a folder of the root; what is not there or hidden is not read. */
function assetsBeside(root: ContentsRoot, folder: string): ReadAsset {
  return async (path) => {
    const mime = mediaType(path);
    if (!mime?.startsWith('image/')) return undefined;
    try {
      const { file } = await root.place(posix.join(folder, path), 'read');
      const status = await stat(file);
      if (!status.isFile() || status.size > MOST_PICTURE_BYTES) return undefined;
      return { mime, bytes: await readFile(file) };
    } catch {
      return undefined;
    }
  };
}
