import type { IncomingMessage } from 'node:http';
import { FoveaError } from '@fovea/engine/errors';

/**
 * A refusal that becomes an HTTP answer `{message, reason}`. Messages reach the browser: they name API paths,
 * never paths of the file system.
 */
export class HttpError extends Error {
  /**
   * @param status the HTTP status to answer with, 400…599
   * @param message one sentence for the person in front of the browser
   * @param reason short machine-readable kind, where a client looks for one
   * @param options `cause`: the underlying error, for the log
   */
  constructor(
    readonly status: number,
    message: string,
    readonly reason: string | null = null,
    options: { cause?: unknown } = {},
  ) {
    super(message, options);
  }
}

const FILE_SYSTEM: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ENOENT: [404, 'No such file or directory'],
  ENOTDIR: [404, 'No such file or directory'],
  ELOOP: [404, 'No such file or directory'],
  EACCES: [403, 'Permission denied'],
  EPERM: [403, 'Permission denied'],
  EROFS: [403, 'The disk is read-only'],
  EBUSY: [409, 'The system uses it, as a mount point for instance'],
  EEXIST: [409, 'Something of that name exists already'],
  ENOTEMPTY: [400, 'The directory is not empty'],
  EINVAL: [400, 'The disk takes no such name or place'],
  EISDIR: [400, 'That is a directory'],
  ERR_FS_CP_FIFO_PIPE: [400, 'Pipes cannot be copied'],
  ERR_FS_CP_SOCKET: [400, 'Sockets cannot be copied'],
  ERR_FS_CP_UNKNOWN: [400, 'Devices cannot be copied'],
  ENAMETOOLONG: [400, 'The name is too long'],
  ENOSPC: [507, 'The disk is full; nothing was changed'],
  EDQUOT: [507, 'The disk quota is used up; nothing was changed'],
  ERR_FS_FILE_TOO_LARGE: [400, 'The file is too large to be read at once'],
  EFBIG: [507, 'The file is larger than this disk takes; nothing was changed'],
};

/** Translates any thrown value into the answer that the client gets; unexpected ones become a plain 500. */
export function toHttpError(thrown: unknown, subject?: string): HttpError {
  if (thrown instanceof HttpError) return thrown;
  if (thrown instanceof RangeError && thrown.message.includes('call stack')) {
    return new HttpError(400, 'What was sent or read is nested too deeply');
  }
  // What the system refused is the cause of the engine's own error.
  const refused = thrown instanceof FoveaError ? thrown.cause : thrown;
  const code = (refused as NodeJS.ErrnoException | null | undefined)?.code;
  const known = code === undefined ? undefined : FILE_SYSTEM[code];
  if (known) return new HttpError(known[0], subject ? `${known[1]}: ${subject}` : known[1]);
  return new HttpError(500, 'Internal server error; the terminal shows the cause', null, { cause: thrown });
}

/**
 * A request that failed through no fault of the client, with the causes, for the person at the terminal. The query
 * is left out, since it may hold the token.
 */
export function describeFailure({ method, url = '' }: IncomingMessage, error: Error): string {
  const { cause } = error;
  const causes = cause === undefined ? '' : `\n${cause instanceof Error ? cause.stack : String(cause)}`;
  return `${method} ${url.split('?')[0]} failed: ${error.message}${causes}`;
}
