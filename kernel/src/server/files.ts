import { stat } from 'node:fs/promises';
import type { ContentsRoot } from './contents/paths.js';
import { HttpError, toHttpError } from './http/errors.js';
import { fileReply } from './http/file-reply.js';
import type { Router } from './http/router.js';
import { FILES_POLICY } from './security/policy.js';

/**
 * Serves the user's files as they are, for images in documents and for downloads. Whatever they hold, in the
 * browser they run in a sandbox, without access to the lab's page.
 */
export function registerFiles(router: Router, root: ContentsRoot): void {
  router.on('GET', '/files/*path', async (call) => {
    const path = call.params.path!;
    const place = await root.place(path, 'read');
    const status = await stat(place.file).catch((error: unknown) => {
      throw toHttpError(error, path) as Error;
    });
    if (!status.isFile()) throw new HttpError(404, `No such file: ${path}`);
    const name = place.api.split('/').at(-1)!;
    const asAttachment = call.query.has('download') || name.endsWith('.ipynb');
    const disposition = `attachment; filename*=UTF-8''${encodeURIComponent(name)}`;
    return fileReply(call.request, place.file, status, {
      'Content-Security-Policy': FILES_POLICY,
      ...(asAttachment ? { 'Content-Disposition': disposition } : {}),
    });
  });
}
