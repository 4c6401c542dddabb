import { readFile, stat } from 'node:fs/promises';
import { expectArgument } from './arguments/expect.js';
import { aText } from './arguments/kinds.js';
import { FoveaError } from './errors.js';

/** Larger files cannot be held in one Node buffer, and no protobuf message may exceed this. */
const largestFileBytes = 2 ** 31 - 1;

/**
 * The whole content of an ordinary file.
 * @throws FoveaError `io` when it cannot be read or is no ordinary file; `bad-file` when it is empty or
 *   larger than 2 GiB
 */
export async function readFileBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  expectArgument(path, aText, 'path');
  if (path.includes('\0')) {
    throw new FoveaError('io', `cannot read ${JSON.stringify(path)}: a path holds no NUL character`);
  }
  try {
    const status = await stat(path);
    // A pipe or a device may never end, so only ordinary files are opened.
    if (!status.isFile()) throw new FoveaError('io', `cannot read ${path}: it is not an ordinary file`);
    if (status.size === 0) throw new FoveaError('bad-file', `${path} is empty (0 bytes)`);
    if (status.size > largestFileBytes) {
      throw new FoveaError(
        'bad-file',
        `${path} has ${status.size} bytes; at most ${largestFileBytes} are read`,
      );
    }
    const content = await readFile(path);
    return new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
  } catch (error) {
    if (error instanceof FoveaError) throw error;
    throw new FoveaError('io', `cannot read ${path}: ${refusal(error, 'file')}`, { cause: error });
  }
}

/** Why a disk takes nothing more, whatever is written. */
const diskRefusals: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the disk can only be read',
};

/**
 * Why the system refused to open something, in words, or as its code where there are none.
 * @param kind what was expected at the path
 */
export function refusal(cause: unknown, kind: 'file' | 'folder'): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT') return `there is no such ${kind}`;
  if (code === 'EACCES') return 'permission denied';
  if (code === 'ENAMETOOLONG') return 'the name is too long';
  if (code === 'EISDIR') return 'it is a folder';
  if (code === 'ENOTDIR' && kind === 'folder') return 'it is not a folder';
  return diskRefusals[code ?? ''] ?? code ?? message;
}

/** Why the system refused to write something, in words where there are some. */
export function writeRefusal(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  return diskRefusals[code ?? ''] ?? message;
}

/** The system's code if an error comes from a disk that takes nothing more: that is the machine's trouble, not the task's. */
export function diskRefusal(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (code !== undefined && code in diskRefusals) return code;
  }
  return undefined;
}
