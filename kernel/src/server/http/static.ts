import { stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join, resolve, sep } from 'node:path';
import { HttpError } from './errors.js';
import { fileReply } from './file-reply.js';
import type { Reply } from './reply.js';

/** The names of build outputs contain a hash of their content, so a browser may cache them indefinitely. */
export const FOREVER = 'public, max-age=31536000, immutable';

/**
 * Serves one file from below a folder of the product's own (never from the user's).
 * @throws HttpError 404 when there is no such file, also for paths that lead out of the folder
 */
export async function staticFile(
  request: IncomingMessage,
  folder: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const file = resolve(join(folder, path));
  const inside = file.startsWith(resolve(folder) + sep);
  const status = inside ? await stat(file).catch(() => undefined) : undefined;
  if (!status?.isFile()) throw new HttpError(404, 'Not found');
  return fileReply(request, file, status, headers);
}
