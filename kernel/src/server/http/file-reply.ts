import { createReadStream, type Stats } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import fresh from 'fresh';
import parseRange from 'range-parser';
import { contentType } from './media-types.js';
import type { Reply } from './reply.js';

/**
 * Changes whenever the file does, also where a copy of the same size takes its time along or the clock was set back; weak,
 * since it goes by what the disk notes and not by the bytes.
 */
const entityTag = ({ size, mtimeMs, ctimeMs, ino }: Stats): string =>
  `W/"${[size, mtimeMs, ctimeMs, ino].map((part) => part.toString(16)).join('-')}"`;

/** Whether a part of the file fits what the browser already has. */
function isSameAsBefore(condition: string | string[] | undefined, tag: string, modified: string): boolean {
  return condition === undefined || condition === tag || condition === modified;
}

/**
 * An answer with a file, as browsers want to have it: none when they hold it already (304), a part of it when
 * they request one (206), which is how videos are sought and downloads resumed.
 * @param file path on disk, of a regular file
 * @param headers replace those that follow from the file
 */
export function fileReply(
  request: IncomingMessage,
  file: string,
  status: Stats,
  headers: Record<string, string> = {},
): Reply {
  const { size } = status;
  const tag = entityTag(status);
  const modified = status.mtime.toUTCString();
  const about = {
    'Content-Type': contentType(basename(file)),
    'Cache-Control': 'no-cache',
    'Accept-Ranges': 'bytes',
    ETag: tag,
    'Last-Modified': modified,
    ...headers,
  };
  if (fresh(request.headers, { etag: tag, 'last-modified': modified })) {
    const { 'Content-Type': _, ...rest } = about;
    return { status: 304, headers: rest };
  }
  const { range, 'if-range': ifRange } = request.headers;
  if (range !== undefined && isSameAsBefore(ifRange, tag, modified)) {
    const ranges = parseRange(size, range, { combine: true });
    if (ranges === -1) return { status: 416, headers: { ...about, 'Content-Range': `bytes */${size}` } };
    // For an invalid header, or one for several parts, the whole file is a valid answer.
    if (ranges !== -2 && ranges.type === 'bytes' && ranges.length === 1) {
      const { start, end } = ranges[0]!;
      return {
        status: 206,
        headers: {
          ...about,
          'Content-Range': `bytes ${start}-${end}/${size}`,
          'Content-Length': String(end - start + 1),
        },
        body: createReadStream(file, { start, end }),
      };
    }
  }
  // If the file grows, no more than the announced length may be sent.
  const body = size === 0 ? Readable.from([]) : createReadStream(file, { end: size - 1 });
  return { status: 200, headers: { ...about, 'Content-Length': String(size) }, body };
}
